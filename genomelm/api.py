"""The Python interface: one short function a task; the command of the same name does the same to files."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from genomelm.errors import InputError, UsageError
from genomelm.interpret.attribution import deletions
from genomelm.interpret.inputs import Given, sequences_of
from genomelm.interpret.ism import letters_of, one_hot
from genomelm.interpret.region_model import region_model
from genomelm.models.generation import generate as continued
from genomelm.models.loading import load_model as load_checkpoint
from genomelm.models.model import GenomeModel
from genomelm.models.published import PublishedModel, load_published
from genomelm.models.published_folder import is_published
from genomelm.models.sampling import Sampling
from genomelm.patching.patcher import Patcher
from genomelm.runtime import choose_device
from genomelm.scoring.allele_scorer import parts_of
from genomelm.scoring.alleles import Window, read_alone
from genomelm.scoring.assay_window import check_assay_window
from genomelm.scoring.forward import batch_of, read_windows
from genomelm.scoring.masked import hidden_logits, read_strided
from genomelm.scoring.predictions import log_likelihoods, task_outputs
from genomelm.scoring.scorer import WIDTH, scorer_for
from genomelm.seq.alphabet import ALPHABETS, check_letters, decode, encode
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval
from genomelm.seq.variant import Variant
from genomelm.seq.vcf import VcfReader, name_of, position
from genomelm.seq.window import SCORED
from genomelm.settings import from_mapping

__all__ = [
    "attribute",
    "base_logits",
    "decode",
    "embed",
    "encode",
    "generate",
    "load_model",
    "log_likelihood",
    "predict",
    "saturate",
    "score_variants",
    "segment",
]


def load_model(path: str | Path, device: str = "auto", alphabet: str | None = None) -> GenomeModel | PublishedModel:
    """Load a model directory in eval mode, with its patcher.

    A directory of transformers' own (a causal or masked model with its tokeniser, safetensors) gives a PublishedModel,
    which `log_likelihood`, `score_variants` and `saturate` take.

    Args:
        path: directory with config.json, model.safetensors and patcher/.
        device: auto, cpu, cuda or tpu.
        alphabet: dna, rna or protein, what a model of several is to read; None: that of its patcher.
    """
    load = load_published if is_published(path) else load_checkpoint
    return load(path, choose_device(device), alphabet)


def segment(sequences: Sequence[str], patcher: Patcher) -> list[np.ndarray]:
    """Return the patch starts of each sequence, int64 (p,)."""
    return patcher.segment_many(encode(sequence, patcher.config.alphabet) for sequence in sequences)


def base_logits(model: GenomeModel, sequences: Sequence[str]) -> list[np.ndarray]:
    """Return one float32 (l, a) array a sequence; columns are the alphabet's (DNA: ACGTN).

    Causal models: row i predicts base i+1. Masked models: row i is base i, itself hidden.
    """
    if not model.is_language_model:
        raise UsageError(f"this needs a language model; the model's head is {model.head_kind}")
    windows, letters = _windows(model, sequences), ALPHABETS[model.alphabet].columns
    if model.objective == "masked":
        return read_strided(model, windows, hidden_logits)

    def read(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
        found = model(**batch_of(model, windows).inputs()).logits[..., encode(letters, model.alphabet)]
        return [row[1 : 1 + len(w.ids)] for row, w in zip(found.float().cpu().numpy(), windows, strict=True)]

    return read_windows(model, windows, read)


def log_likelihood(model: GenomeModel, sequences: Sequence[str], strands: str = "model") -> np.ndarray:
    """Return log p(sequence) in nats, float64 (n,); N is left out.

    Causal models: the first base is given BOS. Masked models: the pseudo-likelihood, the sum over the bases of
    log p(base | bases that are not hidden with it), with every seventh base hidden at a time.

    Args:
        strands: both (the mean of both readings), forward (as written), or model, which is forward here.
    """
    _check(model, sequences)
    return log_likelihoods(model, sequences, strands)


def embed(model: GenomeModel, sequences: Sequence[str], per_base: bool = False) -> np.ndarray | list[np.ndarray]:
    """Return the mean byte state of each sequence, float32 (n, d), or with `per_base` one (l, d) a sequence.

    A conjoined model's states are the means over both strands.
    """
    _check(model, sequences)
    _check_ours(model)
    width = model.config.shell["local_width"]

    def read(model: GenomeModel, windows: Sequence[Window]) -> list[np.ndarray]:
        batch = batch_of(model, windows)
        found = model(**batch.inputs(), return_logits=False).hidden_states.float().cpu().numpy()
        found = found.reshape(*found.shape[:2], -1, width).mean(2)  # a conjoined model's strands stand side by side
        return [row[1 : 1 + len(window.ids)] for row, window in zip(found, windows, strict=True)]

    states = read_windows(model, _windows(model, sequences), read)
    if per_base:
        return states
    for number, state in enumerate(states):
        if len(state) == 0:
            raise InputError(f"sequence {number} is empty: it has no mean; leave it out")
    return np.stack([state.mean(0) for state in states]) if states else np.zeros((0, width))


def predict(model: GenomeModel, sequences: Sequence[str], strands: str = "model") -> np.ndarray | list[np.ndarray]:
    """Return a task head's outputs: the labels' unit for numbers, logits for classes.

    Args:
        strands: both (the mean of both readings), forward (as written), or model: both where the labels hold for both.

    Returns:
        float64 (n, outputs). A head that labels bases gives one float64 (l, outputs) array a sequence. A
        variant-effect head gives the effect of each sequence against its task's reference.

    Raises:
        UsageError: a language model, or a variant-effect head whose task has no reference.
        InputError: a sequence of another alphabet.
    """
    _check(model, sequences)
    found = task_outputs(model, sequences, strands)
    if model.gives_bases:
        return found
    return np.stack(found) if found else np.zeros((0, model.config.head["outputs"]))


def generate(
    model: GenomeModel,
    prompt: str,
    n_bases: int,
    *,
    count: int | None = None,
    seed: int = 0,
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    repeat_penalty: float = 0.0,
    repeat_k: int = 12,
) -> str | list[str]:
    """Continue a prompt by letters that a causal language model draws; an empty prompt is a record's start.

    Args:
        model: a causal language model.
        prompt: letters of any number.
        n_bases: letters to draw.
        count: so many continuations as a list; None: one, as a string.
        seed: continuation i depends on it and i alone.
        temperature, top_k, top_p, repeat_penalty, repeat_k: controls, as in `models.sampling.Sampling`.

    Returns:
        The new letters, without the prompt. Only the alphabet's letters are drawn, never the unknown one.

    Raises:
        UsageError: a masked model, a task head, patches that cannot be cut byte by byte, or a number out of range.
        InputError: a prompt of another alphabet.
    """
    check_letters([prompt], model.alphabet, "prompt")
    settings = {"temperature": temperature, "top_k": top_k, "top_p": top_p}
    sampling = from_mapping(Sampling, {**settings, "repeat_penalty": repeat_penalty, "repeat_k": repeat_k}, "generate")
    ids = encode(prompt, model.alphabet)
    found = [
        decode(row) for row in continued(model, ids, n_bases, sampling, count=1 if count is None else count, seed=seed)
    ]
    return found[0] if count is None else found


def score_variants(
    model: GenomeModel,
    fasta: str | Path,
    variants: str | Path | Iterable[Variant | tuple[str, int, str, str]],
    *,
    width: int = WIDTH,
    window: Interval | None = None,
    strands: str = "model",
    effect: str = "model",
    outputs: Sequence[str] = (),
    circular: Iterable[str] = (),
) -> pd.DataFrame:
    """Score variants against a reference.

    Args:
        model: a language model (log-likelihood ratio, nats), a task model (difference of its output) or a
            variant-effect model (its output).
        fasta: the reference.
        variants: a VCF, or (contig, 1-based pos, ref, alt) each.
        width: reference bases around a variant. window: a fixed interval instead.
        strands: both (the mean of both), forward (the window's own), or model: both, save for task heads without
            two_strands or with `window`.
        effect: model (as above), pseudo_likelihood (masked models; nats), or embedding and embedding_l2 (cosine and
            Euclidean distance of the mean byte states around the change).
        outputs: names or numbers of those that are scored, of a task head that has several; empty: all.
        circular: contigs whose last base is followed by their first.

    Returns:
        contig, pos, ref, alt, score, status; the score is NaN where the status says why there is none. Several outputs
        have a column each in place of score, by the tags of `genomelm score`.
    """
    scorer = scorer_for(model, width, window, strands, effect=effect, outputs=outputs)
    listed = _read_vcf(variants) if isinstance(variants, str | Path) else variants
    known = [variant if isinstance(variant, Variant) else Variant(*variant) for variant in listed]
    with Genome(fasta, any_letters=model.alphabet != "dna", circular=circular) as genome:
        if not isinstance(model, PublishedModel):
            check_assay_window(model, genome, window, width)
        pairs = [scorer.pair(genome, variant) for variant in known]
    names = [f"{scorer.tag}_{part}" for part in parts_of(scorer)] or ["score"]
    scores = np.full((len(pairs), len(names)), np.nan)
    known_scores = scorer.score([pair for pair in pairs if pair.status in SCORED])
    scores[[pair.status in SCORED for pair in pairs]] = known_scores.reshape(-1, len(names))
    rows = [(v.contig, v.pos, v.ref, v.alt) for v in known]
    table = pd.DataFrame(rows, columns=["contig", "pos", "ref", "alt"])
    own = dict(zip(names, scores.T, strict=True))
    return table.assign(**own, status=[pair.status for pair in pairs])


def saturate(
    model: GenomeModel,
    fasta: str | Path,
    interval: Interval | str,
    *,
    width: int = WIDTH,
    window: Interval | None = None,
    strands: str = "model",
    output: str | None = None,
) -> np.ndarray:
    """Score every substitution of an interval: float64 (l, 4), columns ACGT, read along the interval's strand.

    The reference base has 0, and so has a row of N; NaN stands where a substitution got no score. Options as in
    `score_variants`; `output` is the one of several that is scored.

    Raises:
        UsageError: as `score_variants`, or several outputs of which none is chosen.
    """
    outputs = [] if output is None else [output]
    scorer = scorer_for(model, width, window, strands, outputs=outputs)
    if len(scorer.outputs) > 1:
        names = ", ".join(one.name for one in scorer.outputs)
        raise UsageError(f"the model has {len(scorer.outputs)} outputs ({names}): choose one, by output")
    place = Interval.parse(interval) if isinstance(interval, str) else interval
    with Genome(fasta) as genome:
        sequence = genome.fetch(Interval(place.contig, place.start, place.end)).upper()
    letters = letters_of("dna")
    variants = [
        Variant(place.contig, place.start + i + 1, base, letter)
        for i, base in enumerate(sequence)
        for letter in letters
        if base in letters and letter != base
    ]
    scored = score_variants(model, fasta, variants, width=width, window=window, strands=strands, outputs=outputs)
    effects = np.zeros((len(sequence), len(letters)))
    rows, columns = scored.pos.to_numpy() - place.start - 1, scored.alt.map(letters.index).to_numpy(int)
    effects[rows, columns] = scored.iloc[:, 4].to_numpy()  # behind contig, pos, ref and alt
    return effects[::-1, ::-1].copy() if place.strand == "-" else effects


def attribute(
    model: GenomeModel,
    sequences: Given,
    method: str = "ism",
    *,
    fasta: str | Path | None = None,
    output: str | None = None,
    steps: int = 256,
) -> list[np.ndarray]:
    """Return one float64 array a sequence, read in the sequence's own patches.

    Args:
        sequences: strings of any lengths; a one-hot array or tensor (n, l, 4) or (l, 4); the path of a FASTA file; or
            intervals (or their text, c1:101-200:-) of `fasta`.
        method: ism, (l, a): score(substitution) - score(sequence); deletion, (l,): the same where the base is left
            out; ixg, (l, a): gradient at the bases that are there, corrected for what no base can change; ig, (l, a):
            integrated gradients from equal parts of all letters. Gradients are those of task heads.
        fasta: the reference of intervals.
        output: name or number of one of several outputs; None: the only one, or the second of two classes.
        steps: of integrated gradients.

    The score is a task head's output, or a causal model's log-likelihood in nats. A masked model gives the
    log-likelihood ratio of the two letters where the base is hidden, as `saturate` does; a variant-effect model gives
    its output for the substitution.

    Raises:
        UsageError: the method or the output is unknown, the head gives a sequence no single score, or it has no
            gradient.
        InputError: a sequence of another alphabet, or an array that is not one-hot.
    """
    if method not in ("ism", "deletion", "ixg", "ig"):
        raise UsageError(f"attribution method '{method}' is unknown; choose ism, deletion, ixg or ig")
    found = region_model("model", model, output)
    known = sequences_of(sequences, model.alphabet, fasta)
    _check(model, known)
    known = [decode(encode(sequence, model.alphabet)) for sequence in known]
    if method in ("ism", "deletion"):
        of_one = found.saturate if method == "ism" else lambda one: deletions(found, one)
        return [of_one([sequence])[0] for sequence in known]
    if found.soft is None:
        raise UsageError(f"method {method} is not for this model: {found.no_gradients}")
    arrays = [(found.soft(sequence), one_hot(sequence, model.alphabet)) for sequence in known]
    if method == "ixg":
        return [soft.input_x_gradient(bases) for soft, bases in arrays]
    return [soft.integrated(bases, steps)[0] for soft, bases in arrays]


def _check_ours(model: GenomeModel | PublishedModel) -> None:
    if isinstance(model, PublishedModel):
        raise UsageError("this needs a model of genomelm; log_likelihood, score_variants and saturate take others too")


def _windows(model: GenomeModel, sequences: Sequence[str]) -> list[Window]:
    _check(model, sequences)
    _check_ours(model)
    return [read_alone(model, sequence) for sequence in sequences]


def _check(model: GenomeModel, sequences: Sequence[str]) -> None:
    if isinstance(sequences, str):
        raise UsageError("sequences is one string; give a list of sequences, such as ['ACGT']")
    for number, sequence in enumerate(sequences):
        check_letters([sequence], model.alphabet, f"sequence {number}")


def _read_vcf(path: str | Path) -> Iterable[Variant]:
    """Yield one variant an alternative allele, in file order; records without one are left out."""
    reader = VcfReader(path)
    for number, line in reader.records():
        contig, pos, _, ref, alts, _ = line.split(b"\t", 5)
        for alt in alts.split(b",") if alts != b"." else ():
            yield Variant(name_of(contig), position(reader, number, pos), ref.decode("latin-1"), alt.decode("latin-1"))
