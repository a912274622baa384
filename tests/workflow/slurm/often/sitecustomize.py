"""With this folder on PYTHONPATH, Snakemake asks Slurm for the state of its jobs every second.

Its executor waits 1, 11, 21, ... seconds between looks that find no ended job, and no option bounds that: jobs of ten
seconds would be waited for longer than they run. Nothing else is changed, and no process but Snakemake's own.
"""

import asyncio
import sys
from pathlib import Path

SECONDS = 1


async def wait(executor: object) -> None:
    """Take the place of RemoteExecutor.sleep."""
    await asyncio.sleep(SECONDS)


if Path([*sys.orig_argv, "", ""][1]).name == "snakemake":
    from snakemake_interface_executor_plugins.executors.remote import RemoteExecutor

    RemoteExecutor.sleep = wait
