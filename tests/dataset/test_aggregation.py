"""Tiles folded into images by hand."""

import numpy as np
import pytest

from counterpoise.dataset.aggregation import aggregate

LOGITS = np.array([[9, -9], [1, 2], [3, -4], [-1, 8]], dtype=np.float32)
IMAGE = np.array([1, 0, 0, 0])


@pytest.mark.parametrize(("how", "expected"), [("mean", [[1, 2], [9, -9]]), ("max", [[3, 8], [9, -9]])])
def test_tiles_are_folded_class_by_class(how: str, expected: list[list[float]]) -> None:
    folded = aggregate(LOGITS, IMAGE, how)
    assert folded.tolist() == expected
    assert folded.dtype == np.float32
