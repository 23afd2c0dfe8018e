"""Batches of an epoch: partitions, shares of classes, and what must follow from the generator alone."""

from typing import Any

import numpy as np
import pytest

from counterpoise.calibration.links import sigmoid
from counterpoise.dataset.batch_samplers import progressive, shuffled, stratified


@pytest.mark.parametrize(("count", "batch_size"), [(1, 4), (4, 4), (5, 4), (9, 4), (65, 64), (129, 64), (1000, 7)])
def test_shuffled_batches_partition_the_examples_and_none_is_a_small_rest(count: int, batch_size: int) -> None:
    batches = shuffled(count, batch_size, np.random.default_rng(0))
    assert sorted(np.concatenate(batches).tolist()) == list(range(count))
    sizes = [len(batch) for batch in batches]
    assert max(sizes) <= batch_size
    assert max(sizes) - min(sizes) <= 1
    assert len(sizes) == 1 or min(sizes) >= batch_size / 2


def test_shuffles_follow_from_their_generator() -> None:
    one, same, other = (np.concatenate(shuffled(50, 8, np.random.default_rng(seed))) for seed in (0, 0, 1))
    assert (one == same).all()
    assert (one != other).any()
    assert (one != np.arange(50)).any()


def of_classes(*counts: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(7).permutation(np.repeat(np.arange(len(counts)), counts))


@pytest.mark.parametrize(("count", "batch_size"), [(1, 4), (4, 4), (5, 4), (9, 4), (65, 64), (129, 64), (1000, 7)])
def test_stratified_batches_partition_the_examples_into_the_sizes_of_shuffled_ones(count: int, batch_size: int) -> None:
    labels = np.eye(3, dtype=np.int64)[np.arange(count) % 3]
    for strata in (np.arange(count) % 3, sigmoid.strata(labels)):
        batches = stratified(strata, batch_size, np.random.default_rng(0))
        assert sorted(np.concatenate(batches).tolist()) == list(range(count))
        sizes = sorted(len(batch) for batch in batches)
        assert sizes == sorted(len(batch) for batch in shuffled(count, batch_size, np.random.default_rng(0)))


@pytest.mark.parametrize("counts", [(950, 50), (600, 300, 70, 30), (97, 3), (13, 400, 11)])
def test_every_stratified_batch_gets_its_share_of_every_class_rounded_up_or_down(counts: tuple[int, ...]) -> None:
    targets = of_classes(*counts)
    batches = stratified(targets, 32, np.random.default_rng(0))
    for k, total in enumerate(counts):
        found = {int((targets[batch] == k).sum()) for batch in batches}
        assert found <= {total // len(batches), -(-total // len(batches))}


def test_shuffled_batches_often_miss_what_stratified_ones_hold() -> None:
    targets = of_classes(930, 70)
    missing = [
        sum(not (targets[batch] == 1).any() for batch in batches)
        for batches in (
            shuffled(1000, 32, np.random.default_rng(0)),
            stratified(targets, 32, np.random.default_rng(0)),
        )
    ]
    assert missing[0] > 0
    assert missing[1] == 0


def test_stratified_batches_hold_the_rarest_labels_in_equal_numbers_and_others_nearly_so() -> None:
    rates = np.array([0.6, 0.3, 0.1, 0.05, 0.02])
    targets = (np.random.default_rng(0).random((2000, 5)) < rates).astype(np.int64)
    batches = stratified(sigmoid.strata(targets), 50, np.random.default_rng(0))
    unordered = shuffled(2000, 50, np.random.default_rng(0))
    held, before = (np.array([targets[batch].sum(axis=0) for batch in its]) for its in (batches, unordered))
    assert np.ptp(held, axis=0)[3:].max() <= 1
    assert np.ptp(held, axis=0).max() <= 4
    assert (held.std(axis=0) < 0.5 * before.std(axis=0)).all()


def test_stratified_batches_follow_from_their_generator_and_mix_anew() -> None:
    targets = of_classes(40, 10)
    one, same, other = (stratified(targets, 10, np.random.default_rng(seed)) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(one, same, strict=True))
    partners = [{frozenset(batch.tolist()) for batch in its} for its in (one, other)]
    assert not partners[0] & partners[1]


def test_leftovers_of_rare_classes_do_not_always_go_to_the_first_batches() -> None:
    targets = of_classes(98, 2)
    places = {
        next(number for number, batch in enumerate(its) if (targets[batch] == 1).any())
        for its in (stratified(targets, 10, np.random.default_rng(seed)) for seed in range(20))
    }
    assert len(places) > 3


@pytest.mark.parametrize("progress", [0.0, 0.3, 0.5, 1.0])
def test_progressive_batches_go_from_the_shares_that_there_are_to_even_ones(progress: float) -> None:
    targets = np.repeat([0, 1, 2], [700, 250, 50])
    batches = progressive(targets, progress, 64, np.random.default_rng(0))
    numbers = np.concatenate(batches)
    wanted = (1 - progress) * np.array([700, 250, 50]) + progress * 1000 / 3  # Kang et al. (2020), equation 2
    assert (np.abs(np.bincount(targets[numbers]) - wanted) < 1).all()
    assert max(map(len, batches)) <= 64
    assert max(map(len, batches)) - min(map(len, batches)) <= 1
    repeats = np.bincount(numbers, minlength=1000)
    for label in range(3):
        assert np.ptp(repeats[targets == label]) <= 1


def test_a_class_without_examples_is_left_out_of_even_shares() -> None:
    targets = np.repeat([0, 2], [30, 10])
    drawn = np.concatenate(progressive(targets, 1.0, 8, np.random.default_rng(0)))
    assert np.bincount(targets[drawn]).tolist() == [20, 0, 20]


def test_progressive_batches_follow_from_their_generator() -> None:
    targets = np.repeat([0, 1], [40, 7])
    one, same, other = (np.concatenate(progressive(targets, 0.5, 8, np.random.default_rng(seed))) for seed in (0, 0, 1))
    assert (one == same).all()
    assert len(one) != len(other) or (one != other).any()


def test_progress_outside_of_0_to_1_is_refused() -> None:
    with pytest.raises(ValueError, match=r"progress is 1.5; expected a number in \[0, 1\]"):
        progressive(np.array([0, 1]), 1.5, 2, np.random.default_rng(0))
