"""Windows side by side over a genome, inside the regions of the splits."""

from collections.abc import Callable, Iterable

from genomelm.errors import InputError
from genomelm.runtime import counter_seed
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.tasks.config import TaskConfig
from genomelm.tasks.examples import SPLITS
from genomelm.tasks.regions import HeldOut


def tiled(
    contigs: Iterable[str],
    genome: Genome,
    task: TaskConfig,
    width: int,
    wanted: Callable[[Interval], bool] | None = None,
) -> list[tuple[str, Interval]]:
    """Return the split and place of neighbouring windows: first those of training, then validation and test.

    Where a split has more than `task.windows` of them, a counter hash chooses, so the same files give the same windows.

    Args:
        contigs: of the genome, to be tiled.
        width: bases a window.
        wanted: which windows may be chosen; None: all.

    Raises:
        InputError: no window fits.
    """
    held, windows = HeldOut(task.split, genome), {split: [] for split in SPLITS}
    for contig in contigs:
        for split, region in held.of_contig(contig):
            starts = range(region.start, region.end - width + 1, width)
            windows[split] += [Interval(contig, start, start + width) for start in starts]
    if not any(windows.values()):
        raise InputError(f"no window of {width} bases fits into {genome.path}: set a shorter window")
    if wanted is not None:
        windows = {split: [window for window in found if wanted(window)] for split, found in windows.items()}
    return [(split, window) for split in SPLITS for window in thinned(windows[split], task.windows, "tokens")]


def thinned(windows: list[Interval], most: int, name: str) -> list[Interval]:
    """Return the windows, or `most` of them as a counter hash of `name` and their places chooses, sorted."""
    if len(windows) <= most:
        return windows
    return sorted(sorted(windows, key=lambda w: counter_seed(name, w.contig, w.start))[:most])
