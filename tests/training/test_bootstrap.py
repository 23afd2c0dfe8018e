"""Members of an ensemble whose fit has no randomness: whole units, and every class."""

import numpy as np
import torch

from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.training.bootstrap import resample
from counterpoise.training.examples import Examples

TARGETS = np.repeat([0, 0, 0, 0, 1, 1, 2], 6)
UNITS = np.repeat(np.arange(21), 2).astype(str)
DRAWN = Examples(FeatureInputs(np.arange(42, dtype=np.float32)[:, None], np.arange(42)), torch.from_numpy(TARGETS))


def rows(seed: int) -> list[int]:
    part = resample(DRAWN, np.eye(3, dtype=bool)[TARGETS], UNITS, seed)
    assert isinstance(part.inputs, FeatureInputs)
    assert part.targets.tolist() == TARGETS[part.inputs.rows].tolist()
    return [int(row) for row in part.inputs.rows]


def test_units_are_drawn_whole_and_as_many_of_each_class_as_there_are() -> None:
    for seed in range(20):
        chosen = rows(seed)
        assert np.bincount(TARGETS[chosen]).tolist() == np.bincount(TARGETS).tolist()
        counts = np.bincount(chosen, minlength=42).reshape(21, 2)
        assert (counts[:, 0] == counts[:, 1]).all()


def test_the_seed_decides() -> None:
    assert rows(1) == rows(1) != rows(2)
