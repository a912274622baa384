"""Heads with several outputs: each is scored by its own tag, as a plain loop over the outputs has it."""

import json
import random
import re
import subprocess

import numpy as np
import pandas as pd
import pysam
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import genomelm
from genomelm.errors import InputError, NumericalError, UsageError
from genomelm.models import (
    GenomeModel,
    HyenaGLTConfig,
    HyenaGLTForRegression,
    HyenaGLTForSequenceClassification,
    HyenaGLTForVariantEffect,
)
from genomelm.models.encoding import make_batch
from genomelm.scoring.allele_scorer import Output
from genomelm.scoring.alleles import other_strand, read_pair
from genomelm.scoring.annotate import annotate
from genomelm.scoring.background import ScoreBackground, make_background, variant_class
from genomelm.scoring.cache import score_cache
from genomelm.scoring.compare import compare, compare_all
from genomelm.scoring.explain import as_text, explain
from genomelm.scoring.merge import merge
from genomelm.scoring.saturate import saturate
from genomelm.scoring.saturation_files import write_effects
from genomelm.scoring.scorer import scorer_for
from genomelm.scoring.self_test import compare as compare_devices
from genomelm.scoring.self_test import on_cpu
from genomelm.scoring.shard import Shard
from genomelm.scoring.tags import PERCENTILE, Tags, tag_parts
from genomelm.scoring.variant_table import score_table_file
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

SHELL = {"local_width": 16, "local_heads": 2, "width": 16, "kmers": [2], "encoder_layers": 1, "decoder_layers": 1}
NAMES = ["K562", "Hep-G2", "Hep G2"]
TAGS = ("GLM_MPRA_K562", "GLM_MPRA_Hep_G2", "GLM_MPRA_Hep_G2.2")
OTHER = {"A": "C", "C": "G", "G": "T", "T": "A"}
BASES = "".join(random.Random(4).choices("ACGT", k=900))


def made(form: type[GenomeModel], patcher, **head) -> GenomeModel:
    """Return a model with three outputs whose effects stand out of rounding."""
    head = {"task": "mpra", "outputs": 3, "names": NAMES, "queries": 4, **head}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)
        model = form(HyenaGLTConfig(shell=SHELL, backbone={"layers": 1, "hidden": 16}, head=head), patcher).eval()
    with torch.no_grad():
        for table in [model.shell.bytes, *model.shell.kmers.tables]:
            table.weight.mul_(20)
    return model


@pytest.fixture(scope="module")
def pair_model(stride_patcher):
    return made(HyenaGLTForVariantEffect, stride_patcher, scales=[2.0, 3.0, 0.5])


@pytest.fixture(scope="module")
def genome(tiny_fasta):
    with Genome(tiny_fasta) as opened:
        yield opened


@pytest.fixture(scope="module")
def variants(genome):
    found = []
    for place in (0, 500, 1200):
        ref = genome.fetch(Interval("c1", place, place + 4)).upper()
        alleles = ((ref[0], OTHER[ref[0]]), (ref[0], ref[0] + "GAT"), (ref, ref[0]))
        found += [Variant("c1", place + 1, *both) for both in alleles]
    return found


class ThreeScorer:
    """No model: three fixed functions of the two windows, by the tags of NAMES."""

    tag, description = "GLM_MPRA", "three numbers"
    every = tuple(Output(name, part, n) for n, (name, part) in enumerate(zip(NAMES, tag_parts(NAMES), strict=True)))

    def __init__(self, single, *chosen: int) -> None:
        self._single = single
        self.outputs = tuple(self.every[n] for n in chosen or range(3))
        self.provenance = {"model": "0" * 64, "task": "mpra"}
        self.shift = np.zeros(3)
        self.calls = 0

    def pair(self, genome, variant):
        return self._single.pair(genome, variant)

    def score(self, pairs):
        self.calls += len(pairs)
        one = self._single.score(pairs)[:, None]
        columns = [output.column for output in self.outputs]
        return (one * [1.0, -2.0, 0.25] + [0.0, 1.0, 2.0] + self.shift)[:, columns]


