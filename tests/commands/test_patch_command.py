import json

import numpy as np
import pytest

from genomelm.commands.patch import patch
from genomelm.errors import InputError, UsageError
from genomelm.patching.patcher import Patcher
from genomelm.patching.store import PatchStore
from genomelm.seq.alphabet import decode, encode


@pytest.fixture
def fasta(tmp_path):
    random = np.random.default_rng(4)
    text = decode(np.frombuffer(b"ACGT", np.uint8)[(random.beta(0.6, 1, 30_000) * 4).astype(int)])
    path = tmp_path / "g.fa"
    path.write_text(f">c1\n{text[:20_000]}\n>c2\n{text[20_000:]}NNNN\n")
    return path


def files_in(folder) -> dict[str, bytes]:
    whole = {str(f.relative_to(folder)): f.read_bytes() for f in folder.rglob("*") if f.is_file()}
    summary = json.loads(whole.pop("summary.json"))
    del summary["provenance"]
    return {**whole, "summary": json.dumps(summary).encode()}


def test_patch_writes_a_patcher_a_store_and_a_summary_twice_the_same(fasta, tmp_path) -> None:
    for out in ("a", "b"):
        patch(fasta, tmp_path / out, ["c1:1-16000"], ["c1:16001-20000", "c2:1-10004"], mean=6, order=4)
    assert files_in(tmp_path / "a") == files_in(tmp_path / "b")
    summary = json.loads((tmp_path / "a" / "summary.json").read_text())
    assert summary["training"]["mean"] == pytest.approx(6, rel=0.01)
    assert summary["score_source"]["test_bases"] == 14_000
    assert 1 < summary["score_source"]["bits_per_base"] < 2
    patcher, store = Patcher.load(tmp_path / "a" / "patcher"), PatchStore(tmp_path / "a" / "store")
    assert patcher.fingerprint == store.fingerprint == summary["fingerprint"] == summary["provenance"]["patching"]
    assert store.contigs == {"c1": 20_000, "c2": 10_004}
    sequence = fasta.read_text().split("\n")[3]
    assert (patcher.segment(encode(sequence)) == store.starts("c2", 0, 10_004)).all()


def test_a_mean_that_is_far_off_outside_the_training_region_is_told(fasta, tmp_path, caplog) -> None:
    name, one, _, two = fasta.read_text().split()
    regular = tmp_path / "regular.fa"
    regular.write_text(f"{name}\n{one}{'ACGTTGCA' * 4000}{'N' * 5000}\n>c2\n{two}\n")
    patch(fasta, tmp_path / "a", ["c1:1-16000"], mean=6, order=4)
    assert not caplog.text
    patch(regular, tmp_path / "b", ["c1:1-16000"], mean=6, order=4)
    summary = json.loads((tmp_path / "b" / "summary.json").read_text())
    assert summary["elsewhere"]["bases"] == 4000 + 32_000 + 10_000  # letters alone
    assert not 4.8 < summary["elsewhere"]["mean"] < 7.5
    assert f"outside the training region patches have {summary['elsewhere']['mean']:.3g} letters" in caplog.text
    assert "inside 6" in caplog.text
    patch(regular, tmp_path / "c", mode="fixed_stride", mean=6)
    assert json.loads((tmp_path / "c" / "summary.json").read_text())["elsewhere"] == {}


def test_runs_of_n_take_no_part_in_the_mean(fasta, tmp_path) -> None:
    lines = fasta.read_text().split("\n")
    gaps = tmp_path / "gaps.fa"
    gaps.write_text("\n".join([lines[0], f"{lines[1][:9000]}{'N' * 8000}{lines[1][9000:]}{'N' * 100}", *lines[2:]]))
    patch(fasta, tmp_path / "a", ["c1:1-20000"], mean=6, order=4)
    patch(gaps, tmp_path / "b", ["c1:1-28100"], mean=6, order=4)
    plain, other = (json.loads((tmp_path / name / "summary.json").read_text()) for name in "ab")
    assert other["training"]["bases"] == 20_000
    assert other["training"]["mean"] == pytest.approx(6, rel=0.01)
    assert other["config"]["threshold"] == pytest.approx(plain["config"]["threshold"], rel=0.02)


@pytest.mark.parametrize("mode", ["entropy", "monotonic", "length_constrained"])
def test_the_mean_on_the_training_region_is_that_of_the_letters_in_the_store(
    fasta, tmp_path, monkeypatch, mode: str
) -> None:
    monkeypatch.setattr("genomelm.commands.patch.CHUNK", 4096)
    lines = fasta.read_text().split("\n")
    unknown = np.random.default_rng(1).random(20_000) < 0.02
    lines[1] = "".join(np.where(unknown, "N", list(lines[1])))
    fasta.write_text("\n".join(lines))
    patch(fasta, tmp_path / "a", ["c1:1001-20000"], mean=6, mode=mode, order=6, bed=False)
    trained = json.loads((tmp_path / "a" / "summary.json").read_text())["training"]
    letters = ~unknown[1000:]
    starts = PatchStore(tmp_path / "a" / "store").marks("c1", 1000, 19_999) & letters
    assert (trained["bases"], trained["patches"]) == (letters.sum(), starts.sum())
    assert trained["mean"] == pytest.approx(6, rel=0.01)


def test_a_training_region_without_letters_has_no_mean(fasta, tmp_path) -> None:
    patch(fasta, tmp_path / "a", ["c1:1-16000"], mean=6, order=4)
    patch(fasta, tmp_path / "b", ["c2:10001-10004"], fitted=tmp_path / "a")
    trained = json.loads((tmp_path / "b" / "summary.json").read_text())["training"]
    assert (trained["bases"], trained["patches"], trained["mean"]) == (0, 0, None)


def test_only_the_training_region_decides_the_patcher(fasta, tmp_path) -> None:
    patch(fasta, tmp_path / "a", ["c1:1-16000"], mean=6, order=4)
    lines = fasta.read_text().split("\n")
    changed = tmp_path / "changed.fa"
    changed.write_text("\n".join([lines[0], lines[1][:16_000] + "A" * 4000, *lines[2:]]))
    patch(changed, tmp_path / "b", ["c1:1-16000"], mean=6, order=4)
    assert Patcher.load(tmp_path / "a" / "patcher").fingerprint == Patcher.load(tmp_path / "b" / "patcher").fingerprint


def test_modes_without_scores_need_no_count_model(fasta, tmp_path) -> None:
    patch(fasta, tmp_path / "a", ["c1:1-16000"], mean=16, mode="fixed_stride")
    assert json.loads((tmp_path / "a" / "summary.json").read_text())["score_source"] is None
    assert PatchStore(tmp_path / "a" / "store").starts("c1", 0, 40).tolist() == [0, 16, 32]


def test_a_test_region_inside_the_training_region_is_refused(fasta, tmp_path) -> None:
    with pytest.raises(UsageError, match="shares bases"):
        patch(fasta, tmp_path / "a", ["c1:1-16000"], ["c1:16000-17000"])
    with pytest.raises(InputError, match="passes the end"):
        patch(fasta, tmp_path / "a", ["c1:1-30000"])
    assert not (tmp_path / "a" / "summary.json").exists()
