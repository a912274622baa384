"""What can be known of a run before its data is read, which may take minutes."""

from pathlib import Path

from genomelm.errors import UsageError
from genomelm.files import check_no_file, read_json
from genomelm.runtime import processes
from genomelm.training.config import TrainConfig
from genomelm.training.log_files import event_writer
from genomelm.training.parts import share


def check_beforehand(config: TrainConfig, out: Path, overwrite: bool) -> None:
    """Refuse a run that could not begin, or whose folder holds a finished one.

    Args:
        config: training file.
        out: folder of the run.
        overwrite: whether a finished run there may be trained anew.

    Raises:
        UsageError: the folder's name is a file's, a finished run is there, the rows of a step cannot be shared out
            among micro-batches and processes, or TensorBoard is wanted and missing.
    """
    check_no_file(out)
    if (out / "metrics.json").is_file() and not overwrite:
        date = read_json(out / "metrics.json").get("provenance", {}).get("date", "an unknown date")
        raise UsageError(
            f"{out} holds the finished run of {date}: give --overwrite to train it anew, or another folder to -o"
        )
    share(config.batch_size, 0, processes()[1] * config.accumulate)
    if config.tensorboard:
        event_writer()
