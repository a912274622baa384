"""What `genomelm pretrain` trains on: a data file, or its short form in options."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from genomelm.errors import UsageError

if TYPE_CHECKING:
    import torch

    from genomelm.models.config import Settings
    from genomelm.training.sources import Data

SHORT_FORM = ("--genome", "--patches", "--train-region", "--test-region")


@contextlib.contextmanager
def opened_data(
    file: Path | None,
    short: tuple[Path | None, Path | None, Sequence[str] | None, Sequence[str] | None],
    tracks: tuple[Path | None, Path | None],
    settings: "Settings",
    device: "torch.device",
) -> Iterator["Data"]:
    """Open the sources of a run.

    Args:
        file: data file, or None.
        short: genome, patches, training regions and test regions, instead of a file.
        tracks: codon phases and conservation, of the short form.
        settings: model file: says which tracks are read.
        device: of a patcher's model.

    Raises:
        UsageError: a file beside the short form, or neither.
    """
    from genomelm.commands.model_input import located
    from genomelm.models.config import BranchConfig, PositionConfig
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval, check_apart
    from genomelm.training.data_config import read_data_file
    from genomelm.training.side_tracks import SideTracks
    from genomelm.training.sources import Data, opened

    positions = getattr(settings, "positions", PositionConfig())  # a convolutional network has no such sections
    switches = (positions.codon, getattr(settings, "branches", BranchConfig()).conservation)
    if file is not None:
        given = [name for name, value in zip(SHORT_FORM, short, strict=True) if value]
        given += [name for name, path in zip(("--codon-phase", "--conservation"), tracks, strict=True) if path]
        if given:
            raise UsageError(f"--data names all sources: leave out {', '.join(given)}, which belong into its file")
        with opened(read_data_file(file), *switches, device) as data:
            yield data
        return
    if missing := [name for name, value in zip(SHORT_FORM, short, strict=True) if not value]:
        raise UsageError(f"pretraining needs {', '.join(missing)} (or --data FILE)")
    genome, patches, train, test = short
    training, testing = [Interval.parse(text) for text in train], [Interval.parse(text) for text in test]
    check_apart(testing, training)
    with Genome(genome) as reference:
        for option, texts in (("--train-region", train), ("--test-region", test)):
            for text in texts:
                located(reference, text, option)
    with Genome(genome) as reference, SideTracks(reference, *switches, *tracks) as side:
        yield Data.of_genome(reference, patches, training, testing, side, device)
