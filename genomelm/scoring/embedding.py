"""How far a change moves what a model makes of the bases around it: a score for any model, trained on a task or not."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from genomelm.models.model import GenomeModel
from genomelm.scoring.alleles import Window, read_pairs
from genomelm.scoring.forward import batch_of, read_windows
from genomelm.scoring.pair_scorer import PairScorer
from genomelm.seq.window import AllelePair

AROUND = 64
"""Bases on either side of the change whose states are averaged with its own."""


@dataclass(frozen=True)
class Places:
    """A window, and the stretches of it whose states are averaged.

    Args:
        window: what the model reads.
        spans: first base and the one behind the last, of each stretch.
    """

    window: Window
    spans: tuple[tuple[int, int], ...]

    @property
    def key(self) -> bytes:
        """Equal where the same would come out."""
        return repr(self.spans).encode() + self.window.key

    @property
    def size(self) -> int:
        """Bytes that a model reads."""
        return self.window.size


class EmbeddingScorer(PairScorer):
    """Distance of the mean byte states around the change, of the alternative from the reference: 0 where nothing moves.

    It has no direction: exchanging the alleles gives the same number.
    """

    tag = "GLM_EMBEDDING"
    description = (
        f"Cosine distance (1 - cosine) of the mean byte states of the change and {AROUND} bases on either side of it, "
        "alternative against reference; 0: the model sees no difference"
    )

    def strand_scores(self, pairs: Sequence[AllelePair]) -> list[float]:
        """Return the distance of each pair on its strand."""
        read = read_pairs(self.model, pairs)
        spans: dict[bytes, tuple[Window, list[tuple[int, int]]]] = {}
        wanted = []
        for pair, windows in zip(pairs, read, strict=True):
            for window, length in zip(windows, (pair.ref_length, pair.alt_length), strict=True):
                key, span = (
                    window.key,
                    (max(pair.offset - AROUND, 0), min(pair.offset + length + AROUND, len(window.ids))),
                )
                known = spans.setdefault(key, (window, []))[1]
                if span not in known:
                    known.append(span)
                wanted.append((key, span))
        items = [Places(window, tuple(known)) for window, known in spans.values()]
        found = read_windows(self.model, items, mean_states)
        means = {
            (key, span): row
            for (key, (_, known)), rows in zip(spans.items(), found, strict=True)
            for span, row in zip(known, rows, strict=True)
        }
        return [self.distance(*(means[place] for place in wanted[2 * i : 2 * i + 2])) for i in range(len(pairs))]

    @staticmethod
    def distance(ref: np.ndarray, alt: np.ndarray) -> float:
        """Return the distance of two mean states (d,), float64."""
        length = np.linalg.norm(ref) * np.linalg.norm(alt)
        return 0.0 if np.array_equal(ref, alt) else float(1 - ref @ alt / length)


class EuclideanScorer(EmbeddingScorer):
    """The same by Euclidean distance, in units of the states."""

    tag = "GLM_EMBEDDING_L2"
    description = EmbeddingScorer.description.replace("Cosine distance (1 - cosine)", "Euclidean distance")

    @staticmethod
    def distance(ref: np.ndarray, alt: np.ndarray) -> float:
        """Return the distance of two mean states (d,), float64."""
        return float(np.linalg.norm(ref - alt))


def mean_states(model: GenomeModel, items: Sequence[Places]) -> list[np.ndarray]:
    """Return the mean byte states of each stretch, float64 (n, d) an item; conjoined models: of both strands, 2d."""
    batch = batch_of(model, [item.window for item in items])
    states = model(**batch.inputs(), return_logits=False).hidden_states.double()
    return [
        torch.stack([states[row, 1 + first : 1 + end].mean(0) for first, end in item.spans]).cpu().numpy()
        for row, item in enumerate(items)
    ]
