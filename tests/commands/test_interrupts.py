"""A command that is told to stop leaves no unfinished output behind."""

import os
import signal
import subprocess
import sys
import time

import pytest

from genomelm import cli

WAITS = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); " + (
    "from genomelm.cli import main; import time; {change}; main()"
)
"""A shell that starts this test in the background has Ctrl-C ignored, and so would the command."""
SLOW_PATCH = "import genomelm.commands.patch_outputs as room; room.write_plot = lambda *_: time.sleep(100)"
SLOW_SCORE = "import genomelm.scoring.pair_scorer as room; room.PairScorer.score = lambda *_: time.sleep(100)"


def stop(folder, change, arguments, *numbers) -> tuple[int, str]:
    """Run a command, signal it once it has begun to write into `folder`, return its exit code and stderr."""
    code = WAITS.format(change=change)
    environment = {**os.environ, "TMPDIR": str(folder)}
    process = subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)], stderr=subprocess.PIPE, text=True, env=environment
    )
    deadline = time.monotonic() + 60
    while not list(folder.glob(".*.tmp")) and time.monotonic() < deadline and process.poll() is None:
        time.sleep(0.02)
    assert process.poll() is None, process.stderr.read()
    for number in numbers:
        process.send_signal(number)
    return process.wait(60), process.stderr.read()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_stopped_patch_leaves_what_was_there_and_nothing_else(tmp_path, number):
    (tmp_path / "g.fa").write_text(">c1\n" + "ACGTTGCA" * 200 + "\n")
    arguments = ["patch", tmp_path / "g.fa", "-o", tmp_path / "work" / "out", "--mode", "fixed_stride"]
    kept = tmp_path / "work" / "out" / "summary.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("as it was")
    assert stop(tmp_path / "work", SLOW_PATCH, arguments, number) == (
        75,
        "genomelm: interrupted; the same command continues where it can\n",
    )
    assert list((tmp_path / "work").iterdir()) == [kept.parent]
    assert kept.read_text() == "as it was"


def test_a_score_stopped_twice_at_once_leaves_nothing(tiny_fasta, language_model_dir, tmp_path):
    (tmp_path / "work").mkdir()
    arguments = ["-q", "score", "--saturate", "c1:101-102", "-r", tiny_fasta, "-m", language_model_dir]
    arguments += ["-o", tmp_path / "work" / "out.vcf.gz", "--table", tmp_path / "work" / "t.tsv", "--device", "cpu"]
    code, said = stop(tmp_path / "work", SLOW_SCORE, arguments, signal.SIGTERM, signal.SIGTERM)
    assert code == 75, said
    assert list((tmp_path / "work").iterdir()) == []


def test_a_signal_interrupts_once_and_its_handler_goes_with_the_block():
    before = [signal.getsignal(number) for number in cli.STOP_SIGNALS]
    for number in cli.STOP_SIGNALS:
        with cli.stopped_as_by_ctrl_c():
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), number)
            os.kill(os.getpid(), number)
    assert [signal.getsignal(number) for number in cli.STOP_SIGNALS] == before


def test_a_later_signal_interrupts_again(monkeypatch):
    now = iter((0.0, cli.ECHO_SECONDS + 0.1))
    monkeypatch.setattr(cli.time, "monotonic", lambda: next(now))
    with cli.stopped_as_by_ctrl_c():
        for _ in range(2):
            with pytest.raises(KeyboardInterrupt):
                os.kill(os.getpid(), signal.SIGTERM)
