"""The work that a workflow's config asks for, as jobs with hours: amounts from the config, rates from measurements."""

import functools
import math
import re
from pathlib import Path

from genomelm.commands.plan_cluster import Cluster, Job
from genomelm.commands.plan_rates import CPU, Load, Rate, Rates
from genomelm.commands.workflow_config import WorkflowConfig, is_path
from genomelm.commands.workflow_parts import ModelUse, PatchConfig, ScoreConfig
from genomelm.commands.workflow_resources import PLAIN
from genomelm.commands.workflow_shards import records_of
from genomelm.data.manifest import Manifest
from genomelm.settings import read_config
from genomelm.tasks.config import TaskConfig
from genomelm.training.config import TrainConfig

START = 5.0
"""Seconds that a job takes before it works: imports and reading a model (the demo's jobs: 3 to 6)."""
STARTED = f"measured: about {START:g} s a job, in the demo"
PASSES = 6
"""Times that held-out bases are read: by the whole model, and with each part taken out (the demo: 5 to 7)."""
CLASSES = 113
"""Classes of background variants."""
LENGTH, PATCH = 1024, 8
"""Bases of a window and of a patch, where a config does not say."""


class Work:
    """What a config asks for, on a cluster.

    Args:
        counts: records of a set of variants, or examples of a task, by its name.

    Attributes:
        notes: what the plan leaves out or had to assume, a line each.
    """

    def __init__(
        self, flow: WorkflowConfig, manifest: Manifest, cluster: Cluster, rates: Rates, counts: dict[str, int]
    ) -> None:
        self.flow, self.manifest, self.cluster, self.rates, self.counts = flow, manifest, cluster, rates, counts
        self.gpu = flow.device == "cuda"
        self.device = cluster.gpu if self.gpu else CPU
        self.notes: list[str] = ["queueing, downloads and tries that fail are not in the hours"]
        if flow.device == "auto" and cluster.gpus:
            self.notes.append("the config says device: auto, so no rule asks for a GPU: say device: cuda")

    def jobs(self) -> list[Job]:
        """Return the jobs, in the order of the rules."""
        return [
            *(self._patch(name, use) for name, use in self.flow.patches.items()),
            *(job for name, use in self.flow.models.items() if use.pretrained for job in self._pretrain(name, use)),
            *(job for name in self.flow.tasks for job in self._tasks(name)),
            *(job for name in self.flow.backgrounds for job in self._backgrounds(name)),
            *(job for name in self.flow.scores for job in self._score(name)),
            *(job for name in self.flow.interpret for job in self._attribute(name)),
            *(
                self._job("report_model", name, 5, 1, START, 1, False, "one page", True, STARTED)
                for name in self.flow.models
            ),
        ]

    def memory(self) -> list[str]:
        """Return what training takes of a GPU's memory, a line a model, counted from shapes."""
        if not self.gpu:
            return ["what each rule asks for: mem_mb in `snakemake --dry-run`; the demo's jobs took at most 1 GiB each"]
        found = []
        for name, use in self.flow.models.items():
            if use.pretrained:
                train = self.train(use.train)
                peak = (
                    self._estimate(use.model, None, train.batch_size // train.accumulate, train.window).memory / 2**30
                )
                fits = (
                    "fits"
                    if peak < 0.9 * self.cluster.gpu_gib
                    else "does not fit: more `accumulate`, or smaller windows"
                )
                found.append(f"{name}: training takes about {peak:.1f} of {self.cluster.gpu_gib:g} GiB: {fits}")
        return found or ["scoring halves its batches until they fit"]

    def bases(self, name: str | None) -> int:
        """Return the bases of a genome: of its index, of its assembly, or as many as its size or its regions tell."""
        from genomelm.seq.assemblies import KNOWN
        from genomelm.seq.genome import Genome

        if name is None:
            return 0
        if is_path(name):
            with Genome(name) as genome:
                return sum(genome.contigs.values())
        row = self.manifest.row(name)
        words = row.assembly.lower()
        for assembly, lengths in KNOWN.items():
            if words and words.split(".")[0] in assembly.lower():
                return sum(lengths.values())
        if row.bytes is None:
            self.note(f"{name}: counted as the bases of the config's regions, as the manifest has no size")
            cut = [patches for patches, use in self.flow.patches.items() if self.flow.genome_of(use) == name]
            regions = {
                region for patches in cut for of in (self.flow.train_of, self.flow.test_of) for region in of(patches)
            }
            return sum(map(_length, regions))
        return round(row.bytes * PLAIN)

    def span(self, use: ScoreConfig) -> int:
        """Return the bases that a VCF's variants are spread over: of the chromosome that its name tells, or all."""
        from genomelm.seq.assemblies import KNOWN

        whole = self.bases(self.flow.genome_of(use))
        told = re.search(r"\bchr(\w+)\.", use.variants or "")
        lengths = next((found for found in KNOWN.values() if sum(found.values()) == whole), {})
        return lengths.get(told[1], whole) if told else whole

    def records(self, name: str) -> int:
        """Return the variants of an entry of scores."""
        use = self.flow.scores[name]
        if use.saturate is not None:
            return 3 * _length(use.saturate)
        if name in self.counts:
            return self.counts[name]
        found = records_of(self.flow, name, self.manifest)
        if use.records is None and not is_path(use.variants):
            self.note(f"{name}: {found:,} records, guessed from the file's size; say --count {name}=N")
        return found

    def note(self, text: str) -> None:
        """Keep a note once."""
        if text not in self.notes:
            self.notes.append(text)

    def load(self, name: str) -> Load:
        """Return a model of the config as a load."""
        use = self.flow.models[name]
        found = self._estimate(use.model, use.folder, 1, 8 * LENGTH)
        config = _config_of(use.model, use.folder)
        family = config.model_type.removeprefix("genomelm_")
        objective = config.shell.get("objective", "causal") if isinstance(config.shell, dict) else "causal"
        stem = Path(use.model or use.folder).stem
        return Load(stem, family, objective, found.counts.forward / found.bases, found.counts.step / found.bases)

    def parameters(self, name: str) -> int:
        """Return the parameters of a model of the config."""
        use = self.flow.models[name]
        return self._estimate(use.model, use.folder, 1, 8 * LENGTH).parameters

    def _estimate(self, model: str | None, folder: str | None, batch: int, length: int):
        return _estimated(model, folder, max(1, batch), length, "cuda" if self.gpu else CPU)

    def train(self, path: str) -> TrainConfig:
        """Return a training file."""
        return read_config(TrainConfig, path)

    def _patch(self, name: str, use: PatchConfig) -> Job:
        bases = self.bases(self.flow.genome_of(use))
        mode = {"byte": "entropy", "fixed_stride": "entropy"}.get(use.mode, use.mode)
        rates = [self.rates.plain("patch speed", mode)]
        if use.reads_scores:
            rates += [self.rates.plain("patch speed", f"count model, {what}, threads 1") for what in ("fit", "scores")]
        seconds = START + sum(bases / rate.per_s for rate in rates)
        basis = f"{rates[0].basis}; the BED file and the plot are not in it"
        return self._job("patch", name, 0, 1, seconds, self.flow.threads, False, f"{bases:,} bases", False, basis)

    def _pretrain(self, name: str, use: ModelUse) -> list[Job]:
        train = self.train(use.train)
        bases = (train.steps or 0) * train.batch_size * train.window
        load = self.load(name)
        step = train.batch_size // train.accumulate * train.window
        rate = self.rates.model("training", load, self.device, step, train.compile)
        held = sum(_length(region) for region in self.flow.test_of(use.patches))
        read = self.rates.model("forward", load, self.device, step)
        threads = self.flow.threads
        return [
            self._rated("pretrain", name, 1, 1, bases, "bases", rate, threads),
            self._rated("evaluate_language_model", name, 2, 1, PASSES * held, "bases", read, 1),
        ]

    def _tasks(self, name: str) -> list[Job]:
        use, found = self.flow.tasks[name], []
        train = self.train(use.train)
        seeds = len(self.flow.seeds_of(name))
        steps = train.steps
        if steps is None and name in self.counts:
            steps = math.ceil((train.epochs or 1) * self.counts[name] / train.batch_size)
        if steps is None:
            self.note(f"task {name} is not in the hours: its training file counts epochs; say --count {name}=EXAMPLES")
            return []
        length = read_config(TaskConfig, use.task).window
        if length is None:
            length = LENGTH
            self.note(f"task {name}: examples are counted as {LENGTH:,} bases each")
        for model in use.models:
            rate = self.rates.model("training", self.load(model), self.device, train.batch_size * length, train.compile)
            rule = "train_from_scratch" if model in self.flow.from_scratch() else "finetune"
            bases = seeds * steps * train.batch_size * length
            found.append(self._rated(rule, f"{model} {name}", 2, seeds, bases, "bases", rate, 1))
        return found

    def _backgrounds(self, name: str) -> list[Job]:
        use = self.flow.backgrounds[name]
        pairs = sorted({(s.model, s.task or "") for s in self.flow.scores.values() if s.background == name})
        count = CLASSES * use.per_class
        return [
            self._rated(
                *("background", f"{name} {model}", 3, 1, count, "variants"),
                *(self.rates.scoring(self.load(model), self.device, 1e9, use.width), 1),
            )
            for model, _ in pairs
        ]

    def _score(self, name: str) -> list[Job]:
        use = self.flow.scores[name]
        count = self.records(name)
        bases = _length(use.saturate) if use.saturate else self.span(use)
        rate = self.rates.scoring(self.load(use.model), self.device, bases / max(1, count), use.width)
        if self.gpu:
            self.note(
                "scoring: what the CPU does meanwhile (windows, patches) is not in a GPU's rate, so this is a least"
            )
            text = self.rates.plain("vcf speed", "every allele scored 0, table of scores")
            if text.per_s < rate.per_s:
                rate = Rate(text.per_s, False, f"bound by reading and writing on one core, {text.basis}; {rate.basis}")
        jobs = max(1, math.ceil(count / (use.shard_size or self.flow.shard_size)))
        rule = "score_saturation" if use.saturate else "score_shard" if jobs > 1 else "score_variants"
        found = [self._rated(rule, name, 3, jobs, count, "variants", rate, 1)]
        if jobs > 1:
            text = self.rates.plain("vcf speed", "nothing to score")
            found.append(self._rated("merge_scores", name, 4, 1, count, "records", text, 1, gpu=False))
        return found

    def _attribute(self, name: str) -> list[Job]:
        use = self.flow.interpret[name]
        if use.interval is None:
            count = self.counts.get(name)
            if count is None or use.width is None:
                self.note(f"{name} is not in the hours: say --count {name}=REGIONS (and a width in the config)")
                return []
            length = use.width
        else:
            count, length = 1, _length(use.interval)
        models = len(self.flow.folders(use.model, use.task))
        bases = count * models * 2 * 3 * length * length
        rate = self.rates.model("forward", self.load(use.model), self.device, 1)
        rule = "attribute" if use.interval else "attribute_regions"
        self.note("attributions: every substitution of a window read once for each model, and as much again for checks")
        return [self._rated(rule, name, 4, 1, bases, "bases", rate, 1)]

    def _rated(
        self,
        rule: str,
        name: str,
        stage: int,
        jobs: int,
        amount: int,
        unit: str,
        rate: Rate,
        threads: int,
        gpu: bool | None = None,
    ) -> Job:
        seconds = START + amount / jobs / rate.per_s
        on_gpu = self.gpu if gpu is None else gpu
        return self._job(
            rule, name, stage, jobs, seconds, threads, on_gpu, f"{amount:,} {unit}", rate.measured, rate.basis
        )

    def _job(self, rule, name, stage, jobs, seconds, threads, gpu, amount, measured, basis) -> Job:
        return Job(rule, name, stage, jobs, seconds / 3600, threads, gpu, amount, measured, basis)


@functools.lru_cache(maxsize=64)
def _estimated(model: str | None, folder: str | None, batch: int, length: int, device: str):
    """Return the estimate of a model at a shape; the same shape is counted once."""
    import torch

    from genomelm.models.estimate import estimate

    dtype = torch.float32 if device == CPU else torch.bfloat16
    return estimate(_config_of(model, folder), batch, length, PATCH, dtype, device)


def _config_of(model: str | None, folder: str | None):
    from genomelm.models.config import read_model_file
    from genomelm.models.families import config_of
    from genomelm.models.loading import read_config

    return config_of(read_model_file(model)) if model else read_config(Path(folder))


def _length(region: str) -> int:
    from genomelm.seq.interval import Interval

    return len(Interval.parse(region))
