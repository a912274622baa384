"""GenomeModel: one backbone in the byte-latent shell, one head; a transformers PreTrainedModel."""

import copy
import difflib
import functools
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch.utils.checkpoint import checkpoint
from transformers import PreTrainedModel
from transformers.utils import ModelOutput
from transformers.utils import logging as progress

from genomelm.errors import InputError, UsageError
from genomelm.models.alphabets import ReadsAlphabets
from genomelm.models.config import LANGUAGE_HEADS
from genomelm.models.encoding import starts_of_rows
from genomelm.models.families import GenomeConfig
from genomelm.models.geometry import Patches
from genomelm.models.heads import make_head
from genomelm.models.inputs import ByteInputs
from genomelm.models.patcher_check import check_patcher
from genomelm.models.sampling import Sampling
from genomelm.models.strands import moved, other_places, turned_ids
from genomelm.models.trunk import make_trunk
from genomelm.patching.patcher import Patcher
from genomelm.settings import from_mapping


@dataclass
class GenomeModelOutput(ModelOutput):
    """Output of a forward pass.

    Attributes:
        loss: scalar, when labels were given.
        logits: (b, l, v) for language models, (b, l, n) for heads of bases, (b, n) for sequence heads, (n, outputs)
            for variant effects; of several tasks, each task's by its name.
        hidden_states: byte states (b, l, d); of a conjoined model those of both strands beside each other (b, l, 2d).
    """

    loss: torch.Tensor | None = None
    logits: torch.Tensor | dict[str, torch.Tensor] | None = None
    hidden_states: torch.Tensor | None = None


