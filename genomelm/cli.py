"""The `genomelm` command: registers the verbs, and turns errors into one line and an exit code.

A verb's module is imported when the verb is called, so `genomelm --help` imports none of them.
"""

import contextlib
import importlib
import logging
import math
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from types import FrameType
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from genomelm.errors import GenomelmError, Interrupted, ResourceError

# verb: (module:function, one line for `genomelm --help`)
VERBS = {
    "doctor": ("genomelm.commands.doctor:doctor", "Show versions, devices, threads and caches of this installation."),
    "fetch": ("genomelm.commands.fetch:fetch", "Fetch one file of a data manifest, verified and indexed."),
    "cache": ("genomelm.commands.cache:cache", "List or remove what the cache holds."),
    "patch": ("genomelm.commands.patch:patch", "Fit a patcher on a genome and store its patch boundaries."),
    "byte-lm": ("genomelm.commands.byte_lm:byte_lm", "Train the small byte model whose entropies are patch scores."),
    "convert": ("genomelm.commands.convert:convert", "Turn a published checkpoint into a model folder."),
    "estimate": ("genomelm.commands.estimate:estimate", "Print a model's parameters, operations and training memory."),
    "pretrain": ("genomelm.commands.pretrain:pretrain", "Train a language model on a genome."),
    "finetune": ("genomelm.commands.finetune:finetune", "Train a task head on labelled data."),
    "evaluate": ("genomelm.commands.evaluate:evaluate", "Measure a model on held-out data beside baselines."),
    "predict": ("genomelm.commands.predict:predict", "Write a task model's predictions for sequences."),
    "generate": ("genomelm.commands.generate:generate", "Write sequences drawn from a causal language model."),
    "score": ("genomelm.commands.score:score", "Annotate the variants of a VCF with a model's scores."),
    "assay": ("genomelm.commands.assay:assay", "Write a table of measured variants as a VCF."),
    "background": (
        "genomelm.commands.background:background",
        "Score random variants of a reference, for percentiles.",
    ),
    "merge": ("genomelm.commands.merge:merge", "Join the outputs of `genomelm score --shard`."),
    "compare": ("genomelm.commands.compare:compare", "Compare two scored VCFs record by record."),
    "attribute": ("genomelm.commands.attribute:attribute", "Compute per-base attributions over an interval."),
    "bench": ("genomelm.commands.bench:bench", "Measure speeds, and what patching does."),
    "init": ("genomelm.commands.init:init", "Write a directory of your own from which the workflow runs."),
    "plan": ("genomelm.commands.plan:plan", "Print hours, storage and cost of a workflow's run before it starts."),
    "record": ("genomelm.commands.record:record", "Write what a finished run of the workflow was made of."),
    "repeat": ("genomelm.commands.repeat:repeat", "Write a directory that runs a recorded run again."),
    "report": ("genomelm.commands.report:report", "Turn a results folder into one HTML report and a summary."),
}

STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
"""Signals of a scheduler that end a command as Ctrl-C does."""
ECHO_SECONDS = 1.0
"""A second signal within this time is the same one: some senders reach a process by itself and by its group."""

logger = logging.getLogger("genomelm")

BROKEN_PIPE = 128 + signal.SIGPIPE
"""Exit code of a command whose reader went away, as a shell gives it."""


class Verb(TyperCommand):
    """A verb as listed by `genomelm --help`; its real command is imported when it is called."""

    def make_context(self, info_name: str | None, args: list[str], parent: Any = None, **extra: Any) -> Any:
        return load_verb(self.name).make_context(info_name, args, parent=parent, **extra)


