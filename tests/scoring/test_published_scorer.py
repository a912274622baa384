"""Models of transformers' own through the scoring contract, against plain loops over transformers itself."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from published_models import kmer_tokeniser, letter_tokeniser, piece_tokeniser, write_published
from typer.testing import CliRunner

import genomelm
from genomelm import cli
from genomelm.errors import IntegrityError, UsageError
from genomelm.models.loading import load_model
from genomelm.models.published import load_published
from genomelm.models.published_folder import is_published
from genomelm.scoring.explain import as_text, explain
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.alphabet import reverse_complement
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant

SEQUENCE = "".join(np.random.default_rng(5).choice(list("ACGT"), 900))
WIDTH = 96


@pytest.fixture(scope="module")
def genome(tmp_path_factory) -> Genome:
    path = tmp_path_factory.mktemp("reference") / "r.fa"
    path.write_text(f">c\n{SEQUENCE}\n")
    return Genome(path)


@pytest.fixture(scope="module")
def folders(tmp_path_factory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("published")
    (root / "vocabulary").mkdir()
    return {
        "letters": write_published(root / "gpt2", "GPT2LMHeadModel", letter_tokeniser("ACGTN")),
        "begun": write_published(root / "llama", "LlamaForCausalLM", letter_tokeniser("acgt", bos_token="[BOS]")),
        "hidden": write_published(root / "bert", "BertForMaskedLM", letter_tokeniser("ACGTN")),
        "kmers": write_published(root / "esm", "EsmForMaskedLM", kmer_tokeniser(root / "vocabulary", 3)),
        "pieces": write_published(root / "bpe", "GPT2LMHeadModel", piece_tokeniser(SEQUENCE)),
    }


def variants() -> list[Variant]:
    """A substitution in each of several cells, two bases, an insertion, a deletion, a delins, and the contig's ends."""
    other = {"A": "C", "C": "G", "G": "T", "T": "A"}
    found = [Variant("c", at, SEQUENCE[at - 1], other[SEQUENCE[at - 1]]) for at in (1, 300, 333, 334, 450, 900)]
    two = SEQUENCE[499:501]
    found.append(Variant("c", 500, two, "".join(map(other.get, two))))
    found.append(Variant("c", 520, SEQUENCE[519], SEQUENCE[519] + "GATTACA"))
    found.append(Variant("c", 560, SEQUENCE[559:564], SEQUENCE[559]))
    found.append(Variant("c", 600, SEQUENCE[599:604], other[SEQUENCE[599]] + "G"))
    return found


def strands_of(pair) -> list[tuple[str, str, int, int, int]]:
    """Reference, alternative, offset and lengths as either strand reads them."""
    turned = len(pair.ref) - pair.offset - pair.ref_length
    return [
        (pair.ref, pair.alt, pair.offset, pair.ref_length, pair.alt_length),
        (reverse_complement(pair.ref), reverse_complement(pair.alt), turned, pair.ref_length, pair.alt_length),
    ]


class Plain:
    """Tokens and probabilities by transformers alone, one sequence at a time."""

    def __init__(self, folder: Path, lower: bool = False) -> None:
        kind = json.loads((folder / "config.json").read_text())["architectures"][0]
        self.model = getattr(transformers, kind).from_pretrained(folder).eval()
        self.tokeniser = transformers.AutoTokenizer.from_pretrained(folder)
        self.lower = lower

    def ids(self, sequence: str) -> list[int]:
        return self.tokeniser(sequence.lower() if self.lower else sequence)["input_ids"]

    def causal(self, sequence: str) -> list[float]:
        """log p of each token behind the first that is read."""
        ids = self.ids(sequence)
        with torch.no_grad():
            values = torch.log_softmax(self.model(torch.tensor([ids])).logits[0].double(), -1)
        return [values[i, ids[i + 1]].item() for i in range(len(ids) - 1)]

    def masked(self, sequence: str, places: list[int]) -> list[float]:
        """log p of the tokens at `places`, hidden together."""
        ids = self.ids(sequence)
        shown = [self.tokeniser.mask_token_id if i in places else token for i, token in enumerate(ids)]
        with torch.no_grad():
            values = torch.log_softmax(self.model(torch.tensor([shown])).logits[0].double(), -1)
        return [values[i, ids[i]].item() for i in places]


