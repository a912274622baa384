"""What every command that runs a model does first: threads, device, weights, and their provenance."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomelm.models.model import GenomeModel
    from genomelm.models.published import PublishedModel
    from genomelm.scoring.pair_scorer import WindowScorer
    from genomelm.seq.genome import Genome
    from genomelm.seq.interval import Interval


def open_any_model(
    path: Path, device: str, require_gpu: bool, threads: int | None, alphabet: str | None = None
) -> "tuple[GenomeModel | PublishedModel, str]":
    """Load a model of genomelm or of transformers' own, and return it with the SHA-256 of its weights.

    Raises:
        UsageError, IntegrityError, ResourceError: as `open_model`, or `load_published`.
    """
    from genomelm.models.published_folder import is_published
    from genomelm.runtime import choose_device, set_threads

    if not is_published(path):
        return open_model(path, device, require_gpu, threads, alphabet)
    from genomelm.models.published import load_published, published_digest

    if threads is not None:
        set_threads(threads)
    return load_published(path, choose_device(device, require_gpu), alphabet), published_digest(path)


def open_model(
    path: Path, device: str, require_gpu: bool, threads: int | None, alphabet: str | None = None
) -> "tuple[GenomeModel, str]":
    """Load a model for inference and return it with the SHA-256 of its weights.

    Raises:
        UsageError: there is no such model, its format is newer, or it does not read `alphabet`.
        IntegrityError: a pickle, or weights that do not fit the config.
        ResourceError: the device is not there.
    """
    from genomelm.files import sha256
    from genomelm.models.loading import load_model
    from genomelm.runtime import choose_device, set_threads

    refuse_pickle(path)
    if threads is not None:
        set_threads(threads)
    model = load_model(path, choose_device(device, require_gpu), alphabet)
    return model, sha256(path / "model.safetensors")


def opened_reference(path: Path, alphabet: str, circular: list[str] | None, gff: Path | None) -> "Genome":
    """Open the FASTA of a model that reads `alphabet`, with the contigs that are circular: named, or by the GFF."""
    from genomelm.seq.annotation import circular_contigs
    from genomelm.seq.genome import Genome

    genome = Genome(path, any_letters=alphabet != "dna")
    named = [] if gff is None else [name for name in circular_contigs(gff) if genome.resolve(name)]
    wanted = [*(circular or []), *named]
    return Genome(path, any_letters=alphabet != "dna", circular=wanted) if wanted else genome


def scorer_of(
    model: "GenomeModel | PublishedModel",
    digest: str,
    genome: "Genome",
    *,
    width: int,
    window: "Interval | None" = None,
    strands: str = "model",
    effect: str = "model",
    task: str | None = None,
    outputs: Sequence[str] = (),
    patches: Path | None = None,
    other_patches: bool = False,
) -> "WindowScorer":
    """Return what scores variants of `genome` with a model.

    Raises:
        UsageError: options that the model does not know, or that contradict each other.
        InputError, IntegrityError: as `use_patches`.
    """
    from genomelm.errors import UsageError
    from genomelm.models.published import PublishedModel
    from genomelm.scoring.assay_window import check_assay_window
    from genomelm.scoring.scorer import scorer_for

    if isinstance(model, PublishedModel):
        for name, value in (("--task", task), ("--patches", patches)):
            if value is not None:
                raise UsageError(f"{name} says nothing to a model of transformers' own: leave it out")
        return scorer_for(model, width, window, strands, digest, effect, outputs)
    if patches is not None and genome.circular:
        raise UsageError("--patches go by coordinate and end with their contig: leave --circular out, or the patches")
    model = model.for_task(task)
    use_patches(model, patches, other_patches, genome)
    check_assay_window(model, genome, window, width)
    return scorer_for(model, width, window, strands, digest, effect, outputs)


def refuse_pickle(path: Path) -> None:
    """Refuse a file that could run code when it is loaded.

    Raises:
        IntegrityError: the file is a pickle by its name.
    """
    from genomelm.errors import IntegrityError
    from genomelm.models.folder import PICKLES

    if path.suffix in PICKLES and path.is_file():
        raise IntegrityError(
            f"{path} is a pickle: pickles can run code and are never loaded; give a directory with model.safetensors"
        )


def use_patches(model: "GenomeModel", folder: Path | None, allow_other: bool, genome: "Genome") -> None:
    """Take the patches of windows from a store of this genome, if one is given.

    Raises:
        UsageError: the model's patches come by coordinate, and no store was given.
        InputError: the store is of another genome.
        IntegrityError: the store is not whole, or of another patcher than the model's.
    """
    from genomelm.errors import InputError, UsageError
    from genomelm.patching.store import PatchStore

    patcher = model.patcher
    if folder is None:
        if patcher is not None and patcher.placed:
            raise UsageError(
                f"the model's patches come by coordinate ({', '.join(patcher.side) or 'letter case'}): give --patches, "
                "a folder that `genomelm patch` wrote for this reference"
            )
        return
    if patcher is None:
        raise UsageError("the model has no patcher, so --patches says nothing to it: leave it out")
    if not folder.is_dir():
        raise UsageError(f"--patches {folder} does not exist")
    store = PatchStore(folder / "store", patcher.fingerprint, allow_other)
    if store.by_bytes:
        raise UsageError(
            f"the patches of {folder} were cut by what the bases are, forward: a model cuts its windows so by itself, "
            "on either strand; leave --patches out, or give patches that go by coordinate"
        )
    theirs = store.facts.get("genome_sha256")
    if theirs != genome.digest:
        raise InputError(
            f"{folder} holds the patches of {store.facts.get('genome')}, not of {genome.path}: cut this one"
        )
    patcher.use(store)


def located(genome: "Genome", text: str, option: str) -> "Interval":
    """Read the interval of an option, with the contig's name as the genome spells it.

    Raises:
        UsageError: not an interval.
        InputError: an empty one, an unknown contig, or past the contig's end.
    """
    import dataclasses

    from genomelm.errors import InputError, UsageError
    from genomelm.seq.interval import Interval

    try:
        interval = Interval.parse(text)
    except InputError as error:
        raise UsageError(f"{option}: {error}") from None
    contig = genome.resolve(interval.contig)
    if contig is None:
        known = ", ".join(list(genome.contigs)[:5])
        raise InputError(f"{option} {text}: contig '{interval.contig}' is not in {genome.path}, which has {known}")
    length = genome.contigs[contig]
    if interval.end > length:
        raise InputError(f"{option} {text} passes the end of {contig} ({length:,} bases) in {genome.path}")
    if len(interval) == 0:
        raise InputError(f"{option} {text} holds no bases")
    return dataclasses.replace(interval, contig=contig)
