"""Models that read more of a genome than its bases, where only bases are given."""

import functools
import logging

from genomelm.models.model import GenomeModel

log = logging.getLogger(__name__)


def say_neutral(model: GenomeModel) -> None:
    """Log a warning, once a process, where a model will run without codon phases or conservation that it reads."""
    if model.side_inputs:
        _say(model.side_inputs)


@functools.cache
def _say(inputs: tuple[str, ...]) -> None:
    names = " and ".join(name.replace("_", " ") for name in inputs)
    log.warning("the model was made to read %s, which sequences do not tell: it runs with missing values", names)