@pytest.mark.parametrize(("name", "before"), [("letters", 0), ("begun", 1)])
def test_a_causal_model_of_letters_compares_the_change_and_the_bases_behind_it(folders, genome, name, before):
    scorer, plain = scorer_for(load_published(folders[name]), WIDTH), Plain(folders[name], lower=name == "begun")
    pairs = [scorer.pair(genome, variant) for variant in variants()]
    assert {pair.status for pair in pairs} == {"OK", "EDGE_PADDED"}
    expected = []
    for pair in pairs:
        of_strands = []
        for ref, alt, offset, ref_length, alt_length in strands_of(pair):
            end = min(len(ref), len(alt), offset + max(ref_length, alt_length) + scorer.after)
            sums = []
            for sequence in (ref, alt):
                values = [0.0] * (1 - before) + plain.causal(sequence)
                sums.append(sum(values[offset:end]))
            of_strands.append(sums[1] - sums[0])
        expected.append(np.mean(of_strands))
    found = scorer.score(pairs)
    assert np.abs(found).max() > 1e-2
    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(("name", "size", "before"), [("hidden", 1, 0), ("kmers", 3, 1)])
def test_a_masked_model_hides_the_tokens_that_hold_the_change(folders, genome, name, size, before):
    scorer, plain = scorer_for(load_published(folders[name]), WIDTH), Plain(folders[name])
    pairs = [scorer.pair(genome, variant) for variant in variants()]
    assert {pair.status for pair in pairs} == {"OK", "EDGE_PADDED"}
    expected = []
    for pair in pairs:
        of_strands = []
        for ref, alt, offset, ref_length, alt_length in strands_of(pair):
            end = min(offset + max(ref_length, alt_length), len(ref), len(alt))
            sums = []
            for sequence in (ref, alt):
                texts = plain.tokeniser.convert_ids_to_tokens(plain.ids(sequence))[before:]
                starts = np.cumsum([0, *map(len, texts)])
                first, last = offset // size * size, -(-end // size) * size
                places = [i + before for i in range(len(texts)) if starts[i] < last and starts[i + 1] > first]
                sums.append(sum(plain.masked(sequence, places)))
            of_strands.append(sums[1] - sums[0])
        expected.append(np.mean(of_strands))
    found = scorer.score(pairs)
    assert np.abs(found).max() > 1e-3
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_pieces_of_a_causal_model_are_compared_over_equally_many_letters(folders, genome):
    model = load_published(folders["pieces"])
    scorer, plain = scorer_for(model, WIDTH, None, "forward"), Plain(folders["pieces"])
    assert model.tokens.size == 0
    pairs = [scorer.pair(genome, variant) for variant in variants() if 100 < variant.pos < 800]
    expected = []
    for pair in pairs:
        count = min(len(pair.ref), len(pair.alt))
        ref, alt = (sum(plain.causal(sequence[:count])) for sequence in (pair.ref, pair.alt))
        expected.append(alt - ref)
    np.testing.assert_allclose(scorer.score(pairs), expected, atol=1e-4)


def test_likelihoods_of_sequences_are_those_of_a_plain_loop(folders):
    sequences = [SEQUENCE[:50], SEQUENCE[100:170]]
    model, plain = load_published(folders["letters"]), Plain(folders["letters"])
    found = model.log_likelihoods([model.cut(sequence) for sequence in sequences])
    np.testing.assert_allclose(found, [sum(plain.causal(sequence)) for sequence in sequences], atol=1e-4)
    model, plain = load_published(folders["hidden"]), Plain(folders["hidden"])
    found = model.log_likelihoods([model.cut(sequence) for sequence in sequences])
    expected = [
        sum(sum(plain.masked(sequence, list(range(first, len(sequence), 7)))) for first in range(7))
        for sequence in sequences
    ]
    np.testing.assert_allclose(found, expected, atol=1e-4)


def test_scores_do_not_depend_on_what_is_scored_with_them(folders, genome):
    scorer = scorer_for(load_published(folders["hidden"]), WIDTH)
    pairs = [scorer.pair(genome, variant) for variant in variants()]
    np.testing.assert_allclose(scorer.score(pairs), np.concatenate([scorer.score([pair]) for pair in pairs]), atol=1e-5)


def test_windows_fit_what_the_model_reads(folders, genome):
    model = load_published(folders["hidden"])
    scorer = scorer_for(model)
    assert WIDTH < scorer.width <= 130
    long = Variant("c", 300, SEQUENCE[299], SEQUENCE[299] + "ACGTT" * 10)
    assert scorer.pair(genome, long).status == "TOO_LONG"
    with pytest.raises(UsageError, match=r"reads 130 letters at most, too few for --width 500: give --width \d+"):
        scorer_for(model, 500)


def test_an_explanation_adds_up_to_the_score(folders, genome):
    for name in folders:
        scorer = scorer_for(load_published(folders[name]), WIDTH)
        for variant in variants()[3:9]:
            found = explain(scorer, genome, variant)
            sums = [
                sum(side["log_p"][slice(*side["counted"])]) * sign
                for strand in found["strands"]
                for side, sign in ((strand["alt"], 1), (strand["ref"], -1))
            ]
            assert sum(sums) / 2 == pytest.approx(found["score"], abs=1e-4)
            assert all("".join(strand["ref"]["tokens"]) == strand["ref"]["sequence"] for strand in found["strands"])
            assert "of the alternative minus" in as_text(found)


