"""A job on a cluster that fails is tried again by the process that submitted it, and not inside the job as well."""

import subprocess
import sys
from pathlib import Path

from small_repository import PROGRAM, RESULTS, environment, small_repository


def test_a_training_job_does_not_try_again_by_itself(tmp_path):
    folder = small_repository(tmp_path)
    patches = ("summary.json", "patcher/patcher.json", "store/store.json")
    inputs = ["data/genome.fa.gz", "data/genome.fa.gz.fai", *(f"patch/entropy/{name}" for name in patches)]
    for path in [folder / RESULTS / name for name in inputs]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("nothing that could be trained on")
    # As executors call it in a job.
    job = ["--mode", "remote", "--target-jobs", "pretrain:model=tiny", "--allowed-rules", "pretrain", "--force"]
    command = [sys.executable, *PROGRAM, *job, "--attempt", "1", "--retries", "0", "--cores", "1", "--nolock"]
    done = subprocess.run(command, cwd=folder, env=environment(), capture_output=True, text=True)
    said = done.stdout + done.stderr
    assert done.returncode == 1, said
    assert (said.count("returned non-zero exit status"), said.count("Trying to restart")) == (1, 0)
    assert "genomelm: " in Path(folder, RESULTS, "logs/tiny/pretrain.log").read_text()
