"""What the operating system refuses ends with exit code 5 and a sentence."""

import errno
import os
import subprocess
import sys

import pytest

from genomelm.cli import report_error


def said(error: BaseException, capsys) -> str:
    assert report_error(error) == 5
    return capsys.readouterr().err


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_named_with_the_file(capsys, number):
    assert "no disk space left at /data/out.vcf.gz" in said(OSError(number, "x", "/data/out.vcf.gz"), capsys)


def test_a_full_disk_is_known_by_the_words_of_a_library(capsys):
    with open("/dev/full", "w") as file, pytest.raises(OSError, match="No space") as caught:
        os.write(file.fileno(), b"x")
    assert "no disk space left" in said(RuntimeError(f"while serializing: {caught.value.strerror}"), capsys)


def test_a_folder_without_permission_is_named(capsys):
    error = OSError(errno.EACCES, os.strerror(errno.EACCES), "/data/out")
    assert "no permission at /data/out (Permission denied)" in said(error, capsys)


def test_memory_that_is_not_there_is_said(capsys):
    assert "no memory left" in said(MemoryError(), capsys)


def test_a_reader_that_goes_away_is_no_error():
    genomelm = [sys.executable, "-c", "from genomelm.cli import main; main()", "fetch", "--list"]
    with subprocess.Popen(genomelm, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as listing:
        listing.stdout.close()
        assert listing.stderr.read() == b""
        assert listing.wait() == 141
