"""What decides the lines of an output: runs that agree in it may share parts and be merged."""

from collections.abc import Sequence
from importlib import metadata

from genomelm.files import digest_of
from genomelm.scoring.allele_scorer import AlleleScorer
from genomelm.scoring.percentile import Background
from genomelm.scoring.tags import Tags
from genomelm.seq.genome import Genome
from genomelm.seq.interval import Interval

_PLACE = ("device",)  # where a run computes decides no more than the last digits


def reference_facts(genome: Genome) -> dict[str, str]:
    """Return which reference was read, and which of its contigs as circular."""
    return {
        "reference": genome.digest,
        **({"circular": ", ".join(sorted(genome.circular))} if genome.circular else {}),
    }


def run_identity(
    scorer: AlleleScorer,
    tags: Tags,
    genome: Genome,
    background: Background | None,
    regions: Sequence[Interval] | None,
    samples: Sequence[str] | None,
    **options: str | bool | int,
) -> dict[str, object]:
    """Return the facts as plain JSON values; names of samples and regions go in as digests.

    Args:
        options: of the run, as they were given.
    """
    return {
        "genomelm": metadata.version("genomelm"),
        **{key: value for key, value in scorer.provenance.items() if key not in _PLACE},
        "tag": list(tags.scores) if tags.several else tags.scores[0],
        **reference_facts(genome),
        "background": dict(background.provenance) if background else None,
        "regions": None if regions is None else digest_of([str(region) for region in regions]),
        "samples": None if samples is None else digest_of(list(samples)),
        **options,
    }