def test_what_has_no_exact_score_is_refused(tmp_path, folders):
    pieces = write_published(tmp_path / "pieces", "BertForMaskedLM", piece_tokeniser(SEQUENCE))
    with pytest.raises(UsageError, match="pieces of unequal length"):
        scorer_for(load_published(pieces))
    with pytest.raises(UsageError, match="--effect embedding"):
        scorer_for(load_published(folders["letters"]), effect="embedding")
    strange = write_published(tmp_path / "strange", "GPT2LMHeadModel", letter_tokeniser("XYZ"))
    with pytest.raises(UsageError, match="does not spell"):
        load_published(strange)
    with pytest.raises(UsageError, match="transformers' own"):
        load_model(folders["letters"])


def test_code_and_pickles_that_come_with_a_folder_are_refused(tmp_path):
    folder = write_published(tmp_path / "m", "GPT2LMHeadModel", letter_tokeniser("ACGTN"))
    assert is_published(folder)
    plain = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**plain, "auto_map": {"AutoModelForCausalLM": "evil.Model"}}))
    with pytest.raises(IntegrityError, match="auto_map"):
        load_published(folder)
    (folder / "config.json").write_text(json.dumps({**plain, "attn_implementation": "someone/kernel"}))
    with pytest.raises(IntegrityError, match="kernel"):
        load_published(folder)
    (folder / "config.json").write_text(json.dumps({**plain, "n_embd": 32}))
    with pytest.raises(IntegrityError):
        load_published(folder)
    (folder / "config.json").write_text(json.dumps(plain))
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(IntegrityError, match="pickles"):
        load_published(folder)


def test_the_letters_say_the_alphabet_unless_it_is_given(tmp_path):
    protein = write_published(tmp_path / "p", "BertForMaskedLM", letter_tokeniser("ACDEFGHIKLMNPQRSTVWYX"))
    assert load_published(protein).alphabet == "protein"
    assert load_published(protein, alphabet="dna").alphabet == "dna"
    rna = load_published(write_published(tmp_path / "r", "BertForMaskedLM", letter_tokeniser("ACGUN")))
    assert rna.alphabet == "rna"
    assert rna.tokens.cut("ACGT").ids.tolist() == rna.tokens.cut("acgu").ids.tolist()


def test_a_circular_window_is_read_like_any_other(folders, genome):
    scorer = scorer_for(load_published(folders["hidden"]), WIDTH)
    round_genome = Genome(genome.path, circular=["c"])
    pair = scorer.pair(round_genome, variants()[0])
    assert pair.status == "OK"
    assert pair.ref == round_genome.fetch(Interval("c", pair.window.start, pair.window.end))
    assert np.isfinite(scorer.score([pair])).all()


def test_commands_and_the_python_interface_take_such_a_folder(folders, genome, tmp_path):
    lines = [f"c\t{v.pos}\t.\t{v.ref}\t{v.alt}\t.\t.\t." for v in sorted(variants(), key=lambda v: v.pos)]
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
    (tmp_path / "v.vcf").write_text("\n".join(["##fileformat=VCFv4.2", columns, *lines]) + "\n")
    options = ["-r", genome.path, "-m", folders["letters"], "--width", WIDTH, "--device", "cpu"]
    more = ["-o", tmp_path / "o.vcf.gz", "--table", tmp_path / "t.tsv"]
    result = CliRunner().invoke(cli.app, [*map(str, ["-q", "score", tmp_path / "v.vcf", *options, *more])])
    assert result.exit_code == 0, result.stderr
    table = pd.read_csv(tmp_path / "t.tsv", sep="\t")
    model = genomelm.load_model(folders["letters"], "cpu")
    found = genomelm.score_variants(model, genome.path, tmp_path / "v.vcf", width=WIDTH)
    assert table.status.tolist() == found.status.tolist()
    np.testing.assert_allclose(table.score, found.score, rtol=1e-5)
    likelihood = genomelm.log_likelihood(model, [SEQUENCE[:60]])
    (tmp_path / "s.fa").write_text(f">s\n{SEQUENCE[:60]}\n")
    arguments = ["-q", "predict", tmp_path / "s.fa", "-m", folders["letters"], "--device", "cpu"]
    result = CliRunner().invoke(cli.app, [*map(str, arguments)])
    assert float(result.stdout.splitlines()[1].split("\t")[2]) == pytest.approx(likelihood[0], rel=1e-5)
    for refused in (genomelm.embed, genomelm.base_logits, genomelm.predict):
        with pytest.raises(UsageError):
            refused(model, ["ACGT"])
    result = CliRunner().invoke(
        cli.app, [*map(str, ["-q", "generate", folders["letters"], "-n", 5, "-o", tmp_path / "g.fa"])]
    )
    assert (result.exit_code, "transformers' own" in result.stderr) == (2, True)
