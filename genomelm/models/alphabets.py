"""Which alphabet a model reads: its only one, or of several the one that was chosen."""

from collections.abc import Callable, Mapping
from pathlib import Path

import torch

from genomelm.errors import UsageError
from genomelm.models.patcher_check import check_patcher
from genomelm.patching.patcher import Patcher
from genomelm.seq.alphabet import MODALITIES


class ReadsAlphabets:
    """The part of a model that chooses alphabets.

    Attributes:
        patcher: cuts what the model reads; None: patch starts are passed.
    """

    patcher: Patcher | None
    _patchers: Mapping[str, Patcher] = {}  # of models of several alphabets, by alphabet

    @property
    def alphabet(self) -> str:
        """Name of the alphabet that the model reads: its only one, or of several the one that `read` chose."""
        return self.shell.reads if self.reads_several else self.config.shell["alphabet"]

    @property
    def reads_several(self) -> bool:
        """Whether it was made for records of all alphabets (shell.alphabet: mixed)."""
        return self.config.shell["alphabet"] == "mixed"

    def give_patchers(self, patchers: Mapping[str, Patcher]) -> None:
        """Give a model of several alphabets the patchers of some, by alphabet.

        Raises:
            UsageError: a patcher that a model of this objective may not have.
        """
        for patcher in patchers.values():
            check_patcher(patcher, self.objective)
        self._patchers = {**self._patchers, **patchers}

    def read(self, alphabet: str) -> "ReadsAlphabets":
        """Choose what a model of several alphabets reads from now on, with the patcher for it; return the model.

        Raises:
            UsageError: the alphabet is unknown, or not the model's only one, or the model has no patcher for it.
        """
        if alphabet not in MODALITIES:
            raise UsageError(f"alphabet '{alphabet}' is unknown; choose one of {', '.join(MODALITIES)}")
        if not self.reads_several:
            if alphabet != self.alphabet:
                raise UsageError(f"the model reads {self.alphabet}, not {alphabet}: use a model of {alphabet}")
            return self
        if alphabet not in self._patchers:
            known = ", ".join(self._patchers) or "no alphabet"
            raise UsageError(
                f"the model has patchers for {known}, not for {alphabet}: pretrain it with {alphabet} among its sources"
            )
        self.patcher = self._patchers[alphabet]
        self.shell.read(alphabet)
        if self.is_language_model:
            self.head.read(alphabet)
        return self

    def check_modality(self, patch_starts: torch.Tensor | None) -> None:
        """Refuse batches that say which alphabet they are of where the model has one, or where patches are missing.

        Raises:
            UsageError: naming what to change.
        """
        if not self.reads_several:
            raise UsageError(f"the model reads {self.alphabet} alone: give no modality, or use a mixed model")
        if patch_starts is None:
            raise UsageError("records of several alphabets come with their patch starts: pass patch_starts")

    def save_patchers(self, folder: Path) -> None:
        """Write the patchers of the alphabets that are not read just now, to folder/patcher_ALPHABET."""
        for alphabet in set(self._patchers) - {self.alphabet}:
            self._patchers[alphabet].save(folder / f"patcher_{alphabet}")

    def load_patchers(self, folder: Path, load: Callable[[Path], Patcher]) -> None:
        """Take what `save_patchers` wrote, each read by `load`."""
        for alphabet in MODALITIES if self.reads_several else ():
            if (folder / f"patcher_{alphabet}").is_dir():
                self.give_patchers({alphabet: load(folder / f"patcher_{alphabet}")})
