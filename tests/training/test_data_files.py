"""Data files: every fault at once, splits by chromosome, region and group, and sources that do not go together."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from small_runs import QUICK, SETTINGS, run, same, settings_of, weights

from genomelm.errors import InputError, Interrupted, UsageError
from genomelm.patching.patcher import Patcher, PatcherConfig
from genomelm.patching.store import write_store
from genomelm.seq.alphabet import encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.record_text import text_digest
from genomelm.training import pretrain as pretraining
from genomelm.training.data_config import DataConfig, SourceConfig, read_data_file
from genomelm.training.pretrain import pretrain_on
from genomelm.training.sources import Data, RecordSource, opened
from genomelm.training.splits import RecordSplit, genome_regions
from genomelm.training.stop import StopRequest

CPU = torch.device("cpu")


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A folder with a genome of three contigs and its patches, and files of records."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "cache"))
    random = np.random.default_rng(3)
    contigs = {f"c{n}": "".join(random.choice(list("ACGT"), 2000)) for n in (1, 2, 3)}
    Path("g.fa").write_text("".join(f">{name}\n{text}\n" for name, text in contigs.items()))
    patcher = Patcher(PatcherConfig("fixed_stride", stride=6))
    patcher.save("patches/patcher")
    write_store("patches/store", patcher, dict.fromkeys(contigs, 2000), lambda c, s, e: encode(contigs[c][s:e]))
    reads = [contigs["c1"][s : s + 90] for s in range(0, 1900, 19)]
    Path("r.fq").write_text("".join(f"@r{n}\n{text}\n+\n{'I' * 90}\n" for n, text in enumerate(reads)))
    proteins = ["".join(random.choice(list("ACDEFGHIKLMNPQRSTVWY"), n)) for n in random.integers(20, 120, 60)]
    Path("p.fa").write_text("".join(f">p{n}\n{text}\n" for n, text in enumerate(proteins)))
    return tmp_path


GENOME = {"name": "g", "genome": "g.fa", "patches": "patches", "test": ["c3"]}
READS = {"name": "r", "fastq": "r.fq", "test_share": 0.2}


def written(*sources, **more):
    Path("data.yaml").write_text(yaml.safe_dump({"sources": list(sources), **more}))
    return "data.yaml"


def test_every_fault_of_a_data_file_is_named_at_once(place):
    bad = [
        {"name": "a b", "fasta": "p.fa", "genome": "g.fa"},
        {"name": "x", "fasta": "none.fa", "train": ["c1"], "modality": "protein", "reverse_complement": True},
        {"name": "x", "genome": "g.fa", "test_share": 0.1, "group": "("},
        {"name": "y", "fastq": "r.fq", "split": "s.tsv", "test_share": 0.1, "group": "r"},
    ]
    with pytest.raises(UsageError) as caught:
        read_data_file(written(*bad, patchers=["g"]))
    for part in (
        "14 faults",
        "sources: the name x is there more than once",
        "sources.0 (a b): name 'a b' may have letters, digits and _ only",
        "sources.0 (a b): give one of genome, fasta and fastq, not genome and fasta",
        "sources.1 (x): train does not belong to a source with fasta",
        "sources.1 (x): reverse_complement is of dna, and the modality is protein",
        "sources.1 (x): fasta none.fa does not exist",
        "sources.2 (x): group, test_share do not belong to a source with genome",
        "sources.2 (x): a genome needs patches",
        "sources.2 (x): group '(' is no regular expression",
        "sources.3 (y): give a split file or shares, not both",
        "sources.3 (y): group 'r' must have one group",
        "patchers: g is no folder",
    ):
        assert part in str(caught.value).replace("test_share, group", "group, test_share"), part


def test_unknown_keys_and_wrong_values_are_refused_with_a_hint(place):
    with pytest.raises(UsageError, match="sources.0.wieght: unknown key; did you mean 'weight'") as caught:
        read_data_file(written({**GENOME, "wieght": 2, "modality": "dan"}, source=1))
    assert "'dan' is not one of" in str(caught.value)
    assert "source: unknown key; did you mean 'sources'" in str(caught.value)
    with pytest.raises(UsageError, match="sources is empty"):
        read_data_file(written())
    with pytest.raises(UsageError, match="all weights are 0"):
        read_data_file(written({**GENOME, "weight": 0}))


def test_regions_are_contigs_intervals_and_beds(place):
    Path("t.bed").write_text("c2\t10\t20\nc2\t100\t300\n")
    source = SourceConfig("g", genome="g.fa", patches="patches", train=("c1", "c2:1001-2000"), test=("t.bed", "c3:1-9"))
    with Genome("g.fa") as genome:
        found = genome_regions(source, genome)
        assert found["train"] == [Interval("c1", 0, 2000), Interval("c2", 1000, 2000)]
        assert found["test"] == [Interval("c2", 10, 20), Interval("c2", 100, 300), Interval("c3", 0, 9)]
        assert found["validation"] == []
        rest = genome_regions(dataclasses.replace(source, train=(), test=("c3:1-9",)), genome)
        assert rest["train"] == [Interval("c1", 0, 2000), Interval("c2", 0, 2000)]
        with pytest.raises(UsageError, match="held-out c2:11-20 shares bases with g: training region c2:1-2000"):
            genome_regions(dataclasses.replace(source, train=("c2",)), genome)
        with pytest.raises(UsageError, match="shares bases with g: validation region c3:5-5"):
            genome_regions(dataclasses.replace(source, validation=("c3:5-5",)), genome)


def test_regions_outside_the_genome_are_all_named(place):
    Path("t.bed").write_text("c1\t10\t20\nc1\t100\t3000\nchrc2\t1\t5\n")
    source = SourceConfig("g", genome="g.fa", patches="patches", train=("c9",), test=("t.bed", "c3:1-2001"))
    with Genome("g.fa") as genome, pytest.raises(InputError) as caught:
        genome_regions(source, genome)
    for part in (
        "source g: 4 regions",
        "train: 'c9' is no contig, interval C:a-b or BED file",
        "test: t.bed: c1:101-3000 passes the end of c1 (2,000 bases)",
        "test: t.bed: chrc2:2-5: there is no contig chrc2",
        "test: c3:1-2001 passes the end",
    ):
        assert part in str(caught.value), part


def test_shares_of_groups_go_to_one_split_each(place):
    split = RecordSplit(SourceConfig("r", fastq="r.fq", test_share=0.2, validation_share=0.1))
    groups = np.array([text_digest(f"gene{n}".encode()) for n in range(20_000)], np.uint64)
    found = split.splits(groups)
    shares = np.bincount(found) / len(found)
    assert shares == pytest.approx([0.7, 0.1, 0.2], abs=0.01)
    assert np.array_equal(split.kept("test")(groups), found == 2)
    more = RecordSplit(SourceConfig("r", fastq="r.fq", test_share=0.3, validation_share=0.1)).splits(groups)
    assert (more[found == 2] == 2).all()  # a larger share keeps what was held out


def test_a_split_file_names_groups(place):
    Path("s.tsv").write_text("group\tsplit\nr3\ttest\nr7\tvalidation\nr3\ttest\n")
    source = SourceConfig("r", fastq="r.fq", split="s.tsv")
    groups = np.array([text_digest(f"r{n}".encode()) for n in range(10)], np.uint64)
    assert RecordSplit(source).splits(groups).tolist() == [0, 0, 0, 2, 0, 0, 0, 1, 0, 0]
    assert not RecordSplit(dataclasses.replace(source, split=None)).has("test")
    Path("s.tsv").write_text("group\tsplit\nr3\ttset\nr4\nr5\ttest\nr5\ttrain\n")
    with pytest.raises(InputError) as caught:
        RecordSplit(source)
    for part in ("3 faults", "line 2: split 'tset'", "line 3 has 1 columns", "line 5: 'r5' is in test before"):
        assert part in str(caught.value), part
    Path("s.tsv").write_text("name\tsplit\n")
    with pytest.raises(InputError, match="must have the columns group and split, not: name, split"):
        RecordSplit(source)


def config_of(*sources, **more):
    return read_data_file(written(*sources, **more))


def trained(config, state, settings=SETTINGS["hyena_glt"], train=QUICK):
    with opened(config, False, False, CPU) as data:
        return pretrain_on(data, settings, train, Path(state), CPU)


@pytest.mark.parametrize("changes", [{}, {"records": "pack", "order": "epoch"}])
def test_runs_on_several_sources_are_functions_of_their_files(place, changes):
    train = dataclasses.replace(QUICK, steps=6, batch_size=4, evaluate_every=3, **changes)
    config = config_of(GENOME, {**READS, "weight": 2})
    first, log = trained(config, "a", train=train)
    second, _ = trained(config, "b", train=train)
    assert same(weights(first), weights(second))
    assert log[-1]["test_bits"] == pytest.approx((log[-1]["test_bits_g"] + 2 * log[-1]["test_bits_r"]) / 3)
    assert 0 < log[-1]["padding"] < 0.9
    other, _ = trained(config_of(GENOME, {**READS, "weight": 4}), "c", train=train)
    assert not same(weights(first), weights(other))


@pytest.mark.parametrize("at", [2, 5])
def test_a_run_on_several_sources_is_resumed_exactly(place, monkeypatch, at):
    train = dataclasses.replace(QUICK, steps=6, batch_size=4, evaluate_every=3, records="pack", order="epoch")
    config = config_of(GENOME, READS)
    whole, _ = trained(config, "whole", train=train)
    looks = []

    def reason(self):
        looks.append(self)
        return "asked" if len(looks) == at + 1 else None

    with monkeypatch.context() as changed:
        changed.setattr(StopRequest, "reason", property(reason))
        with pytest.raises(Interrupted, match=f"step {at} of 6"):
            trained(config, "cut", train=train)
    resumed, _ = trained(config, "cut", train=train)
    assert same(weights(whole), weights(resumed))


def test_the_short_form_is_a_data_file_of_one_genome(place, site, tmp_path, monkeypatch):
    plain, _ = run(site, tmp_path / "plain")
    source = {
        "name": "g",
        "genome": str(site.genome.path),
        "patches": str(site.patches),
        "train": ["c:1-9000"],
        "test": ["c:9001-12000"],
    }
    as_file, _ = trained(config_of(source), tmp_path / "file")
    assert same(weights(plain), weights(as_file))


def test_records_alone_have_patches_of_the_model_files_stride(place):
    settings = settings_of("hyena_glt", "masked", alphabet="protein", kmers=())
    settings = dataclasses.replace(settings, stride=5)
    source = {"name": "p", "fasta": "p.fa", "modality": "protein", "validation_share": 0.2}
    model, log = trained(config_of(source), "p", settings)
    assert model.patcher.fingerprint == Patcher(PatcherConfig("fixed_stride", stride=5)).fingerprint
    assert "validation_bits" in log[-1]


def test_sources_of_several_alphabets_go_into_a_mixed_model(place):
    settings = settings_of("hyena_glt", "causal", alphabet="mixed", kmers=())
    protein = {"name": "p", "fasta": "p.fa", "modality": "protein", "validation_share": 0.2}
    model, log = trained(config_of(GENOME, READS, protein), "m", settings, dataclasses.replace(QUICK, batch_size=6))
    assert {"validation_bits"} <= log[-1].keys()
    protein_patcher, dna_patcher = (model.read(name).patcher for name in ("protein", "dna"))
    assert protein_patcher.config.stride == settings.stride
    assert dna_patcher.config.stride == 6
    with pytest.raises(UsageError, match="the model reads dna, but source p has records of protein"):
        trained(config_of(GENOME, protein), "x")


def test_a_checkpoint_serves_runs_of_the_same_patches_and_with_early_stopping_held_out_regions(place, monkeypatch):
    found = []
    monkeypatch.setattr(pretraining, "train", lambda model, run, *_: found.append(run.fingerprint) or [])
    settings = settings_of("hyena_glt", "causal", alphabet="mixed", kmers=())
    protein = {"name": "p", "fasta": "p.fa", "modality": "protein", "validation_share": 0.2}

    def fingerprint(stride: int, early_stopping: int | None, held: str = "c3") -> str:
        Patcher(PatcherConfig("fixed_stride", stride=stride, alphabet="protein")).save(f"p{stride}/patcher")
        genome = {**GENOME, "train": ["c1"], "test": [], "validation": [held]}
        config = dataclasses.replace(QUICK, early_stopping=early_stopping)
        trained(config_of(genome, protein, patchers=[f"p{stride}"]), "x", settings, config)
        return found[-1]

    assert fingerprint(5, None) == fingerprint(5, None, "c2") != fingerprint(7, None)
    assert fingerprint(5, 2) == fingerprint(5, 2) != fingerprint(5, 2, "c2")


def test_what_does_not_go_together_is_refused(place):
    with pytest.raises(UsageError, match="nothing is held out"):
        trained(config_of({**READS, "test_share": 0}), "x")
    with pytest.raises(UsageError, match="records: pack is for sources of records"):
        trained(config_of(GENOME), "x", train=dataclasses.replace(QUICK, records="pack"))
    Patcher(PatcherConfig("fixed_stride", stride=7)).save("other/patcher")
    with pytest.raises(UsageError, match="patchers: there is another patcher of dna before"):
        trained(config_of(GENOME, READS, patchers=["other"]), "x")
    with pytest.raises(UsageError, match="source g is of rna, but patches holds patches of dna"):
        trained(config_of({**GENOME, "modality": "rna"}), "x")
    Patcher(PatcherConfig("given"), side={"given": "x"}).save("given/patcher")
    with pytest.raises(UsageError, match="source r: its records have no coordinates"):
        trained(config_of(READS, patchers=["given"]), "x")


def test_the_faults_of_all_sources_are_named_at_once(place):
    Path("r.fq").write_text("@a\nACGT\n+\nIII\n")
    Path("p.fa").write_text(">p\n>q\nMK\n")
    config = DataConfig((SourceConfig("r", fastq="r.fq"), SourceConfig("p", modality="protein", fasta="p.fa")))
    with pytest.raises(InputError) as caught, opened(config, False, False, CPU):
        pass
    assert "r.fq: 1 fault\n  record 1 (line 1) has another number of qualities" in str(caught.value)
    assert "p.fa: 1 fault\n  record 1 (line 1) has no letters" in str(caught.value)


def test_sources_of_weight_0_are_read_for_readings_alone(place):
    config = config_of(GENOME, {**READS, "weight": 0, "name": "judge"})
    with opened(config, False, False, CPU) as data:
        data.prepare(SETTINGS["hyena_glt"])
        assert [source.name for source, _ in data.rows("train", 64, False)] == ["g"]
        assert [source.name for source, _ in data.rows("test", 64, False)] == ["g", "judge"]
        assert isinstance(data.sources[1], RecordSource)
        assert data.held_out() == "test"
        assert isinstance(data, Data)
