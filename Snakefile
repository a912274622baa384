# From a genome and variants to trained models, scores and a report. Every rule calls the `genomelm` command only.
import os
import sys
from pathlib import Path

from snakemake.utils import min_version

from genomelm.commands.workflow_checks import read_workflow_config
from genomelm.commands.workflow_config import any_of, is_unordered
from genomelm.commands.workflow_files import cut_tasks
from genomelm.commands.workflow_resources import megabytes, minutes, size_mb
from genomelm.commands.workflow_shards import records_of, shard_count
from genomelm.errors import UsageError

min_version("9.20")

# The folder of this file, also where another Snakefile imports it as a module (`genomelm init`).
ROOT = workflow.current_basedir.get_path_or_uri(secret_free=True)

# The demo is the default, never a base that another config is merged into.
if not workflow.configfiles:

    configfile: f"{ROOT}/configs/demo.yaml"


# Files that a config names are looked for in the working directory, then beside this Snakefile (--directory).
try:
    FLOW, MANIFEST = read_workflow_config(config, ROOT)
except UsageError as error:
    print(f"genomelm: {error}", file=sys.stderr)
    sys.exit(error.exit_code)

# Jobs find the commands of the environment that runs Snakemake, activated or not; recover.py knows them by the mark.
path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
os.environ.update(PATH=path, GENOMELM_WORKFLOW=os.getcwd())

# Where models run on a GPU, their rules ask the scheduler for one.
GPU = {"gpu": 1} if FLOW.device == "cuda" else {}


pathvars:
    results=FLOW.results,
    logs=f"{FLOW.results}/logs",
    benchmarks=f"{FLOW.results}/benchmarks",


wildcard_constraints:
    patches=any_of(FLOW.patches),
    model=any_of(FLOW.models),
    task=any_of(FLOW.tasks),
    locus=any_of(FLOW.interpret),
    seed="[0-9]+",


include: "workflows/rules/lookup.smk"
include: "workflows/rules/fetch.smk"
include: "workflows/rules/prepare.smk"
include: "workflows/rules/patch.smk"
include: "workflows/rules/train.smk"
include: "workflows/rules/evaluate.smk"
include: "workflows/rules/score.smk"
include: "workflows/rules/interpret.smk"
include: "workflows/rules/report.smk"
include: "workflows/rules/provenance.smk"


rule all:
    default_target: True
    input:
        "<results>/report/report.html",
        "<results>/summary.json",
        "<results>/run.json",
        expand("<results>/models/{model}/report/report.html", model=FLOW.models),
