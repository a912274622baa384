"""`genomelm pretrain` and `finetune` on two processes: one set of outputs, those of a single process."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from safetensors.numpy import load_file
from training_files import finetune_arguments, make_site, pretrain_arguments, run

BOTH = """
import json, sys
from genomelm.cli import main
for arguments in json.loads(sys.argv[1]):
    try:
        main(arguments)
    except SystemExit as end:
        if end.code:
            raise
"""


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    return make_site(tmp_path_factory.mktemp("two_processes"))


def verbs(site: Path, out: Path) -> list[list[str]]:
    found = (
        ["pretrain", *pretrain_arguments(site, out / "pretrain")],
        ["finetune", *finetune_arguments(site, out / "pretrain" / "model", out / "finetune")],
    )
    return [list(map(str, arguments)) for arguments in found]


def test_two_processes_leave_what_one_leaves(site, tmp_path) -> None:
    for arguments in verbs(site, tmp_path / "one"):
        code, said = run(*arguments)
        assert code == 0, said
    (site / "g.fa.fai").unlink()  # the first process makes it again, for both
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    common = {**os.environ, "OMP_NUM_THREADS": "1", "WORLD_SIZE": "2"}
    common |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    command = [sys.executable, "-c", BOTH, json.dumps(verbs(site, tmp_path / "two"))]
    processes = [
        subprocess.Popen(command, env={**common, "RANK": rank, "LOCAL_RANK": rank}, stderr=subprocess.PIPE, text=True)
        for rank in "01"
    ]
    said = [process.communicate(timeout=300)[1] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], said
    assert "step 20/20" in said[0]
    assert "step 20/20" not in said[1]
    names = [sorted(p.relative_to(tmp_path / n) for p in (tmp_path / n).rglob("*")) for n in ("one", "two")]
    assert names[0] == names[1]
    first, second = (load_file(tmp_path / n / "pretrain" / "model" / "model.safetensors") for n in ("one", "two"))
    for key, value in first.items():
        np.testing.assert_allclose(second[key], value, rtol=1e-3, atol=2e-4, err_msg=key)
    tables = [pd.read_csv(tmp_path / n / "finetune" / "predictions.tsv", sep="\t") for n in ("one", "two")]
    assert list(tables[0]["name"]) == list(tables[1]["name"])
    np.testing.assert_allclose(tables[1]["prediction"], tables[0]["prediction"], atol=2e-3)
    for verb in ("pretrain", "finetune"):
        metrics = json.loads((tmp_path / "two" / verb / "metrics.json").read_text())
        assert metrics["provenance"]["processes"] == 2
