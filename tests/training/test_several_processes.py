"""Two processes, started as torchrun does, train the model that one process trains, and stop together."""

import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from one_of_several import MANY
from safetensors.torch import load_file
from small_runs import SETTINGS, numbers, run

from genomelm.errors import ResourceError
from genomelm.runtime import choose_device
from genomelm.training import team as team_room
from genomelm.training.team import Team

SHARDED = "family=gryphon,shard=true,ema=0.9,early_stopping=5"
RUNS = (
    "shared:",
    "shared_gryphon:family=gryphon,accumulate=2,ema=0.9,prefetch=2",
    "sharded:shard=true",
    f"sharded_gryphon:{SHARDED}",
    f"struck:{SHARDED},killed=1",
    f"struck:{SHARDED}",
    "broken:broken=1",
    "uneven:batch_size=3",
)


def start(site, folder: Path, *runs: str) -> list[subprocess.Popen]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    here = Path(__file__).parent
    common = {**os.environ, "WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    common |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join([str(here), *sys.path])}
    command = [sys.executable, here / "one_of_several.py", site.genome.path, site.patches, folder, *runs]
    return [
        subprocess.Popen(command, env={**common, "RANK": str(rank), "LOCAL_RANK": str(rank)}, stderr=subprocess.PIPE)
        for rank in range(2)
    ]


@pytest.fixture(scope="module")
def ended(site, tmp_path_factory):
    """A folder with what each process left of RUNS."""
    folder = tmp_path_factory.mktemp("several")
    for process in start(site, folder, *RUNS):
        _, said = process.communicate(timeout=300)
        assert process.returncode == 0, said.decode()
    return folder


def left(folder: Path, name: str, rank: int = 0) -> tuple[dict, dict]:
    weights = folder / f"{name}.{rank}.safetensors"
    return json.loads((folder / f"{name}.{rank}.json").read_text()), load_file(weights) if weights.exists() else {}


@pytest.mark.parametrize("name", ["shared", "shared_gryphon", "sharded", "sharded_gryphon"])
def test_two_processes_end_with_the_weights_and_losses_of_one(site, ended, tmp_path, name) -> None:
    ema, family = ("gryphon" in name or None) and 0.9, "gryphon" if "gryphon" in name else "hyena_glt"
    alone, log = run(site, tmp_path / "alone", dataclasses.replace(MANY, ema=ema), SETTINGS[family])
    end, weights = left(ended, name)
    assert [row["step"] for row in end["log"]] == [4, 8, 12]
    for row, expected in zip(end["log"], log, strict=True):
        for key in ("train_bits", "test_bits", "gradient_norm"):
            assert row[key] == pytest.approx(expected[key], rel=1e-4), key
        assert row["bases"] == expected["bases"]
        assert row["gradient_norms"] == pytest.approx(expected["gradient_norms"], rel=1e-3)
    assert weights.keys() == alone.state_dict().keys()
    for key, value in alone.state_dict().items():
        torch.testing.assert_close(weights[key], value, rtol=1e-4, atol=5e-5, msg=key)
    other = left(ended, name, 1)[1]
    assert all(torch.equal(weights[key], other[key]) for key in weights)


def test_a_signal_to_one_process_stops_all_at_one_step_and_they_go_on_exactly(site, ended) -> None:
    ends = [left(ended, "struck.cut", rank)[0] for rank in range(2)]
    assert [end["code"] for end in ends] == [75, 75]
    assert "(SIGUSR1)" in ends[1]["text"]
    assert "(another of its processes was asked to)" in ends[0]["text"]
    step = ends[1]["text"].split(" of 12")[0]
    assert step.startswith("stopped at step ")
    assert ends[0]["text"].startswith(step)
    assert len(list((ended / "struck.state").glob("step-*"))) == 1
    (end, weights), (expected, whole) = left(ended, "struck"), left(ended, "sharded_gryphon")
    assert all(torch.equal(weights[key], whole[key]) for key in whole)
    assert numbers(end["log"]) == numbers(expected["log"])


def test_a_loss_of_one_process_that_is_not_finite_is_skipped_by_all(ended) -> None:
    (end, weights), (other, theirs) = (left(ended, "broken", rank) for rank in range(2))
    assert [row["skipped"] for row in end["log"]] == [row["skipped"] for row in other["log"]] == [0, 1, 0]
    assert [row["bases"] for row in end["log"]] == [4 * 256, 7 * 256, 11 * 256]
    assert all(torch.isfinite(value).all() and torch.equal(value, theirs[key]) for key, value in weights.items())


def test_rows_that_processes_cannot_share_are_told_by_all(ended) -> None:
    for rank in range(2):
        end, _ = left(ended, "uneven", rank)
        assert end["code"] == 2
        assert "which 2 parts" in end["text"]


def test_one_process_is_a_team_of_its_own() -> None:
    team = Team(torch.device("cpu"))
    assert (team.rank, team.size, team.first) == (0, 1, True)
    assert team.sums([1, 2.5]) == [1, 2.5]
    assert team.any(True, False) == [True, False]
    assert team.from_first("x") == "x"


@pytest.fixture
def gpus(monkeypatch):
    """Return a function that sets how many GPUs torch sees, and which process of how many this one is."""

    def see(count: int, rank: int, size: int) -> None:
        monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
        monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
        for name, value in {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size}.items():
            monkeypatch.setenv(name, str(value))

    return see


@pytest.mark.parametrize("name", ["auto", "cuda"])
def test_each_process_has_a_gpu_of_its_own(gpus, name) -> None:
    gpus(4, 2, 4)
    assert choose_device(name) == torch.device("cuda", 2)
    gpus(1, 2, 4)  # where Slurm shows each process its own GPU alone
    assert choose_device(name) == torch.device("cuda", 0)
    gpus(4, 0, 1)
    assert choose_device(name) == torch.device("cuda")
    gpus(2, 3, 4)
    with pytest.raises(ResourceError, match="process 3 of this machine has no GPU of its own, torch sees 2"):
        choose_device(name)


def test_processes_on_devices_of_several_types_are_refused(monkeypatch) -> None:
    def gathered(types: list, mine: str, group: object) -> None:
        types[:] = [mine, "cuda"]

    monkeypatch.setattr(team_room, "processes", lambda: (0, 2))
    monkeypatch.setattr("accelerate.Accelerator", lambda **_: None)
    monkeypatch.setattr(team_room.distributed, "all_gather_object", gathered)
    monkeypatch.setattr(team_room.distributed, "group", SimpleNamespace(WORLD=None))
    with pytest.raises(ResourceError, match=r"several types \(0: cpu, 1: cuda\)"):
        Team(torch.device("cpu"))
