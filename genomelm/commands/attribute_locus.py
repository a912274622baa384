"""`genomelm attribute --interval`: one locus, with the checks on its maps."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from genomelm.commands.attribute_models import Opened
    from genomelm.interpret.locus import LocusSettings
    from genomelm.models.model import GenomeModel
    from genomelm.seq.genome import Genome

RANDOM_DRAWS = 5
"""Models with random weights that the control is the median of."""


def attribute_locus(
    genome: "Genome",
    interval: str,
    opened: "Opened",
    out: Path,
    sites: Path | None,
    settings: "LocusSettings",
    output: str | None,
) -> str:
    """Write the folder of one locus and return a line about it.

    Raises:
        InputError: the interval is not in the genome, or sites do not fit it.
        UsageError: the models cannot be explained there.
    """
    from genomelm.commands.model_input import located
    from genomelm.files import output_lock, provenance
    from genomelm.interpret import results
    from genomelm.interpret.locus import explain
    from genomelm.interpret.locus_model import locus_model, pair_predictor, with_random_weights
    from genomelm.interpret.sites import read_sites
    from genomelm.interpret.target import choose_target, unit_of
    from genomelm.scoring.assay_window import check_assay_window
    from genomelm.settings import to_mapping

    place = located(genome, interval, "--interval")
    sequence = genome.fetch(place).upper()
    known = [] if sites is None else read_sites(sites, sequence)
    first = opened.first
    check_assay_window(first, genome, place, len(place))
    target = choose_target(first, output)
    draws = [with_random_weights(first, settings.seed + draw) for draw in range(RANDOM_DRAWS)]
    with output_lock(out):
        arrays, summary = explain(
            sequence,
            [
                locus_model(name, model, sequence, choose_target(model, output))
                for name, (model, _) in opened.models.items()
            ],
            known,
            controls={
                "random_weights": [pair_predictor(model, target) for model in draws],
                **{
                    name: [pair_predictor(model, choose_target(model, output))]
                    for name, (model, _) in opened.controls.items()
                },
            },
            settings=settings,
        )
        facts = provenance(
            reference=genome.digest,
            **opened.digests,
            patching=first.patcher.fingerprint,
            seed=settings.seed,
            device=str(first.device),
            dtype=str(first.dtype).removeprefix("torch."),
        )
        starts, entropy = _tracks(first, sequence)
        results.write(
            out,
            arrays,
            summary,
            locus={"name": out.name, "interval": str(place), "sequence": sequence, "unit": unit_of(first, target)},
            sites=known,
            patch_starts=starts,
            entropy=entropy,
            params={"settings": to_mapping(settings), "provenance": facts},
        )
    largest = summary["largest_effect"]
    return (
        f"{out}: {place} by {len(opened.models)} model(s); largest effect {largest['change']} at offset "
        f"{largest['offset']}: {largest['effect']:.4g}"
    )


def _tracks(model: "GenomeModel", sequence: str) -> tuple[list[int], list[float] | None]:
    """Return the patch starts, and the entropy in nats before each base where the patcher has a count model."""
    from genomelm.interpret.tracks import tracks_of

    found = tracks_of(model, sequence, attention=False)
    starts = found["patch_starts"].nonzero()[0].tolist()
    return starts, found["entropy"].tolist() if "entropy" in found else None
