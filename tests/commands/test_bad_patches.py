"""What users hand to `genomelm patch` that cannot be cut: one message, its exit code, and no folder half made."""

import gzip

import numpy as np
import pyBigWig
import pytest

from genomelm.cli import report_error
from genomelm.commands.patch import patch
from genomelm.errors import GenomelmError, IntegrityError
from genomelm.patching.store import PatchStore

DRAWS = np.random.default_rng(5)
MOTIFS = ["ACGTTGCAATC", "GGATCCTAAGCTTACG", "TTTAAACG"]
# motifs among random bases: entropies that differ
DNA = "".join(DRAWS.choice([*MOTIFS, *"ACGTACGTACGT"]) for _ in range(3000))[:6000]


def fasta(folder, **records: str):
    path = folder / "g.fa"
    path.write_text("".join(f">{name}\n{text}\n" for name, text in records.items()))
    return path


def bigwig(folder, **lengths: int):
    with pyBigWig.open(str(folder / "t.bw"), "w") as track:
        track.addHeader(list(lengths.items()))
        for name, length in lengths.items():
            values = np.random.default_rng(1).normal(size=length)
            track.addEntries(name, 0, values=values, span=1, step=1)
    return folder / "t.bw"


def refused(path, out, *arguments, **options) -> tuple[int, str]:
    """Return exit code and message of a run that must leave nothing under its final name."""
    with pytest.raises(GenomelmError) as caught:
        patch(path, out, *arguments, **options)
    assert [f.name for f in out.glob("*")] == []
    return report_error(caught.value), str(caught.value)


@pytest.mark.parametrize(
    ("options", "code", "message"),
    [
        ({"mode": "length_constrained", "longest": 10, "multiple": 3}, 2, "max must be a multiple"),
        ({"mode": "optimal", "shortest": 9, "longest": 8}, 2, "min between 1 and max"),
        ({"mode": "entropie"}, 2, "'entropie' is unknown: choose entropy, greedy"),
        ({"mode": "greedy", "longest": 4, "mean": 7}, 3, "the longest that can be had is 4"),
        ({"mode": "fixed_stride", "mean": 2.5}, 2, "cannot have a mean of 2.5"),
        ({"mode": "entropy", "symmetric": True, "alphabet": "protein"}, 2, "symmetric patches need"),
        ({"mode": "greedy", "symmetric": True}, 2, "symmetric patches need mode entropy or optimal"),
        ({"source": "track"}, 2, "--source track needs --track"),
        ({"source": "neural"}, 2, "--source neural needs --byte-lm"),
        ({"mode": "greedy", "delta": 1.0}, 2, "mode greedy does not read delta"),
        ({"mode": "entropy", "shortest": 4, "alpha": 0.5}, 2, "mode entropy does not read alpha, min"),
        ({"mean": float("inf")}, 2, "--mean inf: give a number"),
        ({"mode": "dual_threshold", "delta": float("nan")}, 7, "delta is nan"),
        ({"mode": "optimal", "alpha": float("inf")}, 7, "alpha is inf"),
        ({"isolate": ["gaps"]}, 2, "isolate has gaps: choose from n, case"),
        ({"order": 12, "alphabet": "protein"}, 2, "both_strands|order 12 is out of range|nucleotides"),
    ],
)
def test_options_that_contradict_each_other(tmp_path, options, code, message) -> None:
    found, text = refused(fasta(tmp_path, c=DNA), tmp_path / "out", ["c:1-5000"], **{"mean": 4, "order": 3, **options})
    assert found in (code, 3) if "|" in message else found == code
    assert any(part in text for part in message.split("|"))


def test_a_mode_with_scores_needs_bases_to_fit_on(tmp_path) -> None:
    assert refused(fasta(tmp_path, c=DNA), tmp_path / "out", order=3) == (
        2,
        "mode entropy is calibrated on training bases: give --train-region C:a-b",
    )


@pytest.mark.parametrize("text", ["N" * 500, "A", "AC"])
def test_a_training_region_without_anything_to_count(tmp_path, text) -> None:
    code, message = refused(fasta(tmp_path, c=text), tmp_path / "out", [f"c:1-{len(text)}"], order=3)
    assert code == 3
    assert "no run of 4 dna letters" in message


def test_records_of_no_one_and_two_bases_and_of_n_alone_are_cut_beside_others(tmp_path) -> None:
    path = fasta(tmp_path, c=DNA, one="A", two="AC", unknown="N" * 40)
    for mode in ("entropy", "greedy", "monotonic", "dual_threshold", "length_constrained", "optimal"):
        patch(path, tmp_path / mode, ["c:1-5000"], mode=mode, mean=4, order=6)
        store = PatchStore(tmp_path / mode / "store")
        assert store.starts("one", 0, 1).tolist() == [0]
        assert store.starts("two", 0, 2)[0] == 0
        assert store.starts("unknown", 0, 40)[0] == 0


