"""Finished pieces of a run, kept on disk so that one which was stopped goes on where it was."""

import itertools
import logging
import shutil
import urllib.parse
import zipfile
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path

import numpy as np

from genomelm.errors import IntegrityError, UsageError
from genomelm.files import atomic_path, read_json, write_json

log = logging.getLogger(__name__)

_RUN = "run.json"


class Kept:
    """Arrays by name, in a folder. What a stopped run with the same `run` left there is used.

    Args:
        folder: made when it is not there.
        run: what decides the arrays, with this release of genomelm.
        resume: refuse pieces of another run; otherwise they are set aside in a folder FOLDER.1, FOLDER.2, ...

    Raises:
        UsageError: `resume`, and the pieces are another run's.
    """

    def __init__(self, folder: Path, run: Mapping[str, object], resume: bool) -> None:
        self.folder = folder
        run = {"genomelm": metadata.version("genomelm"), **run}
        if (folder / _RUN).exists():
            before = read_json(folder / _RUN)
            different = ", ".join(sorted(key for key in {*before, *run} if before.get(key) != run.get(key)))
            if different and resume:
                raise UsageError(
                    f"{folder} holds parts of a run with another {different}: give the options and the files of that "
                    "run again, or leave --resume out to set them aside and begin anew"
                )
            if different:
                aside = _free(folder)
                folder.rename(aside)
                log.warning("%s held parts of a run with another %s: set aside as %s", folder, different, aside)
            else:
                log.warning("goes on behind what a stopped run left in %s", folder)
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / _RUN, run)

    def array(self, name: str, make: Callable[[], np.ndarray]) -> np.ndarray:
        """Return the array of this name, or what `make` gives, which is then kept."""
        return self.arrays(name, lambda: {"array": np.asarray(make())})["array"]

    def arrays(self, name: str, make: Callable[[], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
        """Return several arrays that were kept together, as `array` does.

        Raises:
            IntegrityError: the file is damaged.
        """
        path = self._path(name)
        if not path.exists():
            found = dict(make())
            with atomic_path(path) as temporary, open(temporary, "wb") as stream:
                np.savez(stream, **found)
            return found
        try:
            with np.load(path, allow_pickle=False) as stored:
                return {key: stored[key] for key in stored.files}
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            raise IntegrityError(f"{path} is damaged ({error}): remove it and give the same command again") from None

    def has(self, name: str) -> bool:
        """Whether something of this name was kept."""
        return self._path(name).exists()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{urllib.parse.quote(name, safe='')}.npz"


def _free(folder: Path) -> Path:
    """Return the first of FOLDER.1, FOLDER.2, ... that is not there."""
    return next(path for n in itertools.count(1) if not (path := folder.with_name(f"{folder.name}.{n}")).exists())
