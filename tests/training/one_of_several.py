"""One process of a training run on several: run as a script, with torchrun's environment.

  one_of_several.py GENOME PATCHES FOLDER RUN...     a RUN is name:setting=value,setting=value

Besides settings of a training file: family=gryphon; killed=RANK, the process that is to get a signal; broken=RANK, the
process whose loss is NaN in the sixth step.
"""

import dataclasses
import json
import logging
import math
import os
import signal
import sys
from pathlib import Path

import torch
import yaml
from safetensors.torch import save_file
from small_runs import CPU, QUICK, SETTINGS

from genomelm.errors import GenomelmError
from genomelm.models.language_head import ByteLMHead
from genomelm.runtime import processes
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.training.pretrain import pretrain
from genomelm.training.windows import GenomeWindows

MANY = dataclasses.replace(QUICK, batch_size=4, checkpoint_minutes=60.0, clip=0.5)


def main(genome: str, patches: str, folder: str, *runs: str) -> None:
    torch.set_num_threads(1)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO)
    rank, _ = processes()
    original, loss_of = GenomeWindows.random_batch, ByteLMHead.loss_of
    for text in runs:
        name, _, changes = text.partition(":")
        values = dict(part.split("=") for part in changes.split(",") if part)
        family = values.pop("family", "hyena_glt")
        killed, broken = values.pop("killed", None), values.pop("broken", None)
        config = dataclasses.replace(MANY, **{key: yaml.safe_load(value) for key, value in values.items()})
        calls = []

        def counted(self, *arguments, calls=calls, killed=killed, **options):
            calls.append(arguments)
            if killed and len(calls) == 5 and rank == int(killed):
                os.kill(os.getpid(), signal.SIGUSR1)
            return original(self, *arguments, **options)

        def lost(self, raw, labels, calls=calls, broken=broken, **more):
            loss = loss_of(self, raw, labels, **more)
            return loss * math.nan if broken and len(calls) == 6 and rank == int(broken) else loss

        GenomeWindows.random_batch, ByteLMHead.loss_of = counted, lost
        end = {"code": 0, "log": []}
        regions = [Interval("c", 0, 9000)], [Interval("c", 9000, 12000)]
        with Genome(genome) as reference:
            try:
                state = Path(folder) / f"{name}.state"
                model, end["log"] = pretrain(reference, Path(patches), SETTINGS[family], config, *regions, state, CPU)
                save_file(
                    {key: x.contiguous() for key, x in model.state_dict().items()},
                    Path(folder) / f"{name}.{rank}.safetensors",
                )
            except GenomelmError as error:
                end |= {"code": error.exit_code, "text": str(error)}
        said = f"{name}.cut" if killed else name
        (Path(folder) / f"{said}.{rank}.json").write_text(json.dumps(end))


if __name__ == "__main__":
    main(*sys.argv[1:])
