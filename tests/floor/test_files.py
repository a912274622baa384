"""Files are complete or absent; two processes never write one output."""

import json
import os
import signal
import subprocess
import sys

import pytest

from genomelm.errors import UsageError
from genomelm.files import (
    atomic_directory,
    atomic_path,
    check_folder,
    check_no_file,
    digest_of,
    output_lock,
    sha256,
    write_json,
)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "out.txt"
    target.write_text("old")

    def half_written():
        with atomic_path(target) as temporary:
            temporary.write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_written()
    assert target.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["out.txt"]


def test_a_killed_write_leaves_no_file_under_the_final_name(tmp_path):
    code = (
        "import os, signal, sys\nfrom genomelm.files import atomic_path\n"
        "with atomic_path(sys.argv[1]) as t:\n    t.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "out")], check=False)
    assert done.returncode == -signal.SIGKILL
    assert not (tmp_path / "out").exists()


def test_a_directory_is_swapped_whole_or_not_at_all(tmp_path):
    target = tmp_path / "d"
    for text in ("first", "second"):
        with atomic_directory(target) as temporary:
            (temporary / "f").write_text(text)
    assert (target / "f").read_text() == "second"

    def half_written():
        with atomic_directory(target) as temporary:
            (temporary / "f").write_text("half")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        half_written()
    assert (target / "f").read_text() == "second"
    assert [p.name for p in tmp_path.iterdir()] == ["d"]


def test_the_second_process_on_one_output_stops_with_2(tmp_path):
    code = (
        "import sys\nfrom genomelm.files import output_lock\nfrom genomelm.errors import UsageError\n"
        "try:\n    with output_lock(sys.argv[1]): pass\nexcept UsageError as e:\n    sys.exit(e.exit_code)\n"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "out")]
    with output_lock(tmp_path / "out"):
        assert subprocess.run(command, check=False).returncode == 2
    assert subprocess.run(command, check=False).returncode == 0
    assert list(tmp_path.iterdir()) == []


def test_a_lock_on_a_removed_file_guards_nothing(tmp_path):

    def locked_twice():
        with output_lock(tmp_path / "a"), output_lock(tmp_path / "a"):
            pass

    with output_lock(tmp_path / "a"):
        os.unlink(tmp_path / ".a.lock")  # as if the holder before us had just ended
        with pytest.raises(UsageError, match="another genomelm process"):
            locked_twice()


def test_json_refuses_numbers_that_are_not_finite(tmp_path):
    with pytest.raises(ValueError, match="Out of range"):
        write_json(tmp_path / "x.json", {"a": float("nan")})
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "x.json", {"a": 1})
    assert json.loads((tmp_path / "x.json").read_text()) == {"a": 1}


def test_digests_depend_on_content_only(tmp_path):
    assert digest_of({"a": 1, "b": [2.5]}) == digest_of({"b": [2.5], "a": 1})
    (tmp_path / "x").write_bytes(b"abc")
    assert sha256(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_a_folder_that_would_be_replaced_holds_nothing_else(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "ours.json").write_text("{}")
    check_folder(tmp_path / "out", ["ours.json"])
    check_folder(tmp_path / "new" / "one", [])
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(UsageError, match=r"holds other files \(notes\.txt\)"):
        check_folder(tmp_path / "out", ["ours.json"])


def test_an_output_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(UsageError, match="give the name of a folder"):
            check_no_file(path)
    check_no_file(tmp_path / "new" / "run")
