"""Prepare the comparison's genome, and check that its models have equal parameters."""

from pathlib import Path

from genomelm.bench import patching_data
from genomelm.bench.compare_grid import CompareConfig
from genomelm.bench.compare_models import family_config, parameters
from genomelm.errors import UsageError

EQUAL = 0.05
"""Share by which the models' parameters, k-mer tables apart, may differ."""


def prepare(config: CompareConfig, data: Path, out: Path) -> dict:
    """Write the genome's folder below `out`, and return its facts, as `patching_data.prepare` does.

    Raises:
        UsageError: the models are not of equal size, or training and held-out regions overlap.
        InputError: a region is not in the FASTA, or no threshold gives the mean.
    """
    check_equal(sizes(config))
    return patching_data.prepare(config.patching(), config.genome, data, out / config.genome.name)


def sizes(config: CompareConfig) -> dict[str, dict[str, int]]:
    """Return each model's parameters, and those of its k-mer tables, by its name; no length changes them."""
    length = config.language.windows[0]
    return {model.name: parameters(family_config(config, model.name, length, config.mean)) for model in config.models}


def check_equal(found: dict[str, dict[str, int]]) -> None:
    """Check that the parameters, tables apart, are equal within EQUAL.

    Raises:
        UsageError: they are not.
    """
    own = {name: size["parameters"] - size["tables"] for name, size in found.items()}
    if max(own.values()) > (1 + EQUAL) * min(own.values()):
        listed = ", ".join(f"{name} {count:,}" for name, count in own.items())
        raise UsageError(
            f"the models differ by more than {EQUAL:.0%} in parameters without k-mer tables: {listed}; change their "
            "layers or hidden widths in models.set"
        )
