"""Which strands are read for one number."""

from genomelm.errors import UsageError
from genomelm.models.model import GenomeModel
from genomelm.models.published import PublishedModel

STRANDS = ("model", "both", "forward")
"""model: as this model is to be read; both: the mean of both strands; forward: a sequence as it is written."""


def reads_both(model: GenomeModel, strands: str, by_default: bool) -> bool:
    """Return whether sequences are read a second time, from the other strand's own start.

    A conjoined model is read once: its one pass holds both strands.

    Args:
        strands: one of STRANDS.
        by_default: what "model" says here.

    Raises:
        UsageError: an unknown word, or strands that the model cannot be read on.
    """
    if strands not in STRANDS:
        raise UsageError(f"strands '{strands}' is unknown; choose {', '.join(STRANDS[:-1])} or {STRANDS[-1]}")
    if strands == "both" and model.alphabet != "dna":
        raise UsageError(f"the model reads {model.alphabet}, which has no other strand: leave strands at model")
    if model.is_conjoined:
        if strands == "forward":
            raise UsageError(
                "the model is conjoined (shell.conjoined): one pass reads both strands, and it has no output for one; "
                "use strands model or both"
            )
        return False
    return by_default if strands == "model" else strands == "both"


def published_both(model: PublishedModel, strands: str, by_default: bool) -> bool:
    """Return whether a model of transformers' own reads sequences on both strands; of DNA alone it can.

    Args:
        strands: one of STRANDS.
        by_default: what "model" says of DNA.

    Raises:
        UsageError: an unknown word, or strands that the alphabet has not.
    """
    if strands not in STRANDS:
        raise UsageError(f"strands '{strands}' is unknown; choose {', '.join(STRANDS[:-1])} or {STRANDS[-1]}")
    if strands == "both" and model.alphabet != "dna":
        raise UsageError(f"the model reads {model.alphabet}, which has no other strand: leave strands at model")
    return model.alphabet == "dna" and (by_default if strands == "model" else strands == "both")


def strands_read(model: GenomeModel | PublishedModel, both: bool, strand: str = "+") -> str:
    """Return the strands of a number for its provenance.

    Args:
        both: whether sequences were read twice.
        strand: the one that was read otherwise.
    """
    if isinstance(model, GenomeModel) and model.is_conjoined:
        return "both (conjoined)"
    return "both" if both else {"+": "forward", "-": "reverse"}[strand]
