"""What a shell reads of a batch, and the same with the other strand's rows below."""

from dataclasses import dataclass

import torch

from genomelm.models.strands import moved, turned_ids


@dataclass(frozen=True)
class ByteInputs:
    """A batch as a shell reads it.

    Attributes:
        ids: (b, l) int64.
        mask: (b, l) bool, False at padding; None means no padding.
        starts: (b, l+1) bool, patch starts.
        letters: (b, l, a+1) weights of the alphabet's columns, or None.
        codon_phase: (b, l) int64, place in the codon of the strand that is read, 3 where there is none, or None.
        conservation: (b, l) float32, values of a track, or None.
        records: (b, l) int64, record of each byte of a packed row, or None.
        modality: (b, l) int64, number of the alphabet of each byte's record, or None.
    """

    ids: torch.Tensor
    mask: torch.Tensor | None
    starts: torch.Tensor
    letters: torch.Tensor | None = None
    codon_phase: torch.Tensor | None = None
    conservation: torch.Tensor | None = None
    records: torch.Tensor | None = None
    modality: torch.Tensor | None = None

    def with_other_strand(self, reverse: torch.Tensor, places: torch.Tensor) -> "ByteInputs":
        """Return a batch of twice the rows: these, then their reverse complements.

        A DNA letter's weight goes to its complement, and a track has the same values on both strands. Codon phases are
        of one strand, and say nothing of the other: a conjoined model has none.

        Args:
            reverse: (b, l+1) bool, patch starts of the reverse complements.
            places: (b, l) int64, of each byte on the other strand.
        """
        letters = None if self.letters is None else self.letters[..., [3, 2, 1, 0, 4]]  # ACGTN -> TGCAN

        def below(mine: torch.Tensor | None, theirs: torch.Tensor | None) -> torch.Tensor | None:
            return None if mine is None or theirs is None else torch.cat([mine, moved(theirs, places)])

        return ByteInputs(
            torch.cat([self.ids, turned_ids(self.ids, places)]),
            below(self.mask, self.mask),
            torch.cat([self.starts, reverse]),
            below(self.letters, letters),
            below(self.codon_phase, self.codon_phase),  # which the shell refuses
            below(self.conservation, self.conservation),
        )
