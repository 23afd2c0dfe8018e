"""Units are drawn with replacement, whole, and within their rarest class."""

import numpy as np
import torch

from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.training import bootstrap
from counterpoise.training.examples import Examples


def examples(targets: list[int]) -> Examples:
    count = len(targets)
    inputs = FeatureInputs(np.zeros((count, 2), dtype=np.float32), 10 + np.arange(count))
    return Examples(inputs, torch.tensor(targets), np.arange(count))


def truth(targets: list[int], classes: int) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return np.asarray(np.arange(classes) == np.array(targets)[:, None])


def test_a_unit_comes_whole_and_each_class_keeps_its_number_of_units():
    targets = [0] * 30 + [1] * 10 + [2] * 2
    units = np.array([f"u{number // 2:02d}" for number in range(42)])
    counts = []
    for seed in range(20):
        drawn = bootstrap.resample(examples(targets), truth(targets, 3), units, seed)
        assert drawn.tiles is not None
        assert isinstance(drawn.inputs, FeatureInputs)
        assert drawn.tiles.tolist() == sorted(drawn.tiles.tolist())
        assert (drawn.inputs.rows == drawn.tiles + 10).all()
        assert drawn.targets.tolist() == [targets[tile] for tile in drawn.tiles]
        assert np.bincount(drawn.targets).tolist() == [30, 10, 2]
        times = np.bincount(drawn.tiles, minlength=42)
        assert (times[::2] == times[1::2]).all()
        counts.append(times[::2])
    assert len({tuple(own) for own in counts}) == 20
    assert abs(np.mean(np.array(counts)[:, :15] == 0) - (1 - 1 / 15) ** 15) < 0.06


def test_a_unit_of_several_labels_is_drawn_among_those_of_its_rarest():
    present = np.array([[1, 0], [1, 0], [1, 0], [1, 1], [0, 0], [0, 0]], dtype=bool)
    units = np.array(list("abcdef"))
    for seed in range(10):
        drawn = bootstrap.resample(examples([0] * 6), present, units, seed)
        assert drawn.tiles is not None
        strata = [{0: "x", 1: "x", 2: "x", 3: "y", 4: "z", 5: "z"}[tile] for tile in drawn.tiles.tolist()]
        assert [strata.count(name) for name in "xyz"] == [3, 1, 2]


def test_the_same_seed_gives_the_same_samples():
    targets, units = [0] * 20, np.array([f"u{number:02d}" for number in range(20)])
    one, other, another = (
        bootstrap.resample(examples(targets), truth(targets, 1), units, seed).tiles for seed in (3, 3, 4)
    )
    assert one is not None
    assert other is not None
    assert another is not None
    assert one.tolist() == other.tolist() != another.tolist()
