"""With this folder on PYTHONPATH, what `genomelm` writes comes into view some seconds after it ended.

So a slow shared file system looks from another machine. Files are renamed at the program's end, and named back by a
process that goes on without it.
"""

import atexit
import subprocess
import sys
from pathlib import Path

SECONDS = 8  # a job waits for its outputs itself: five, where it is told 0


def hide(output: Path) -> None:
    """Take an output away for some seconds."""
    if output.exists():
        aside = output.with_name(f".{output.name}.late")
        output.rename(aside)
        back = ["sh", "-c", 'sleep "$1"; mv "$2" "$3"', "sh", str(SECONDS), str(aside), str(output)]
        subprocess.Popen(back, start_new_session=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)


if Path([*sys.orig_argv, "", ""][1]).name == "genomelm" and "-o" in sys.argv:
    atexit.register(hide, Path(sys.argv[sys.argv.index("-o") + 1]).resolve())