class GenomeModel(ReadsAlphabets, PreTrainedModel):
    """Backbone in the shell, and a head. Subclasses only fix the family and the head's kind."""

    config_class = GenomeConfig
    base_model_prefix = "shell"
    main_input_name = "input_ids"
    head_kind = "causal_lm"
    accepts_loss_kwargs = False  # transformers' Trainer then adds no argument of its own
    supports_gradient_checkpointing = True  # of the backbone's blocks

    def __init__(self, config: GenomeConfig, patcher: Patcher | None = None) -> None:
        """Build a model with fresh weights.

        Raises:
            UsageError: a language head of the other objective, a patcher that a masked model may not have, or a
                config of one task for several, or of several for one; or codon phases for a conjoined model.
        """
        config = copy.deepcopy(config)
        if ("tasks" in config.head) != (self.head_kind == "multi_task"):
            raise UsageError(
                f"a head of kind {self.head_kind} is wanted, and the config's is {config.head['kind']}: give a "
                "config with head.tasks to the classes for multi-task models, and to them alone"
            )
        config.head = {**config.head, "kind": self.head_kind}
        super().__init__(config)
        shell = config.section("shell")
        if patcher is not None:
            check_patcher(patcher, shell.objective)
        self.shell = make_trunk(config)
        self.head = make_head(shell, config.section("head"))
        self.patcher = patcher
        self.post_init()
        if self.reads_several and patcher is not None:
            self.give_patchers({patcher.config.alphabet: patcher})
            self.read(patcher.config.alphabet)

    def _set_gradient_checkpointing(self, enable: bool = True, gradient_checkpointing_func=checkpoint, **more) -> None:
        """Let blocks run again in the backward pass; not the reentrant way, which would lose the losses of merging."""
        run = functools.partial(gradient_checkpointing_func, use_reentrant=False)
        super()._set_gradient_checkpointing(enable, run, **more)

    def _init_weights(self, module: torch.nn.Module) -> None:
        """Leave initialisation to the modules: each fills its own parameters when it is made."""

    @property
    def objective(self) -> str:
        """What its shell was made for: causal (a byte sees those before it) or masked (it sees both sides)."""
        return self.config.shell["objective"]

    @property
    def is_language_model(self) -> bool:
        """Whether its head predicts letters."""
        return self.head_kind in LANGUAGE_HEADS.values()

    @property
    def is_conjoined(self) -> bool:
        """Whether its outputs are the mean over both strands, so that a second pass would add nothing."""
        return self.config.shell.get("conjoined", False)

    @property
    def side_inputs(self) -> tuple[str, ...]:
        """Names of the inputs that it reads of a genome besides the bases."""
        switches = {"codon_phase": ("positions", "codon"), "conservation": ("branches", "conservation")}
        sections = self.config.to_dict()
        return tuple(name for name, (section, key) in switches.items() if sections.get(section, {}).get(key))

    @property
    def gives_bases(self) -> bool:
        """Whether its task head gives each base an output: labels, or a track."""
        return self.head_kind == "token_classification" or self.config.head.get("per_base", False)

    @property
    def tasks(self) -> tuple[str, ...]:
        """Names of a multi-task model's tasks; none of the other models."""
        return tuple(self.config.head.get("tasks", ()))

    def for_task(self, task: str | None) -> "GenomeModel":
        """Return the model of one of a multi-task model's tasks; it shares the weights. None: of the only one.

        Raises:
            UsageError: there is no such task, or None of several.
        """
        known = ", ".join(self.tasks) or "a single head"
        if task is None and self.tasks:
            raise UsageError(f"the model has several tasks ({known}): choose one, by --task or model.for_task")
        if task is None:
            return self
        if task not in self.tasks:
            raise UsageError(f"the model has no task '{task}'; it has {known}")
        from genomelm.models.classes import CLASSES

        config = copy.deepcopy(self.config)
        config.head = {**config.head["tasks"][task], "task": config.head["tasks"][task]["task"] or task}
        with torch.random.fork_rng(devices=[]), torch.device("meta"):
            model = CLASSES[config.model_type, config.head["kind"]](config, self.patcher)
        model.shell, model.head = self.shell, self.head.head(task)
        return model.train(self.training)

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        labels: torch.Tensor | Mapping[str, torch.Tensor] | None = None,
        patch_starts: torch.Tensor | None = None,
        patch_starts_reverse: torch.Tensor | None = None,
        letters: torch.Tensor | None = None,
        codon_phase: torch.Tensor | None = None,
        conservation: torch.Tensor | None = None,
        records: torch.Tensor | None = None,
        modality: torch.Tensor | None = None,
        weights: torch.Tensor | None = None,
        references: int | None = None,
        return_logits: bool = True,
        task: str | None = None,
        return_dict: bool | None = None,
        **unknown: object,
    ) -> GenomeModelOutput | tuple:
        """Run the model.

        Args:
            input_ids: (b, l) int64; BOS first, then bases, right-padded with PAD.
            attention_mask: (b, l), 0 at padding; None means no padding.
            labels: causal language model: (b, l) ids, compared one byte later; masked: (b, l) ids of the hidden
                bytes; token heads: (b, l); -100 is left out. Tracks: (b, l) or (b, l, n), NaN is left out. Sequence
                heads: (b,) or (b, n). Variant effects: one an alternate row. Several tasks: those of each by its
                name, or those of `task`.
            patch_starts: (b, l+1) bool; None asks the model's patcher.
            patch_starts_reverse: the same of the rows' reverse complements; conjoined models need both or neither.
            letters: (b, l, a+1) weights of the alphabet's columns, read in place of the ids where those are
                letters, for attribution.
            codon_phase: (b, l) int64, 0, 1 or 2, and 3 where there is none; None: none anywhere.
            conservation: (b, l) float32, a track's values, NaN where it has none; None: none anywhere.
            records: (b, l) int64, number of the record that each byte of a packed row belongs to, -1 at padding;
                None: a record a row.
            modality: (b, l) int64, models of several alphabets: that of each byte's record, by its number in
                seq.alphabet.MODALITIES; None: the alphabet that the model reads (`read`).
            weights: (b, l) float32, language models: weights of the labels in the loss; None: all the same.
            references: variant effects: how many of the first rows are reference alleles, 1 (shared by all
                others) or half of the rows (the default).
            return_logits: False spares the full vocabulary in training.
            task: of several tasks the only one to run; None: those that have labels, or all.
            return_dict: False gives a tuple of what is not None.

        Returns:
            Loss (with labels), logits (float; regression: in the labels' units) and byte states.

        Raises:
            UsageError: no patch starts were given, and the model has no patcher; or an argument is not known, or not
                of this kind of model.
            InputError: the mask has padding before a byte.
        """
        if unknown:
            raise UsageError(_not_known(next(iter(unknown))))
        mask = None if attention_mask is None else attention_mask.bool()
        if records is not None:
            self._check_packed(patch_starts)
            mask = records >= 0
        if (patch_starts_reverse is not None) != (self.is_conjoined and patch_starts is not None):
            raise UsageError(
                "a conjoined model reads both strands, and needs patch_starts and patch_starts_reverse, or neither"
                if self.is_conjoined
                else "patch_starts_reverse is for conjoined models, and this one reads one strand: leave it out"
            )
        if modality is not None:
            self.check_modality(patch_starts)
        places = other_places(input_ids, mask) if self.is_conjoined else None
        if patch_starts is None:
            patch_starts = self.patch_starts(input_ids, mask)
            if places is not None:
                patch_starts_reverse = self.patch_starts(turned_ids(input_ids, places), mask)
        for starts in (patch_starts, *([] if patch_starts_reverse is None else [patch_starts_reverse])):
            if input_ids.dim() != 2 or 0 in input_ids.shape or starts.shape != (len(input_ids), input_ids.shape[1] + 1):
                raise InputError(
                    f"patch starts have shape {tuple(starts.shape)}, and ids {tuple(input_ids.shape)}: give ids (b, l) "
                    "of at least one byte, and flags (b, l+1)"
                )
        inputs = ByteInputs(input_ids, mask, patch_starts, letters, codon_phase, conservation, records, modality)
        losses: list[torch.Tensor] = []  # of the backbone, in training mode
        if places is None:
            states = self._states(inputs, losses)
        else:
            here, there = self._states(inputs.with_other_strand(patch_starts_reverse, places), losses).chunk(2)
            states = torch.cat([here, moved(there, places)], -1)
        read: dict[str, object] = {}
        if self.head_kind in ("variant_effect", "multi_task"):
            read["references"] = references or len(input_ids) // 2
        asked: dict[str, object] = {}  # of the loss alone
        if self.is_language_model:
            asked = {"modality": modality, "weights": weights}
        elif weights is not None:
            raise UsageError("weights are of a language model's labels: leave them out")
        if self.head_kind == "multi_task":
            labels, read["tasks"] = self.head.chosen(labels, task)
        elif task is not None:
            raise UsageError(f"task is '{task}', but the model has a single head: leave it out")
        loss = None
        if labels is not None:
            loss = sum(losses, self.head.loss(states, input_ids, mask, labels, **read, **asked))
        logits = self.head(states, input_ids, mask, **read) if return_logits else None
        output = GenomeModelOutput(loss=loss, logits=logits, hidden_states=states)
        return output.to_tuple() if return_dict is False else output

    def _states(self, inputs: ByteInputs, losses: list[torch.Tensor]) -> torch.Tensor:
        """Return the byte states (b, l, d) of rows as they are read."""
        ahead = None if self.objective == "causal" else (self.config.shell.get("window", 1) - 1) // 2
        patches = Patches.from_starts(inputs.starts, inputs.mask, ahead, inputs.records)
        given = (inputs.letters, inputs.codon_phase, inputs.conservation)
        told = {} if inputs.modality is None else {"modality": inputs.modality}
        return self.shell(inputs.ids, patches, *given, losses=losses, **told)

    def _check_packed(self, patch_starts: torch.Tensor | None) -> None:
        if self.is_conjoined:
            raise UsageError("a conjoined model turns rows around as a whole: give it a record a row, not packed ones")
        if patch_starts is None:
            raise UsageError("packed rows come with their patch starts: make the batch with models.encoding.pack")
        if not (self.is_language_model or self.gives_bases):
            raise UsageError(
                f"a head of kind {self.head_kind} has one output a row: give it a record a row, not packed ones"
            )

    def patch_starts(self, input_ids: torch.Tensor, mask: torch.Tensor | None = None) -> torch.Tensor:
        """Segment a batch with the model's patcher: (b, l+1) bool.

        A leading BOS is a patch of its own, and the record's first base starts the next one.

        Raises:
            UsageError: the model has no patcher.
        """
        if self.patcher is None:
            raise UsageError("this model has no patcher: pass patch_starts, or load it with genomelm.load_model")
        return starts_of_rows(self.patcher, input_ids, mask)

    def generate(
        self, input_ids: torch.Tensor | None = None, n_bases: int = 100, *, count: int = 1, seed: int = 0, **controls
    ) -> torch.Tensor:
        """Continue each row by letters that a causal language model draws.

        Args:
            input_ids: (b, l) int64 without padding, with or without BOS in front; None: from a record's start.
            n_bases: letters to draw.
            count: continuations of each row.
            seed: of the draws.
            controls: temperature, top_k, top_p, repeat_penalty and repeat_k (models/sampling.py).

        Returns:
            (b * count, l + n_bases) int64, the rows with their continuations behind them.

        Raises:
            UsageError: the model has no next letter to draw (models/generation.py), or an unknown control.
        """
        from genomelm.models.generation import generate_rows

        sampling = from_mapping(Sampling, controls, source="generate")
        return generate_rows(self, input_ids, n_bases, sampling, count, seed)

    @classmethod
    def from_pretrained(cls, path: str | Path, *_args, **_options) -> "GenomeModel":
        """Load through genomelm's own checks (models/loading.py); transformers' options do not apply.

        Raises:
            UsageError: the checkpoint holds another class of model.
        """
        from genomelm.models.loading import load_model

        model = load_model(path)
        if not isinstance(model, cls):
            raise UsageError(f"{path} holds a {type(model).__name__}, not a {cls.__name__}")
        return model

    def save_pretrained(self, save_directory: str | Path, **options) -> None:
        """Write config.json, model.safetensors and the patcher's files."""
        shown = progress.is_progress_bar_enabled()
        progress.disable_progress_bar()  # one file is written, in a moment
        try:
            super().save_pretrained(save_directory, **options)
        finally:
            if shown:
                progress.enable_progress_bar()
        if self.patcher is not None:
            self.patcher.save(Path(save_directory) / "patcher")
        self.save_patchers(Path(save_directory))


def _not_known(name: str) -> str:
    """Return the message for an argument that forward does not have."""
    known = [n for n in inspect.signature(GenomeModel.forward).parameters if n not in ("self", "unknown")]
    near = difflib.get_close_matches(name, known, n=1)
    return f"forward has no argument '{name}'; " + (
        f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}"
    )
