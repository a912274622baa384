"""What a first day's commands meet: an output that is an input, short help, completion, and paths that cannot be."""

import subprocess
import sys
from pathlib import Path

import pytest

from genomelm.errors import ResourceError, UsageError
from genomelm.files import output_lock, refuse_inputs

RUN = [sys.executable, "-m", "genomelm"]


def test_an_output_that_is_an_input_is_refused_through_links_too(tmp_path: Path) -> None:
    given, link = tmp_path / "in.vcf", tmp_path / "link.vcf"
    given.write_text("x")
    link.symlink_to(given)
    refuse_inputs(tmp_path / "new.vcf", given)
    refuse_inputs(None, given, None)
    for out in (given, link):
        with pytest.raises(UsageError, match="is an input of this run"):
            refuse_inputs(out, None, tmp_path / "none", given)


def test_an_output_that_cannot_be_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match="cannot be written"), output_lock(tmp_path / "file" / "x"):
        pass


@pytest.mark.parametrize("verb", [[], ["score"], ["bench"], ["bench", "score"]])
def test_h_is_help(verb: list[str]) -> None:
    ran = subprocess.run([*RUN, *verb, "-h"], capture_output=True, text=True)
    assert ran.returncode == 0
    assert "Usage: genomelm" in ran.stdout


def test_words_and_options_are_completed() -> None:
    for words, count, wanted in (("genomelm sco", 1, "score"), ("genomelm score --wid", 2, "--width")):
        told = {
            "_GENOMELM_COMPLETE": "complete_bash",
            "COMP_WORDS": words,
            "COMP_CWORD": str(count),
            "PATH": "/usr/bin:/bin",
        }
        ran = subprocess.run(RUN, env=told, capture_output=True, text=True)
        assert wanted in ran.stdout.split()
