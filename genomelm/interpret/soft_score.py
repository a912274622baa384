"""A task head's output for mixtures of letters: what gradients and integrated gradients are taken of."""

import numpy as np
import torch
from captum.attr import IntegratedGradients

from genomelm.interpret import gradients
from genomelm.interpret.reading import Reading
from genomelm.interpret.target import Target
from genomelm.models.encoding import make_batch
from genomelm.models.model import GenomeModel
from genomelm.models.soft import letter_weights
from genomelm.runtime import exact_float32
from genomelm.scoring.alleles import Window
from genomelm.scoring.forward import BYTES_AT_ONCE


def why_no_gradients(model: GenomeModel) -> str:
    """Return why a model's score has no gradient at its letters; empty where it has one."""
    if model.is_language_model:
        return "the score of a language model reads the letters as targets, and a mixture of letters is none"
    if model.head_kind == "variant_effect":
        return "a variant-effect head looks where two sequences differ, and a mixture of letters differs nowhere"
    return ""


class SoftScore:
    """The score of mixtures of letters that are read in one sequence's patches.

    Args:
        model: one for which `why_no_gradients` finds no reason.
        target: the output that is explained.
        reading: the sequence, of l bases.
    """

    def __init__(self, model: GenomeModel, target: Target, reading: Reading) -> None:
        self._model, self._target, self._windows = model, target, reading.windows
        size = self._windows[0].size
        # A backward pass holds what a forward pass lets go.
        self._rows = max(1, BYTES_AT_ONCE.get(model.device.type, 1 << 16) // 2 // size)

    def scores(self, x: np.ndarray) -> np.ndarray:
        """Return the scores float64 (k,) of mixtures (k, l, 4)."""
        found = []
        with torch.no_grad(), exact_float32():
            for first in range(0, len(x), self._rows):
                found.append(self._forward(self._tensor(x[first : first + self._rows])).double().cpu().numpy())
        return np.concatenate(found)

    def gradient(self, x: np.ndarray) -> np.ndarray:
        """Return d score / d x, float32 (l, 4), at a mixture (l, 4)."""
        given = self._tensor(x[None]).requires_grad_()
        with torch.enable_grad(), exact_float32():
            return torch.autograd.grad(self._forward(given).sum(), given)[0][0].cpu().numpy()

    def input_x_gradient(self, one_hot: np.ndarray) -> np.ndarray:
        """Return the gradient at the bases that are there, corrected for what no base can change: float64 (l, 4)."""
        return gradients.input_x_gradient(self.gradient, one_hot)

    def integrated(self, one_hot: np.ndarray, steps: int) -> tuple[np.ndarray, float]:
        """Integrate the gradient from equal parts of all letters to the sequence (midpoint rule).

        Returns:
            The attribution, float64 (l, 4), and its completeness error: |sum - difference of the scores| relative to
            that difference.
        """
        baseline = gradients.baseline_of(one_hot)
        method = IntegratedGradients(self._forward)
        with torch.enable_grad(), exact_float32():
            found = method.attribute(
                self._tensor(one_hot[None]),
                self._tensor(baseline[None]),
                n_steps=steps,
                method="riemann_middle",
                internal_batch_size=self._rows,
            )
        attribution = found[0].detach().double().cpu().numpy()
        score, start = self.scores(np.stack([one_hot, baseline]))
        return attribution, gradients.completeness_error(attribution, score, start)

    def _tensor(self, x: np.ndarray) -> torch.Tensor:
        return torch.tensor(x, dtype=torch.float32, device=self._model.device)

    def _forward(self, x: torch.Tensor) -> torch.Tensor:
        """Map mixtures (k, l, 4) to scores (k,)."""
        # Columns ACGT backwards are TGCA: flipping both axes is the reverse complement of a mixture.
        mixtures = (x, x.flip(1, 2))
        return torch.stack([self._strand(*one) for one in zip(self._windows, mixtures, strict=False)]).mean(0)

    def _strand(self, window: Window, x: torch.Tensor) -> torch.Tensor:
        count = len(x)
        reverse = None if window.reverse is None else [window.reverse] * count
        batch = make_batch([window.ids] * count, [window.marks] * count, reverse=reverse).to(self._model.device)
        letters = torch.nn.functional.pad(letter_weights(x), (0, 0, 1, 0))  # (k, l+1, 5); those of BOS are never read
        return self._target.of(self._model(**batch.inputs(), letters=letters).logits)