class Verbs(TyperGroup):
    """The group of all verbs; an error below it becomes one line and an exit code."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands = {name: Verb(name, help=text, rich_markup_mode="rich") for name, (_, text) in VERBS.items()}

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort, typer.TyperException):
            raise
        except BrokenPipeError:  # who read our output, such as `head`, has enough of it
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is still in the buffer goes nowhere
            raise typer.Exit(BROKEN_PIPE) from None
        except (Exception, KeyboardInterrupt) as error:
            if ctx.params["debug"]:
                traceback.print_exc()
            raise typer.Exit(report_error(error)) from error


@contextlib.contextmanager
def stopped_as_by_ctrl_c() -> Iterator[None]:
    """Inside the block, a signal in STOP_SIGNALS raises KeyboardInterrupt, so that unfinished outputs are removed."""
    last = -math.inf

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        nonlocal last
        before, last = last, time.monotonic()
        if last - before > ECHO_SECONDS:
            raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield
        return
    previous = {number: signal.signal(number, interrupt) for number in STOP_SIGNALS}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def load_verb(name: str) -> Any:
    """Import the function of a verb and return it as a command."""
    module, function = VERBS[name][0].split(":")
    found = getattr(importlib.import_module(module), function)
    if isinstance(found, typer.Typer):  # a verb with verbs of its own
        return typer.main.get_command(found)
    single = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    single.command(name)(found)
    return typer.main.get_command(single)


def report_error(error: BaseException) -> int:
    """Print one line about `error` to stderr and return the exit code that belongs to it."""
    if isinstance(error, KeyboardInterrupt):
        text, code = "interrupted; the same command continues where it can", Interrupted.exit_code
    elif isinstance(error, GenomelmError):
        text, code = str(error), error.exit_code
    elif isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("genomelm"):
        text, code = f"this needs the Python package {error.name!r}, which is not installed; {_remedy(error.name)}", 5
    elif refused := _refused(error):
        text, code = refused, ResourceError.exit_code
    else:
        text = f"unexpected {type(error).__name__}: {error} (run `genomelm --debug ...` for the traceback)"
        code = 1
    typer.secho(f"genomelm: {text}", err=True, fg="red" if code != Interrupted.exit_code else None)
    return code


def _refused(error: BaseException) -> str | None:
    """Return what to say of an error by which the system refuses memory, disk space or access; None of another."""
    import errno

    if isinstance(error, MemoryError):
        return "no memory left: smaller batches or windows take less (or ask for more, where a scheduler gives it)"
    number, file = getattr(error, "errno", None), getattr(error, "filename", None)
    at = f" at {file}" if file else ""
    # Libraries that write files themselves (safetensors, torch, htslib) hand the system's words on without its number.
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
        return f"no disk space left{at}: make room and give the same command again"
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"no permission{at} ({error.strerror}): choose another place, or ask its owner"
    return None


def _remedy(module: str | None) -> str:
    """Return how to install the distribution of a missing module: with the extra that names it, if one does."""
    import re
    from importlib import metadata

    wanted, extras = (module or "").split(".")[0].lower().replace("_", "-"), []
    for requirement in metadata.requires("genomelm") or []:
        name, _, marker = requirement.partition(";")
        extra = re.search(r"extra == ['\"](\w+)['\"]", marker)
        if extra and re.split(r"[<>=!~\[ ]", name.strip())[0].lower().replace("_", "-") == wanted:
            extras.append(extra.group(1))
    if extras:
        return (
            f"pip install 'genomelm[{min(extras, key='dev'.__eq__)}]'"  # that of developers only where no other has it
        )
    return "install genomelm again, with its dependencies"


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib import metadata

        typer.echo(f"genomelm {metadata.version('genomelm')}")
        raise typer.Exit


def _start(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error; allowed after the verb too."),
    quiet: bool = typer.Option(False, "--quiet", "-q", help="Warnings and errors only."),
    version: bool = typer.Option(
        False, "--version", help="Show the version and stop.", callback=_print_version, is_eager=True
    ),
) -> None:
    """Genome language models: train, score variants, explain, report."""
    start_logging(logging.WARNING if quiet else logging.INFO)


def start_logging(level: int) -> None:
    """Send the package's log lines to stderr: stdout belongs to results."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"))
    logger.handlers = [handler]
    logger.setLevel(level)
    logger.propagate = False


app = typer.Typer(
    cls=Verbs,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.callback()(_start)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line; `--debug` may stand anywhere before a `--`."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    if "--debug" in options:
        arguments.remove("--debug")
        arguments.insert(0, "--debug")
    with stopped_as_by_ctrl_c():
        app(args=arguments, prog_name="genomelm")
