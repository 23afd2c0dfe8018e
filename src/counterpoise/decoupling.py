"""A classifier made anew on the features that a training left: its weights normalised, or even draws to retrain it."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise import metrics

TAUS = tuple(round(0.05 * step, 2) for step in range(21))
"""Exponents that are tried, from 0 to 1."""


def normalised(weight: Tensor, tau: float) -> Tensor:
    """Divide the weight vector of each class by its length to the power of tau.

    After training on imbalanced data frequent classes have longer vectors, hence larger logits; tau = 1 gives all the
    same length, tau = 0 leaves them.

    Args:
        weight: (c, d) of the last layer, whose bias is dropped.
        tau: In [0, 1].

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, equation 3.

    Example:
        >>> normalised(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), 1.0)
        tensor([[0.6000, 0.8000],
                [0.0000, 1.0000]])
    """
    result: Tensor = weight / _lengths(weight) ** tau
    return result


def _lengths(weight: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    return lengths.clamp_min(torch.finfo(weight.dtype).tiny)


def choose_tau(logits: Tensor, weight: Tensor, bias: Tensor, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Choose the exponent that decides best on validation, by balanced accuracy of the most probable class.

    Args:
        logits: (n, c) of the classifier as it was trained, on validation.
        weight: (c, d) of its last layer.
        bias: (c,) of its last layer.
        targets: (n,) classes of validation.

    Returns:
        The least of the best among `TAUS`, and its balanced accuracy.

    Source: Kang et al. (2020), section 4.2, where it is chosen on validation, too.
    """
    without_bias, lengths = (logits - bias).double(), _lengths(weight).double().squeeze(1)
    found = []
    for tau in TAUS:
        decided = (without_bias / lengths**tau).argmax(dim=1).numpy()
        found.append(float(metrics.balanced_accuracy(metrics.confusion(targets, decided, logits.shape[1]))))
    best = int(np.argmax(np.round(found, 12)))
    return TAUS[best], found[best]
