import gzip
import json

import numpy as np
import pytest

from genomelm.commands.patch import patch
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore
from genomelm.seq.alphabet import decode, encode, reverse_complement


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A genome with lower-case repeats, a run of N, and an annotation of two genes, one on each strand."""
    path = tmp_path_factory.mktemp("genome")
    random = np.random.default_rng(4)
    text = decode(np.frombuffer(b"ACGT", np.uint8)[(random.beta(0.6, 1, 9000) * 4).astype(int)])
    text = text[:2000] + "N" * 60 + text[2060:5000] + text[5000:5300].lower() + text[5300:]
    (path / "g.fa").write_text(f">c1\n{text}\n>c2\n{text[:70]}\n")
    rows = [
        ("gene", 1001, 1300, "+", "."),
        ("CDS", 1001, 1300, "+", "0"),
        ("gene", 3003, 3302, "-", "."),
        ("CDS", 3003, 3302, "-", "0"),
    ]
    lines = [f"c1\tx\t{kind}\t{start}\t{end}\t.\t{strand}\t{frame}\tID=a" for kind, start, end, strand, frame in rows]
    (path / "g.gff").write_text("##gff-version 3\n" + "\n".join(lines) + "\n")
    patch(path / "g.fa", path / "plain", ["c1:1-8000"], mean=6, order=4, annotation=[path / "g.gff"])
    return path


def cut(folder, name: str, **options) -> PatchStore:
    patch(folder / "g.fa", folder / name, ["c1:1-8000"], order=4, **{"mean": 6, **options})
    return PatchStore(folder / name / "store")


def summary_of(folder, name: str) -> dict:
    return json.loads((folder / name / "summary.json").read_text())


def test_the_bed_holds_the_stores_patches_and_every_base_once(folder) -> None:
    import pysam

    store = PatchStore(folder / "plain/store")
    with gzip.open(folder / "plain/patches.bed.gz", "rt") as stream:
        rows = [line.split("\t") for line in stream]
    for contig, length in store.contigs.items():
        edges = [(int(start), int(end)) for name, start, end in rows if name == contig]
        assert [start for start, _ in edges] == store.starts(contig, 0, length).tolist()
        assert [end for _, end in edges] == [start for start, _ in edges[1:]] + [length]
    with pysam.TabixFile(str(folder / "plain/patches.bed.gz"), index=str(folder / "plain/patches.bed.gz.csi")) as table:
        assert len(list(table.fetch("c2"))) == len(store.starts("c2", 0, 70))
    assert (folder / "plain/patches.png").read_bytes().startswith(b"\x89PNG")


def test_the_summary_compares_boundaries_with_genes_and_repeats(folder) -> None:
    found = summary_of(folder, "plain")["enrichment"]
    assert set(found) == {"CDS edges", "gene starts", "promoters", "lower-case runs"}
    assert found["gene starts"]["features"] == 2
    for kind in ("recall", "precision"):
        assert 0 <= found["CDS edges"][kind]["observed"] <= 1


def test_given_patches_are_stored_as_they_are(folder) -> None:
    store = PatchStore(folder / "plain/store")
    patch(folder / "g.fa", folder / "given", given=folder / "plain/patches.bed.gz", bed=False)
    again = PatchStore(folder / "given/store")
    for contig, length in store.contigs.items():
        assert again.starts(contig, 0, length).tolist() == store.starts(contig, 0, length).tolist()
    assert summary_of(folder, "given")["side_information"] == ["given"]
    assert not (folder / "given/patches.bed.gz").exists()


def test_a_fitted_patcher_is_applied_as_it_is(folder) -> None:
    patch(folder / "g.fa", folder / "again", fitted=folder / "plain")
    assert summary_of(folder, "again")["fingerprint"] == summary_of(folder, "plain")["fingerprint"]
    assert summary_of(folder, "again")["score_source"]["training_regions"] == ["c1:1-8000"]
    ours, theirs = (PatchStore(folder / name / "store").starts("c1", 0, 9000) for name in ("again", "plain"))
    assert (ours == theirs).all()


def test_isolated_runs_start_a_patch_one_base_after_each_edge(folder) -> None:
    edges = {"n": [2000, 2060], "case": [5000, 5300]}
    for isolate in (["n"], ["case"], ["n", "case"]):
        after = cut(folder, "after", isolate=isolate)
        at = cut(folder, "at", isolate=isolate, edges="at")
        for kind in isolate:
            for edge in edges[kind]:
                assert after.marks("c1", edge + 1, edge + 1)[0]
                assert at.marks("c1", edge, edge)[0]
    assert summary_of(folder, "after")["training"]["mean"] == pytest.approx(6, rel=0.01)


@pytest.mark.parametrize("mode", ["fixed_stride", "length_constrained", "optimal"])
def test_codon_patches_keep_the_frame_of_each_cds(folder, mode) -> None:
    options = {"multiple": 3, "longest": 12, "shortest": 3} if mode != "fixed_stride" else {}
    store = cut(folder, f"codon_{mode}", mode=mode, codon_frame=folder / "g.gff", **options)
    for start, end in ((1000, 1300), (3002, 3302)):  # whole codons from the first base, or back from the last
        starts = np.flatnonzero(store.marks("c1", start, end))
        assert starts[0] == 0
        assert (starts % 3 == 0).all()
        assert starts[-1] == 300
    assert summary_of(folder, f"codon_{mode}")["side_information"] == ["annotation"]


@pytest.mark.parametrize("mode", ["entropy", "optimal"])
def test_symmetric_patches_of_the_other_strand_are_the_mirror(folder, mode) -> None:
    cut(folder, f"both_{mode}", mode=mode, symmetric=True)
    patcher = Patcher.load(folder / f"both_{mode}/patcher")
    text = (folder / "g.fa").read_text().split("\n")[1][:1501]
    forward, reverse = patcher.marks(encode(text)), patcher.marks(encode(reverse_complement(text)))
    assert (forward[1:-1] == reverse[1:-1][::-1]).all()
    assert forward[1:-1].sum() > 100
    assert patcher.reads_ahead


def test_what_anchors_cost_the_optimum_is_reported(folder) -> None:
    cut(folder, "optimal", mode="optimal", shortest=3, longest=24)
    found = summary_of(folder, "optimal")["anchor_loss"]
    assert (found["bases"], found["lost"]) == (8000, 0)  # one piece: nothing is cut
    assert summary_of(folder, "plain")["anchor_loss"] is None