@pytest.fixture
def three(scorer):
    return lambda *chosen: ThreeScorer(scorer, *chosen)


def records(count: int) -> list[str]:
    lines = []
    for pos in range(1, count + 1):
        alts = f"{OTHER[BASES[pos - 1]]}{',<DEL>,' + BASES[pos - 1] + 'GG' if pos % 3 == 0 else ''}"
        lines.append(f"c {pos} rs{pos} {BASES[pos - 1]} {alts if pos % 7 else '.'} 29.123456 . K={pos}")
    return lines


@pytest.mark.parametrize(
    ("kind", "head", "values"),
    [
        (HyenaGLTForVariantEffect, {"scales": [2.0, 3.0, 0.5]}, lambda ref, alt: alt),
        (HyenaGLTForRegression, {"means": [1.0, 2.0, 3.0], "scales": [2.0, 3.0, 0.5]}, lambda ref, alt: alt - ref),
        (
            HyenaGLTForSequenceClassification,
            {"kind": "sequence_classification", "multi_label": True},
            lambda ref, alt: alt - ref,
        ),
        (
            HyenaGLTForSequenceClassification,
            {},
            lambda ref, alt: torch.logit(alt.softmax(0)) - torch.logit(ref.softmax(0)),
        ),
    ],
)
@pytest.mark.parametrize("two_strands", [False, True])
def test_each_output_is_what_a_plain_loop_gives(stride_patcher, genome, variants, kind, head, values, two_strands):
    model = made(kind, stride_patcher, two_strands=two_strands, **head)
    scorer = scorer_for(model, width=40)
    pairs = [scorer.pair(genome, variant) for variant in variants]
    found = scorer.score(pairs)
    assert found.shape == (len(pairs), 3)
    assert np.ptp(found, axis=1).min() > 1e-3
    for pair, row in zip(pairs, found, strict=True):
        strands = []
        for strand in (pair, other_strand(pair)) if two_strands else (pair,):
            windows = read_pair(model, strand)
            with torch.no_grad():
                if kind is HyenaGLTForVariantEffect:
                    batch = make_batch([w.ids for w in windows], [w.marks for w in windows], references=1)
                    rows = [None, model(**batch.inputs()).logits[0]]
                else:
                    rows = [model(**make_batch([w.ids], [w.marks]).inputs()).logits[0].double() for w in windows]
            strands.append(values(*rows).numpy())
        assert row == pytest.approx(np.mean(strands, 0), abs=1e-4)
    chosen = scorer_for(model, width=40, outputs=["2", "K562"])
    assert [output.name for output in chosen.outputs] == ["K562", "Hep G2"]
    np.testing.assert_allclose(chosen.score(pairs), found[:, [0, 2]], atol=1e-6)
    assert scorer.score([]).shape == (0, 3)


def test_what_cannot_be_chosen_is_refused(pair_model, language_model, task_models, stride_patcher):
    with pytest.raises(UsageError, match="no such output; it has K562, Hep-G2, Hep G2, or a number"):
        scorer_for(pair_model, outputs=["HepG2"])
    for model in (language_model, task_models[0]):
        with pytest.raises(UsageError, match="--output 0: .* leave it out"):
            scorer_for(model, outputs=["0"])
    with pytest.raises(UsageError, match="--output K562: .* leave it out"):
        scorer_for(pair_model, effect="embedding", outputs=["K562"])
    unnamed = made(HyenaGLTForRegression, stride_patcher, names=[])
    assert [output.part for output in scorer_for(unnamed).outputs] == ["0", "1", "2"]
    two_classes = made(HyenaGLTForSequenceClassification, stride_patcher, outputs=2, names=[])
    assert scorer_for(two_classes).outputs == ()