def test_proteins_given_as_dna_and_dna_given_as_proteins(tmp_path) -> None:
    protein = "MKVLAAGIVPLEWQRHDNSTYFC" * 40
    assert refused(fasta(tmp_path, p=protein), tmp_path / "out", ["p:1-500"], order=6)[0] == 3
    code, message = refused(
        fasta(tmp_path, c=DNA), tmp_path / "out", ["c:1-500"], order=2, alphabet="protein", both_strands=False
    )
    assert (code, "are nucleotides" in message) == (3, True)


def test_a_track_of_another_assembly(tmp_path) -> None:
    path = fasta(tmp_path, c=DNA)
    for lengths, part in (({"c": 5000}, "5,000"), ({"chr9": 6000}, "chr9")):
        options = {"source": "track", "track": bigwig(tmp_path, **lengths), "mean": 4}
        code, message = refused(path, tmp_path / "out", ["c:1-5000"], **options)
        assert code == 3
        assert part in message


@pytest.mark.parametrize(
    ("patches", "message"),
    [
        ([(0, 9), (10, 6000)], "does not begin where the one before it ends (base 10)"),
        ([(0, 9), (8, 6000)], "does not begin where the one before it ends (base 10)"),
        ([(0, 9), (9, 5000)], "end at base 5,000 of 6,000"),
        ([(0, 9), (9, 7000)], "end at base 7,000 of 6,000"),
    ],
)
def test_given_patches_that_do_not_cover_every_base_once(tmp_path, patches, message) -> None:
    (tmp_path / "p.bed").write_text("".join(f"c\t{start}\t{end}\n" for start, end in patches))
    code, text = refused(fasta(tmp_path, c=DNA), tmp_path / "out", given=tmp_path / "p.bed")
    assert code == 3
    assert message in text


def test_a_store_that_was_cut_or_is_of_another_patcher(tmp_path) -> None:
    path = fasta(tmp_path, c=DNA)
    patch(path, tmp_path / "a", ["c:1-5000"], mean=4, order=6)
    patch(path, tmp_path / "b", ["c:1-5000"], mean=5, mode="fixed_stride")
    theirs = PatchStore(tmp_path / "b/store").fingerprint
    with pytest.raises(IntegrityError, match="but .* is wanted"):
        PatchStore(tmp_path / "a/store", theirs)
    assert PatchStore(tmp_path / "a/store", theirs, allow_mismatch=True).fingerprint != theirs
    scores = tmp_path / "a/store/scores.bin"
    scores.write_bytes(scores.read_bytes()[:-7])
    with pytest.raises(IntegrityError, match=r"scores\.bin has .* of .* bytes: run `genomelm patch` again") as caught:
        PatchStore(tmp_path / "a/store")
    assert report_error(caught.value) == 6


def test_a_genome_without_bases(tmp_path) -> None:
    code, message = refused(fasta(tmp_path, c=""), tmp_path / "out", mode="byte")
    assert code == 3
    assert "holds no" in message or "empty" in message


def test_patches_that_are_taken_as_they_are_take_no_other_options(tmp_path) -> None:
    path = fasta(tmp_path, c=DNA)
    patch(path, tmp_path / "a", ["c:1-5000"], mean=4, order=6)
    for options in ({"mode": "greedy"}, {"given": tmp_path / "a/patches.bed.gz"}, {"isolate": ["n"]}):
        code, message = refused(path, tmp_path / "out", fitted=tmp_path / "a", **options)
        assert (code, "takes patches as they are" in message) == (2, True)
    code, message = refused(path, tmp_path / "out", given=tmp_path / "a/patches.bed.gz", source="neural")
    assert (code, "source says nothing" in message) == (2, True)
    assert refused(path, tmp_path / "out", fitted=tmp_path / "nowhere")[0] == 2


def test_a_second_run_replaces_the_folder_as_a_whole_or_not_at_all(tmp_path) -> None:
    path = fasta(tmp_path, c=DNA)
    patch(path, tmp_path / "a", ["c:1-5000"], mean=4, order=6)
    before = {f: f.read_bytes() for f in (tmp_path / "a").rglob("*") if f.is_file()}
    with pytest.raises(GenomelmError):
        patch(path, tmp_path / "a", ["c:1-5000"], mean=4, order=6, annotation=[tmp_path / "absent.gff"])
    assert {f: f.read_bytes() for f in (tmp_path / "a").rglob("*") if f.is_file()} == before
    patch(path, tmp_path / "a", mode="fixed_stride", mean=5, bed=False)
    assert not (tmp_path / "a/patches.bed.gz").exists()
    (tmp_path / "a/notes.txt").write_text("mine")
    with pytest.raises(GenomelmError, match=r"holds other files \(notes\.txt\)"):
        patch(path, tmp_path / "a", mode="fixed_stride", mean=5)


def test_one_patch_longer_than_a_piece_of_the_bed(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("genomelm.commands.patch_outputs.PIECE", 512)
    (tmp_path / "p.bed").write_text("c\t0\t5000\nc\t5000\t6000\n")
    patch(fasta(tmp_path, c=DNA), tmp_path / "a", given=tmp_path / "p.bed")
    rows = gzip.decompress((tmp_path / "a/patches.bed.gz").read_bytes())
    assert rows == b"c\t0\t5000\nc\t5000\t6000\n"
