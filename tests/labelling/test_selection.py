"""Which images are chosen: no near duplicates, and far from each other."""

from typing import Any

import numpy as np

from counterpoise.labelling import selection

LIMITS: dict[str, Any] = {"max_distance": 8, "min_correlation": 0.98}


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Draw pictures that do not resemble each other."""
    coarse = np.random.default_rng(seed).integers(0, 256, (count, 8, 8)).astype(np.uint8)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


def names(count: int, kind: str) -> np.ndarray:
    return np.array([f"{kind}{number}" for number in range(count)])


def test_images_like_a_labelled_or_a_better_one_are_left_out() -> None:
    labelled, new = pictures(4), pictures(6, seed=1)
    new[2] = np.clip(labelled[3].astype(int) + 3, 0, 255)  # the same picture, a little brighter
    new[5] = new[1]
    kept, alike = selection.without_duplicates(new, names(6, "new"), labelled, names(4, "old"), **LIMITS)
    assert kept.tolist() == [0, 1, 3, 4]
    assert alike.tolist() == [2]


def test_the_same_file_is_a_duplicate() -> None:
    labelled, new = pictures(2), pictures(2)
    kept, alike = selection.without_duplicates(new, names(2, "old"), labelled, names(2, "old"), **LIMITS)
    assert not len(kept)
    assert alike.tolist() == [0, 1]


def test_without_labelled_images_only_copies_of_each_other_go() -> None:
    new = pictures(3)[[0, 1, 1, 2]]
    kept, alike = selection.without_duplicates(new, names(4, "new"), new[:0], names(0, "old"), **LIMITS)
    assert kept.tolist() == [0, 1, 3]
    assert not len(alike)


def test_of_equally_good_images_one_of_each_kind_is_chosen() -> None:
    rng = np.random.default_rng(0)
    kinds = np.repeat(np.arange(5), 20)
    features = 10 * np.eye(5, 8)[kinds] + rng.normal(size=(100, 8))
    rows = selection.spread(features, np.ones(100), 5, seed=0)
    assert sorted(kinds[rows]) == [0, 1, 2, 3, 4]


def test_large_weights_are_chosen_first_and_come_first() -> None:
    features, weights = np.random.default_rng(0).normal(size=(50, 3)), np.full(50, 1e-6)
    weights[[7, 30, 41]] = [1.0, 3.0, 2.0]
    assert selection.spread(features, weights, 3, seed=0).tolist() == [30, 41, 7]


def test_equal_images_are_each_chosen_once() -> None:
    rows = selection.spread(np.zeros((4, 2)), np.array([0.1, 0.4, 0.3, 0.2]), 3, seed=0)
    assert len(set(rows.tolist())) == 3
    assert selection.spread(np.zeros((4, 2)), np.array([0.1, 0.4, 0.3, 0.2]), 4, seed=0).tolist() == [1, 2, 3, 0]