@given(st.lists(st.one_of(st.sampled_from(["a b", "a-b", "a_b", "a_b.1", "a_b_PCTL", "", "STATUS"]), st.text())))
def test_no_two_outputs_share_a_tag_whatever_their_names(names):
    parts = tag_parts(names)
    tags = [tag for part in parts for tag in (part, part + PERCENTILE)]
    assert len({*tags}) == len(tags)
    assert all(re.fullmatch(r"[0-9A-Za-z_.]+", part) for part in parts)
    allowed = [n for n, name in enumerate(names) if re.fullmatch(r"[0-9A-Za-z_.]+", name) and names.count(name) == 1]
    assert all(parts[n].startswith(names[n]) for n in allowed)
    if names:
        assert set(Tags.named("GLM_T", "GLM", parts).scores) == {f"GLM_T_{part}" for part in parts}


def test_the_file_and_the_table_hold_each_output_and_bcftools_reads_them(
    make_genome, make_vcf, three, read_vcf, tmp_path
):
    genome, scorer, out = make_genome(c=BASES), three(), tmp_path / "o.vcf.gz"
    source = make_vcf(*records(60), header=['##INFO=<ID=K,Number=1,Type=Integer,Description="k">', "##contig=<ID=c>"])
    tables = [tmp_path / "t.tsv", tmp_path / "t.parquet"]
    for table in tables:
        result = annotate(source, genome, scorer, out, table=table, summary=tmp_path / "s.json")
    assert json.loads((tmp_path / "s.json").read_text())["outputs"] == list(TAGS) == list(result.outputs)
    header, lines = read_vcf(out)
    for name, tag in zip(NAMES, TAGS, strict=True):
        assert any(
            f'ID={tag},Number=A,Type=Float,Description="three numbers; output {name}"'.encode() in h for h in header
        )
        assert sum(h.startswith(f'##genomelm=<ID={tag},Output="{name}",'.encode()) for h in header) == 1
    _, before = read_vcf(source)
    assert [row[:7] for row in lines] == [row[:7] for row in before]
    expected = iter(pd.read_parquet(tables[1]).itertuples(index=False))
    for row in lines:
        info = dict(item.split("=") for item in row[7].decode().split(";")[1:])
        if row[4] == b".":
            assert info == {"GLM_SITE": "NO_ALT"}
            continue
        assert list(info) == [*TAGS, "GLM_STATUS"]
        alts = row[4].decode().split(",")
        columns = [info[tag].split(",") for tag in TAGS]
        for alt, status, *texts in zip(alts, info["GLM_STATUS"].split(","), *columns, strict=True):
            cells = next(expected)
            assert (cells[4], cells[5]) == (alt, status)
            if alt == "<DEL>":
                assert texts == ["."] * 3
                assert np.isnan(cells[6:]).all()
                continue
            variant = Variant("c", int(row[1]), row[3].decode(), alt)
            assert [float(text) for text in texts] == pytest.approx(
                scorer.score([scorer.pair(genome, variant)])[0], rel=1e-5
            )
            assert list(cells[6:]) == [float(text) for text in texts]
    assert next(expected, None) is None
    columns = list(pd.read_csv(tables[0], sep="\t").columns)
    assert columns == ["contig", "pos", "id", "ref", "alt", "status", *TAGS]
    done = subprocess.run(["bcftools", "view", "-H", str(out)], capture_output=True, check=True)
    assert (done.stdout.count(b"\n"), done.stderr) == (60, b"")
    query = f"%INFO/{TAGS[2]}\\t%INFO/GLM_STATUS\\n"
    done = subprocess.run(["bcftools", "query", "-f", query, "-r", "c:1-1", str(out)], capture_output=True, check=True)
    assert done.stdout.decode().split() == [lines[0][7].decode().split(f"{TAGS[2]}=")[1].split(";")[0], "EDGE_PADDED"]


