"""Error classes. Each carries the exit code that the command line returns for it."""

from collections.abc import Sequence


class GenomelmError(Exception):
    """An error that a user can act on: the message names the thing, the value and the fix."""

    exit_code = 1


class UsageError(GenomelmError):
    """A wrong option, config value or checkpoint format (exit 2)."""

    exit_code = 2


class InputError(GenomelmError, ValueError):
    """An input file or value that cannot be used (exit 3)."""

    exit_code = 3


class AssemblyError(GenomelmError):
    """Variants and reference disagree: most likely another assembly (exit 4)."""

    exit_code = 4


class ResourceError(GenomelmError):
    """A device or memory that was asked for is not there (exit 5)."""

    exit_code = 5


class IntegrityError(GenomelmError):
    """A digest, a format or a security check failed (exit 6)."""

    exit_code = 6


class NumericalError(GenomelmError):
    """NaN or Inf where numbers were needed (exit 7)."""

    exit_code = 7


class Interrupted(GenomelmError):
    """Stopped by a signal or a time budget; the same command continues (exit 75)."""

    exit_code = 75


def raise_all(faults: Sequence[InputError]) -> None:
    """Raise the faults that were collected, several as one error with a line or more each; nothing where none is.

    Raises:
        InputError: there are any.
    """
    if len(faults) == 1:
        raise faults[0]
    if faults:
        raise InputError("\n".join(map(str, faults)))
