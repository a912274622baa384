import gzip
import json

import numpy as np
import pyBigWig
import pytest

from genomelm.commands.evaluate import evaluate
from genomelm.commands.patch import patch
from genomelm.commands.pretrain import pretrain
from genomelm.commands.score import score
from genomelm.errors import InputError, IntegrityError, UsageError
from genomelm.models.loading import load_model
from genomelm.patching.store import PatchStore
from genomelm.scoring.alleles import other_strand, read_pair
from genomelm.scoring.scorer import scorer_for
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.training.windows import GenomeWindows

MODEL = """family: hyena_glt
shell: {local_width: 8, local_heads: 2, local_taps: 3, kmers: [1, 2], width: 16}
backbone: {layers: 1, hidden: 16}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A genome, a track over it, patches by that track, a model trained on them, and a VCF."""
    folder = tmp_path_factory.mktemp("place")
    random = np.random.default_rng(3)
    text = "".join(random.choice(list("ACGT"), 12_000))
    (folder / "g.fa").write_text(f">c1\n{text}\n")
    with pyBigWig.open(str(folder / "t.bw"), "w") as track:
        track.addHeader([("c1", 12_000)])
        track.addEntries("c1", 0, values=random.normal(size=12_000), span=1, step=1)
    head = "##fileformat=VCFv4.2\n##contig=<ID=c1>\n#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
    rows = [f"c1\t{p}\t.\t{text[p - 1]}\t{'A' if text[p - 1] != 'A' else 'C'}\t.\t.\t.\n" for p in range(500, 600, 7)]
    (folder / "v.vcf").write_text(head + "".join(rows))
    (folder / "model.yaml").write_text(MODEL)
    (folder / "train.yaml").write_text("steps: 3\nbatch_size: 2\nwindow: 200\n")
    patch(folder / "g.fa", folder / "p", ["c1:1-10000"], mean=6, source="track", track=folder / "t.bw")
    options = {"mode": "optimal", "mean": 9, "longest": 32}
    patch(folder / "g.fa", folder / "best", ["c1:1-10000"], source="track", track=folder / "t.bw", **options)
    pretrain(
        genome=folder / "g.fa",
        patches=folder / "p",
        model=folder / "model.yaml",
        train=folder / "train.yaml",
        train_region=["c1:1-10000"],
        test_region=["c1:10001-12000"],
        out=folder / "run",
        device="cpu",
    )
    return folder


def scored(place, out, **options):
    score(
        place / "g.fa",
        place / "run/model",
        out,
        place / "v.vcf",
        width=128,
        device="cpu",
        table=out.with_suffix(".tsv"),
        **options,
    )
    return out.with_suffix(".tsv").read_text()


def test_variants_are_scored_with_the_tracks_patches_of_the_reference(place, tmp_path):
    table = scored(place, tmp_path / "a.vcf.gz", patches=place / "p")
    assert table.count("\tOK") == 15
    other = scored(place, tmp_path / "b.vcf.gz", patches=place / "best", other_patches=True)
    assert other != table  # the same weights read other patches, without training


def test_patches_by_place_are_asked_for_and_checked(place, tmp_path):
    with pytest.raises(UsageError, match=r"come by coordinate \(track\): give --patches"):
        scored(place, tmp_path / "a.vcf.gz")
    with pytest.raises(IntegrityError, match="allow the mismatch on purpose"):
        scored(place, tmp_path / "a.vcf.gz", patches=place / "best")
    (tmp_path / "g.fa").write_text(">c1\n" + "ACGT" * 3000 + "\n")
    options = {"mean": 6, "source": "track", "track": place / "t.bw"}
    patch(tmp_path / "g.fa", tmp_path / "p", ["c1:1-10000"], **options)
    with pytest.raises(InputError, match=r"holds the patches of g\.fa, not of"):
        scored(place, tmp_path / "a.vcf.gz", patches=tmp_path / "p")
    assert not (tmp_path / "a.vcf.gz").exists()


def test_a_likelihood_with_a_track_is_labelled_so(place, tmp_path):
    evaluate(
        [place / "run/model"],
        tmp_path / "e.json",
        genome=place / "g.fa",
        patches=place / "p",
        region=["c1:10001-12000"],
        device="cpu",
    )
    assert json.loads((tmp_path / "e.json").read_text())["side_information"] == ["track"]


def test_the_other_strand_has_the_same_boundaries_in_mirror_image(place):
    model, store = load_model(place / "run/model"), PatchStore(place / "p/store")
    with Genome(place / "g.fa") as genome:
        windows = GenomeWindows(genome, store, model.patcher, [Interval("c1", 0, 12_000)], 200)
        forward, flags = windows.record(Interval("c1", 1000, 1200))
        reverse, mirrored = windows.record(Interval("c1", 1000, 1200, "-"))
    assert (mirrored[1:-1] == flags[1:-1][::-1]).all()
    assert mirrored[0]
    assert len(forward) == len(reverse) == 200


def test_both_strands_are_scored_in_the_tracks_patches_and_their_mirror_image(place):
    model, store = load_model(place / "run/model"), PatchStore(place / "p/store")
    model.patcher.use(store)
    text = (place / "g.fa").read_text().splitlines()[1]
    variants = [Variant("c1", p, text[p - 1], "A" if text[p - 1] != "A" else "C") for p in range(510, 590, 13)]
    found = {}
    for strand in "+-":
        scorer = scorer_for(model, window=Interval("c1", 500, 600, strand), strands="both")
        with Genome(place / "g.fa") as genome:
            pairs = [scorer.pair(genome, variant) for variant in variants]
        found[strand] = scorer.score(pairs)
        forward, other = (read_pair(model, read)[0].marks for read in (pairs[0], other_strand(pairs[0])))
        assert (forward[1:-1] == other[1:-1][::-1]).all()
        assert forward.sum() > 10
    assert found["+"] == pytest.approx(found["-"], abs=1e-5)
    assert np.abs(found["+"]).max() > 1e-4


def test_patches_that_bases_decide_are_the_models_own_business(place, tmp_path):
    patch(place / "g.fa", tmp_path / "p", mode="fixed_stride", mean=5)
    scored(place, tmp_path / "a.vcf.gz", patches=tmp_path / "p", other_patches=True)
    patch(place / "g.fa", tmp_path / "q", ["c1:1-10000"], mode="greedy", mean=5)
    with pytest.raises(UsageError, match="were cut by what the bases are"):
        scored(place, tmp_path / "b.vcf.gz", patches=tmp_path / "q", other_patches=True)
    header = gzip.decompress((tmp_path / "a.vcf.gz").read_bytes()).decode()
    assert PatchStore(tmp_path / "p/store").fingerprint in header  # not the fingerprint of the model's own patcher


def test_a_genome_of_another_sequence_is_refused_in_training_too(place, tmp_path):
    (tmp_path / "g.fa").write_text(">c1\n" + "ACGT" * 3000 + "\n")
    model, store = load_model(place / "run/model"), PatchStore(place / "p/store")
    with Genome(tmp_path / "g.fa") as genome, pytest.raises(InputError, match="not of"):
        GenomeWindows(genome, store, model.patcher, [Interval("c1", 0, 12_000)], 200)