def test_scoring_an_output_again_gives_the_same_file(make_genome, make_vcf, three, read_vcf, tmp_path):
    genome, out = make_genome(c=BASES), tmp_path / "o.vcf.gz"
    annotate(make_vcf(*records(40)), genome, three(), out)
    first = read_vcf(out)
    annotate(out, genome, three(), out)
    assert read_vcf(out) == first
    with pytest.raises(UsageError, match=f"already holds genomelm's scores {TAGS[1]}, {TAGS[2]}, whose reasons"):
        annotate(out, genome, three(0), out)


def test_joined_shards_are_the_whole_run(make_genome, make_vcf, three, read_vcf, tmp_path):
    genome, source = make_genome(c=BASES), make_vcf(*records(120))
    make_background(genome, three(), tmp_path / "back", 3, 0)
    for chosen in ((), (1,), (0, 2)):
        background = ScoreBackground.load(tmp_path / "back", three(*chosen), genome)
        whole, joined = tmp_path / "whole.vcf.gz", tmp_path / "joined.vcf.gz"
        found = {"table": tmp_path / "whole.tsv", "background": background}
        alone = annotate(source, genome, three(*chosen), whole, **found)
        parts = [tmp_path / f"p{n}.vcf.gz" for n in (1, 2, 3)]
        for n, part in enumerate(parts, 1):
            annotate(source, genome, three(*chosen), part, shard=Shard(n, 3), background=background)
        merged = merge(parts[::-1], joined, table=tmp_path / "joined.tsv")
        assert read_vcf(joined)[1] == read_vcf(whole)[1]
        assert (tmp_path / "joined.tsv").read_text() == (tmp_path / "whole.tsv").read_text()
        assert "GLM_MPRA_Hep_G2_PCTL" in (tmp_path / "whole.tsv").read_text() or 1 not in (chosen or (1,))
        assert merged.as_json()["outputs"] == alone.outputs == tuple(TAGS[n] for n in chosen or range(3))
        assert (merged.scored, merged.statuses) == (alone.scored, alone.statuses)
    annotate(source, genome, three(0), parts[1], shard=Shard(2, 3), background=background)
    with pytest.raises(InputError, match="is of another tag than"):
        merge(parts, tmp_path / "no.vcf.gz")


def test_files_are_compared_output_by_output(make_genome, make_vcf, three, tmp_path):
    genome, source = make_genome(c=BASES), make_vcf(*records(40))
    moved = three(1, 2)
    moved.shift = np.array([0, 0.5, 0])
    annotate(source, genome, three(), tmp_path / "a.vcf.gz")
    annotate(source, genome, moved, tmp_path / "b.vcf.gz")

    def scratch(name):
        (tmp_path / name).mkdir()
        return tmp_path / name

    paths = (tmp_path / "a.vcf.gz", tmp_path / "b.vcf.gz")
    one, two = compare_all(*paths, scratch("all"))
    assert (one.tags, two.tags) == ((TAGS[1],) * 2, (TAGS[2],) * 2)
    assert (one.largest, one.equal, two.largest, two.equal) == (pytest.approx(0.5), False, 0.0, True)
    assert one.matched == two.matched == 40
    assert one.differing == one.scored == two.scored
    assert compare(*paths, scratch("one"), tag=TAGS[2]).equal
    assert compare(*paths, scratch("cross"), tag=TAGS[1], other_tag=TAGS[2]).scored == one.scored
    with pytest.raises(InputError, match="share 2 scores"):
        compare(*paths, scratch("which"))


def test_an_allele_with_one_number_that_is_none_has_no_score(make_genome, make_vcf, three, read_vcf, tmp_path):
    broken = three()
    broken.shift = np.array([0, np.nan, 0])
    result = annotate(make_vcf(*records(2)), make_genome(c=BASES), broken, tmp_path / "o.vcf.gz")
    assert (result.statuses, result.scored) == ({"NONFINITE": 2}, 0)
    _, lines = read_vcf(tmp_path / "o.vcf.gz")
    assert lines[0][7].decode() == ";".join(["K=1", *(f"{tag}=." for tag in TAGS), "GLM_STATUS=NONFINITE"])


