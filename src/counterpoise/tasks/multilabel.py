"""Any number of classes per image, none included; each label is a question of its own."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels as cells_of_labels

LINK = "sigmoid"


def fault_of_labels(labels: Sequence[str]) -> str | None:
    """Accept any set of labels."""
    return None


def encode(cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which classes each cell bears, (n, c).

    Raises:
        ValueError: A cell bears what is no class.
    """
    return cells_of_labels.indicators(cells, classes)
