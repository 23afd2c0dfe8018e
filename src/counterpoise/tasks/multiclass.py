"""Exactly one class per image; the classes exclude each other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LINK = "softmax"
TARGET_NDIM = 1
RESAMPLING_HAS_CLOSED_FORM = True
HAS_BOXES = False


def fault_of_labels(labels: Sequence[str]) -> str | None:
    """Refuse an image without a label, and one with several.

    Example:
        >>> fault_of_labels(["roof", "solar"])
        "exactly one label is needed, found ['roof', 'solar']"
    """
    if len(labels) == 1:
        return None
    return f"exactly one label is needed, found {list(labels)}" if labels else "the row has no label"


def encode(cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Turn cells with exactly one label each into class indices, (n,).

    Raises:
        ValueError: A cell is no class name.
    """
    from counterpoise import labels  # imports numpy, and what a task says of itself is read without it

    return labels.targets(cells, classes)