def test_kept_scores_are_found_by_output(make_genome, make_vcf, three, read_vcf, tmp_path):
    genome, source, out = make_genome(c=BASES), make_vcf(*records(30)), tmp_path / "o.vcf.gz"
    annotate(source, genome, three(), tmp_path / "plain.vcf.gz")
    calls = []
    for chosen in ((0, 1), (1,), (), (2,), ()):
        scorer = three(*chosen)
        annotate(source, genome, scorer, out, cache=tmp_path / "cache")
        calls.append(scorer.calls)
    assert (calls[0] > 30, calls[1], calls[2] > 30, calls[3:]) == (True, 0, True, [0, 0])
    assert read_vcf(out) == read_vcf(tmp_path / "plain.vcf.gz")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    pair = scorer.pair(genome, Variant("c", 100, BASES[99], OTHER[BASES[99]]))
    with score_cache(tmp_path / "other", scorer, genome) as cache:
        assert cache.scores([pair], lambda pairs: [[1.0, np.inf, 2.0]]) == [[1.0, np.inf, 2.0]]
        assert cache.scores([pair], lambda pairs: [[1.0, 3.0, 2.0]]) == [[1.0, 3.0, 2.0]]
        assert cache.scores([pair, pair], None) == [[1.0, 3.0, 2.0]] * 2


def test_percentiles_are_those_of_each_output_alone(genome, three, scorer, tmp_path):
    drawn = []

    class Watched(ThreeScorer):
        def score(self, pairs):
            drawn.extend(pairs)
            return super().score(pairs)

    make_background(genome, Watched(scorer), tmp_path / "back", 4, 0)
    background = ScoreBackground.load(tmp_path / "back", three(0, 1), genome)
    scores = three(0, 1).score(drawn)
    found = background.percentiles(drawn, scores)
    names = np.array([variant_class(pair) for pair in drawn])
    for name, row, below in zip(names, scores, found, strict=True):
        same = scores[names == name]
        assert below == pytest.approx(100 * ((same < row).mean(0) + (same == row).mean(0) / 2))
    make_background(genome, three(0, 1), tmp_path / "two", 1, 0)
    with pytest.raises(UsageError, match=r"holds no scores of output Hep_G2\.2 \(it has K562, Hep_G2\)"):
        ScoreBackground.load(tmp_path / "two", three(), genome)


def test_an_explanation_has_each_output(pair_model, genome, variants):
    scorer = scorer_for(pair_model, width=40)
    found = json.loads(json.dumps(explain(scorer, genome, variants[1])))
    assert list(found["scores"]) == list(TAGS)
    assert list(found["scores"].values()) == pytest.approx(
        scorer.score([scorer.pair(genome, variants[1])])[0], abs=1e-6
    )
    assert found["strands"][0]["alt"]["output"] == pytest.approx(list(found["scores"].values()), abs=1e-5)
    text = as_text(found)
    assert all(f"{tag}={value:.7g}" in text for tag, value in found["scores"].items())
    unscored = explain(scorer, genome, Variant("c1", 501, "A", "<DEL>"))
    assert unscored["scores"] == dict.fromkeys(TAGS)
    assert f"{TAGS[0]}=. {TAGS[1]}=." in as_text(unscored)


