"""The command line: cheap help, one-line errors with exit codes, verbs that exist."""

import importlib
import json
import subprocess
import sys
import time
import types

import pytest
from typer.testing import CliRunner

from genomelm import cli
from genomelm.errors import (
    AssemblyError,
    InputError,
    IntegrityError,
    Interrupted,
    NumericalError,
    ResourceError,
    UsageError,
)

HEAVY = ("torch", "numpy", "pandas", "numba", "transformers", "pysam")


def command(*arguments):
    code = "from genomelm.cli import main; main()"
    return subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True)


@pytest.fixture
def verb_that_raises(monkeypatch):
    """Register a verb `fail` whose function raises what it is given."""

    def register(error):
        def fail() -> None:
            raise error

        monkeypatch.setitem(sys.modules, "failing_verb", types.SimpleNamespace(fail=fail))
        monkeypatch.setitem(cli.VERBS, "fail", ("failing_verb:fail", "Fail."))

    return register


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_imports_and_is_light(name):
    module, function = cli.VERBS[name][0].split(":")
    code = (
        f"import sys, {module} as m; assert callable(m.{function}); print([h for h in {HEAVY!r} if h in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("name", list(cli.VERBS))
def test_every_verb_has_help(name):
    result = CliRunner().invoke(cli.app, [name, "--help"])
    assert result.exit_code == 0, result.output
    assert "Usage" in result.output


def test_help_lists_the_verbs_within_a_second_and_imports_nothing_heavy():
    start = time.monotonic()
    done = command("--help")
    seconds = time.monotonic() - start
    assert all(name in done.stdout for name in cli.VERBS)
    assert seconds < 1.0 or min(_help_seconds() for _ in range(3)) < 1.0  # a busy machine gets a second chance
    code = f"import sys, genomelm.cli; print([name for name in {HEAVY!r} if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "[]"


def _help_seconds():
    start = time.monotonic()
    command("--help")
    return time.monotonic() - start


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (UsageError, 2),
        (InputError, 3),
        (AssemblyError, 4),
        (ResourceError, 5),
        (IntegrityError, 6),
        (NumericalError, 7),
        (Interrupted, 75),
    ],
)
def test_a_user_error_is_one_line_with_its_exit_code(verb_that_raises, error, code):
    verb_that_raises(error("chr1:5 is wrong: do this"))
    result = CliRunner().invoke(cli.app, ["fail"])
    assert result.exit_code == code
    assert result.stderr == "genomelm: chr1:5 is wrong: do this\n"


def test_an_interrupt_exits_with_75(verb_that_raises):
    verb_that_raises(KeyboardInterrupt())
    result = CliRunner().invoke(cli.app, ["fail"])
    assert result.exit_code == 75
    assert "interrupted" in result.stderr


def test_an_unknown_error_is_one_line_that_advises_debug(verb_that_raises):
    verb_that_raises(KeyError("x"))
    result = CliRunner().invoke(cli.app, ["fail"])
    assert result.exit_code == 1
    assert result.stderr.count("\n") == 1
    assert "--debug" in result.stderr


def test_debug_shows_the_traceback_after_the_verb_too(verb_that_raises, capsys):
    verb_that_raises(InputError("wrong"))
    with pytest.raises(SystemExit) as stop:
        cli.main(["fail", "--debug"])
    assert stop.value.code == 3
    assert "Traceback" in capsys.readouterr().err


def test_a_missing_optional_package_names_its_extra(verb_that_raises):
    verb_that_raises(ModuleNotFoundError("No module named 'memelite'", name="memelite"))
    result = CliRunner().invoke(cli.app, ["fail"])
    assert result.exit_code == 5
    assert "pip install 'genomelm[interpret]'" in result.stderr


def test_a_missing_module_of_our_own_is_not_blamed_on_the_installation(verb_that_raises):
    verb_that_raises(ModuleNotFoundError("No module named 'genomelm.x'", name="genomelm.x"))
    result = CliRunner().invoke(cli.app, ["fail"])
    assert result.exit_code == 1
    assert "genomelm.x" in result.stderr


def test_a_wrong_verb_suggests_the_nearest():
    done = command("scor")
    assert done.returncode == 2
    assert "score" in done.stderr


def test_version_is_printed():
    assert command("--version").stdout == f"genomelm {importlib.metadata.version('genomelm')}\n"


def test_doctor_prints_json(tmp_path, monkeypatch):
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path))
    result = CliRunner().invoke(cli.app, ["doctor", "--json"])
    assert result.exit_code == 0, result.output
    facts = json.loads(result.stdout)
    assert facts["caches"] == {"genomes": str(tmp_path), "writable": "yes"}
    assert facts["versions"]["torch"]


def test_doctor_says_when_the_cache_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GENOMELM_CACHE", str(tmp_path / "file" / "cache"))
    result = CliRunner().invoke(cli.app, ["doctor"])
    assert result.exit_code == 5
    assert "GENOMELM_CACHE" in result.stdout
