"""The figures of validation that a training is watched by, epoch by epoch."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from counterpoise.metrics import confusion, ranking


def figures(logits: Tensor, targets: Tensor) -> dict[str, float]:
    """Compute the figures of validation that training is watched by.

    Args:
        logits: (n, c) float64.
        targets: (n,) class indices, or (n, c) in {0, 1}.

    Returns:
        Balanced accuracy, and mean average precision over the classes present; both without any correction.
    """
    many, classes = targets.ndim == 2, logits.shape[1]
    probs = (logits.sigmoid() if many else logits.softmax(dim=1)).numpy()
    truth = targets.numpy() == 1 if many else targets.numpy()[:, None] == np.arange(classes)
    present = truth.any(axis=0)
    precisions = [ranking.average_precision(truth[:, k], probs[:, k]) for k in np.flatnonzero(present)]
    if many:
        tables = [confusion.confusion_matrix(truth[:, k], probs[:, k] >= 0.5, 2) for k in np.flatnonzero(present)]
        balanced = float(np.mean([confusion.balanced_accuracy(table) for table in tables])) if tables else 0.0
    else:
        table = confusion.confusion_matrix(targets.numpy(), logits.numpy().argmax(axis=1), classes)
        balanced = float(confusion.balanced_accuracy(table))
    return {
        "val/balanced_accuracy": balanced,
        "val/average_precision": float(np.mean(precisions)) if precisions else 0.0,
    }