def test_arrays_tracks_and_python_have_each_output_of_a_saturation(pair_model, genome, tiny_fasta, tmp_path):
    place = Interval("c1", 300, 306, "-")
    scorer = scorer_for(pair_model, width=40)
    saturate(genome, [place], tmp_path / "all.vcf")
    annotate(tmp_path / "all.vcf", genome, scorer, tmp_path / "o.vcf.gz")
    tags = Tags.named(scorer.tag, "GLM", [output.part for output in scorer.outputs])
    files = {"arrays": tmp_path / "s.npz", "bigwig": tmp_path / "s.bw"}
    write_effects(tmp_path / "o.vcf.gz", tags, genome, [place], {}, **files)
    with np.load(files["arrays"]) as arrays:
        assert sorted(arrays) == sorted(f"{place} {tag}" for tag in TAGS)
        for name, tag in zip(NAMES, TAGS, strict=True):
            alone = genomelm.saturate(pair_model, tiny_fasta, place, width=40, output=name)
            np.testing.assert_allclose(arrays[f"{place} {tag}"], alone, atol=1e-4)
            assert (tmp_path / f"s.{tag}.bw").is_file()
    with pytest.raises(UsageError, match="has 3 outputs .*: choose one"):
        genomelm.saturate(pair_model, tiny_fasta, place)
    ref = genome.fetch(Interval("c1", 300, 301)).upper()
    table = genomelm.score_variants(pair_model, tiny_fasta, [("c1", 301, ref, OTHER[ref])], width=40)
    assert list(table.columns) == ["contig", "pos", "ref", "alt", *TAGS, "status"]


def test_a_table_of_variants_gets_a_column_an_output(pair_model, genome, variants, tmp_path):
    rows = "".join(f"{v.contig}\t{v.pos}\t{v.ref}\t{v.alt}\n" for v in variants)
    (tmp_path / "in.tsv").write_text("contig\tpos\tref\talt\n" + rows + "c1\t501\tN\tA\n")
    scorer = scorer_for(pair_model, width=40)
    result = score_table_file(tmp_path / "in.tsv", genome, scorer, tmp_path / "o.tsv")
    frame = pd.read_csv(tmp_path / "o.tsv", sep="\t", na_values=".")
    assert list(frame.columns)[4:] == ["status", *TAGS] == ["status", *result.outputs]
    expected = scorer.score([scorer.pair(genome, variant) for variant in variants])
    np.testing.assert_allclose(frame.iloc[:-1, 5:], expected, rtol=1e-4, atol=1e-6)
    assert frame.iloc[-1, 5:].isna().all()


def test_the_test_of_a_device_finds_one_output_that_differs(pair_model, genome, variants):
    scorer = scorer_for(pair_model, width=40)
    twin = on_cpu(scorer)
    pairs = [scorer.pair(genome, variant) for variant in variants]
    compare_devices(scorer, twin, pairs)
    with torch.no_grad():
        twin.model.head.out.weight[2] += 0.5
    with pytest.raises(NumericalError, match="of 9 random variants differ"):
        compare_devices(scorer, twin, pairs)


def test_a_task_named_like_our_tags_and_a_status_among_the_outputs_do_no_harm(
    make_genome, make_vcf, scorer, read_vcf, tmp_path
):
    odd = ThreeScorer(scorer)
    odd.outputs = tuple(Output(name, name, n) for n, name in enumerate(("STATUS", "SITE", "PCTL")))
    source, genome = make_vcf(*records(20)), make_genome(c=BASES)
    annotate(source, genome, odd, tmp_path / "o.vcf.gz")
    parts = [tmp_path / f"p{n}.vcf.gz" for n in (1, 2)]
    for n, part in enumerate(parts, 1):
        annotate(source, genome, odd, part, shard=Shard(n, 2))
    merge(parts, tmp_path / "joined.vcf.gz")
    assert read_vcf(tmp_path / "joined.vcf.gz")[1] == read_vcf(tmp_path / "o.vcf.gz")[1]
    with pysam.VariantFile(str(tmp_path / "o.vcf.gz")) as opened:
        assert {"GLM_MPRA_STATUS", "GLM_MPRA_SITE", "GLM_MPRA_PCTL", "GLM_STATUS"} <= {*opened.header.info}
