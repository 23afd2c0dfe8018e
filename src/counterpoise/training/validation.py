"""The figures of validation that a training is watched by, epoch by epoch."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from counterpoise.calibration import links
from counterpoise.metrics import confusion, ranking


def figures(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Compute the figures of validation that training is watched by.

    Args:
        logits: (n, c) float64.
        targets: (n,) class indices, or (n, c) in {0, 1}.

    Returns:
        Balanced accuracy, and mean average precision over the classes present; both without any correction.
    """
    link = links.of_targets(targets)
    probs, truth = link.tensor_probabilities(logits).numpy(), link.truth(targets.numpy(), logits.shape[1])
    precisions = [ranking.average_precision(truth[:, k], probs[:, k]) for k in np.flatnonzero(truth.any(axis=0))]
    tables = link.confusion_tables(targets.numpy(), logits.numpy(), probs)
    balanced = float(np.mean([confusion.balanced_accuracy(table) for table in tables])) if tables else 0.0
    return {
        "val/balanced_accuracy": balanced,
        "val/average_precision": float(np.mean(precisions)) if precisions else 0.0,
    }
