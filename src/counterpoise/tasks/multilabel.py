"""Any number of classes per image, none included; each label is a question of its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINK = "sigmoid"
TARGET_NDIM = 2
RESAMPLING_HAS_CLOSED_FORM = False  # an image that is drawn for one label brings its others along
HAS_BOXES = False


def fault_of_labels(labels: Sequence[str]) -> str | None:
    """Accept any set of labels."""
    return None


def encode(cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which classes each cell has, (n, c).

    Raises:
        ValueError: A cell has a label that is no class.
    """
    from counterpoise import labels  # imports numpy, and what a task says of itself is read without it

    return labels.indicators(cells, classes)
