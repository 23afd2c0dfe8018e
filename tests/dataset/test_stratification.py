"""Units and dealing: quotas met exactly where nothing is tied together, and nothing parted that is."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.sparse import csr_array

from counterpoise.dataset.stratification import cover, deal, even_out, required, units

Array = np.ndarray[Any, Any]


def dealt_counts(members: Array, split: Array, splits: int) -> Array:
    counts = np.zeros((splits, members.shape[1]), dtype=int)
    np.add.at(counts, split, members)
    return counts


def test_units_join_what_shares_any_key_along_chains():
    groups = ["a", "a", "b", "c", "d"]
    clusters = [0, 1, 1, 2, 2]
    assert units(groups, clusters).tolist() == [0, 0, 0, 1, 1]


def test_units_of_one_key_are_its_values_numbered_by_first_image():
    assert units(["z", "a", "z", "m"]).tolist() == [0, 1, 0, 2]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), min_size=1, max_size=40))
def test_units_equal_a_naive_union(keys):
    one, other = map(list, zip(*keys, strict=True))
    label = list(range(len(keys)))
    changed = True
    while changed:
        changed = False
        for i in range(len(keys)):
            for j in range(i):
                if label[i] != label[j] and (one[i] == one[j] or other[i] == other[j]):
                    label[i] = label[j] = min(label[i], label[j])
                    changed = True
    found = units(one, other)
    assert (found[:, None] == found).tolist() == [[a == b for b in label] for a in label]
    assert list(dict.fromkeys(found.tolist())) == list(range(found.max() + 1))


def test_singles_meet_whole_quotas_exactly():
    members = np.eye(3, dtype=np.int64)[np.repeat([0, 1, 2], [50, 20, 10])]
    wanted = np.array([[30, 12, 6], [10, 4, 2], [10, 4, 2]], dtype=float)
    split = deal(members, wanted, np.random.default_rng(0))
    assert dealt_counts(members, split, 3).tolist() == wanted.tolist()


@given(
    wanted=st.lists(st.lists(st.integers(0, 15), min_size=3, max_size=3), min_size=1, max_size=4),
    seed=st.integers(0, 2**32),
)
def test_singles_meet_any_whole_quotas_exactly(wanted, seed):
    quotas = np.array(wanted)
    members = np.eye(3, dtype=np.int64)[np.repeat(np.arange(3), quotas.sum(axis=0))]
    split = deal(members, quotas.astype(float), np.random.default_rng(seed))
    assert dealt_counts(members, split, len(quotas)).tolist() == quotas.tolist()


@given(counts=st.lists(st.integers(1, 60), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_singles_meet_fractions_within_one_image(counts, seed):
    members = np.eye(len(counts), dtype=np.int64)[np.repeat(np.arange(len(counts)), counts)]
    wanted = np.outer([0.6, 0.2, 0.2], counts)
    split = deal(members, wanted, np.random.default_rng(seed))
    assert (np.abs(dealt_counts(members, split, 3) - wanted) <= 1 + 1e-6).all()


@given(
    sizes=st.lists(st.tuples(st.integers(0, 2), st.integers(1, 9)), min_size=1, max_size=40),
    seed=st.integers(0, 2**32),
)
def test_groups_of_one_class_meet_wanted_within_the_largest(sizes, seed):
    members = np.zeros((len(sizes), 3), dtype=np.int64)
    for row, (index, size) in enumerate(sizes):
        members[row, index] = size
    wanted = np.outer([0.6, 0.2, 0.2], members.sum(axis=0))
    split = deal(members, wanted, np.random.default_rng(seed))
    assert (np.abs(dealt_counts(members, split, 3) - wanted) <= members.max(axis=0) + 1e-6).all()


@given(
    members=st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=30),
    seed=st.integers(0, 2**32),
)
def test_every_unit_goes_to_exactly_one_split_whatever_it_holds(members, seed):
    table = np.array(members)
    kept = table.copy()
    wanted = np.outer([0.6, 0.2, 0.2], table.sum(axis=0))
    split = deal(table, wanted, np.random.default_rng(seed))
    assert split.shape == (len(table),)
    assert set(split.tolist()) <= {0, 1, 2}
    assert (table == kept).all()


def test_the_rarest_class_is_served_before_a_frequent_one_uses_up_its_units():
    # Three units hold the rare class together with ten of the frequent one; each split wants one of them.
    members = np.array([[10, 1]] * 3 + [[1, 0]] * 60)
    wanted = np.outer([1 / 3] * 3, members.sum(axis=0))
    split = deal(members, wanted, np.random.default_rng(0))
    assert dealt_counts(members, split, 3).tolist() == [[30, 1]] * 3


def test_where_a_class_has_a_single_unit_the_first_split_gets_it():
    wanted = np.array([[0.6], [0.2], [0.2]])
    assert deal(np.array([[1]]), wanted, np.random.default_rng(0)).tolist() == [0]


def test_units_without_labels_are_dealt_in_proportion():
    members = np.array([[1]] * 10 + [[0]] * 10)
    split = deal(members, np.array([[6.0], [2.0], [2.0]]), np.random.default_rng(0))
    assert np.bincount(split[10:]).tolist() == [6, 2, 2]


def test_images_are_shared_out_by_their_number_where_labels_are_not():
    # 20 images with one label and 20 with three; by labels alone the first split would want 40 of 80.
    members = np.array([[1, 0, 0]] * 20 + [[1, 1, 1]] * 20)
    wanted = np.outer([0.5, 0.5], members.sum(axis=0))
    split = deal(members, wanted, np.random.default_rng(0), sizes=np.ones(40, dtype=np.int64))
    assert dealt_counts(members, split, 2).tolist() == [[20, 10, 10]] * 2
    assert np.bincount(split).tolist() == [20, 20]


def test_units_without_labels_fill_up_what_splits_lack():
    members = np.array([[2]] * 6 + [[0]] * 4)
    sizes = np.array([2] * 6 + [3] * 4)
    split = deal(members, np.array([[6.0], [6.0]]), np.random.default_rng(0), sizes=sizes)
    assert np.bincount(split, weights=sizes).tolist() == [12, 12]


def test_a_unit_counts_towards_every_label_that_it_bears():
    # Of three labels at the rarest, always together, each split gets a third, though each label is dealt by itself.
    members = np.array([[1, 1, 1, 0]] * 9 + [[0, 0, 0, 1]] * 30)
    split = deal(members, np.outer([1 / 3] * 3, members.sum(axis=0)), np.random.default_rng(0))
    assert dealt_counts(members, split, 3).tolist() == [[3, 3, 3, 10]] * 3


@given(
    members=st.lists(st.lists(st.integers(0, 3), min_size=4, max_size=4), min_size=1, max_size=30),
    seed=st.integers(0, 2**32),
)
def test_sparse_and_dense_are_dealt_alike(members, seed):
    table = np.array(members)
    wanted = np.outer([0.6, 0.2, 0.2], table.sum(axis=0))
    dense, sparse = (deal(kind, wanted, np.random.default_rng(seed)).tolist() for kind in (table, csr_array(table)))
    assert dense == sparse


def off(members: Array, split: Array, wanted: Array, sizes: Array) -> float:
    """Return sum_s sum_l (wanted_sl - got_sl)^2 / n_l, with the number of images as one label more."""
    table = np.column_stack([members, sizes])
    shares = wanted.sum(axis=1, keepdims=True) / wanted.sum()
    missing = np.column_stack([wanted, shares * sizes.sum()]) - dealt_counts(table, split, len(wanted))
    return float((missing**2 / table.sum(axis=0)).sum())


LABELS = st.lists(st.lists(st.integers(0, 3), min_size=3, max_size=3), min_size=1, max_size=12).filter(
    lambda rows: all(map(any, zip(*rows, strict=True)))
)


@given(members=LABELS, seed=st.integers(0, 2**32))
def test_evening_out_ends_where_no_single_move_would_bring_labels_closer(members, seed):
    table = np.array(members)
    wanted, sizes = np.outer([0.6, 0.2, 0.2], table.sum(axis=0)), np.maximum(table.max(axis=1), 1)
    rng = np.random.default_rng(seed)
    before = rng.integers(0, 3, len(table))
    kept = before.copy()
    after = even_out(before, table, wanted, rng, sizes)
    least = off(table, after, wanted, sizes)
    assert least <= off(table, before, wanted, sizes) + 1e-9
    assert before.tolist() == kept.tolist()
    for unit in range(len(table)):
        for split in range(3):
            other = after.copy()
            other[unit] = split
            assert off(table, other, wanted, sizes) >= least - 1e-6


def test_evening_out_leaves_alone_what_is_as_wanted():
    members = np.eye(2, dtype=np.int64)[[0] * 6 + [1] * 4]
    dealt = np.array([0, 0, 0, 1, 1, 1, 0, 0, 1, 1])
    wanted = np.array([[3.0, 2.0], [3.0, 2.0]])
    ones = np.ones(10, dtype=np.int64)
    assert even_out(dealt, members, wanted, np.random.default_rng(0), ones).tolist() == dealt.tolist()


def test_the_generator_decides_who_goes_where():
    members = np.ones((40, 1), dtype=np.int64)
    wanted = np.array([[20.0], [20.0]])
    one, same, other = (deal(members, wanted, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1))
    assert one == same != other


def test_keys_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"keys have lengths \[2, 1\]; expected one entry per image in each"):
        units(["a", "b"], [0])


def weight_of_missing(split: Array, members: Array, needed: Array) -> int:
    """Weigh what is missing as `cover` does: one class in the first split outweighs all in the second."""
    base = members.shape[1] + 1
    lacking = [needed[s] & ~(members[split == s] > 0).any(axis=0) for s in range(3)]
    return int(sum(part.sum() * base ** (2 - s) for s, part in enumerate(lacking)))


@given(
    groups=st.lists(st.tuples(st.integers(0, 4), st.integers(1, 30)), min_size=1, max_size=40),
    shares=st.sampled_from([(0.6, 0.2, 0.2), (0.9, 0.05, 0.05), (0.15, 0.55, 0.3)]),
    seed=st.integers(0, 2**32),
)
def test_every_class_of_three_groups_is_in_all_splits_of_two_in_two_of_one_in_the_first(groups, shares, seed):
    members = np.zeros((len(groups), 5), dtype=np.int64)
    for row, (index, size) in enumerate(groups):
        members[row, index] = size
    wanted, rng = np.outer(shares, members.sum(axis=0)), np.random.default_rng(seed)
    before = deal(members, wanted, rng)
    after = cover(before, members, required(members, np.ones(3, dtype=bool)), wanted, rng)
    for index in np.flatnonzero(members.any(axis=0)):
        holders = members[:, index] > 0
        expected = set(range(min(3, int(holders.sum()))))
        assert set(after[holders].tolist()) >= expected


@pytest.mark.parametrize("seed", range(25))
def test_of_units_with_several_labels_the_least_possible_is_missing(seed):
    rng = np.random.default_rng(seed)
    units_, labels_ = int(rng.integers(3, 7)), int(rng.integers(1, 8))
    members = (rng.random((units_, labels_)) < rng.random()) * rng.integers(1, 5, (units_, labels_))
    needed, wanted = required(members, np.ones(3, dtype=bool)), np.outer([0.6, 0.2, 0.2], members.sum(axis=0))
    before = deal(members, wanted, rng)
    after = cover(before, members, needed, wanted, rng)
    every = (weight_of_missing(np.array(split), members, needed) for split in product(range(3), repeat=units_))
    assert weight_of_missing(after, members, needed) == min(every)


def test_what_lacks_nothing_is_left_alone():
    members = np.eye(2, dtype=np.int64)[[0] * 6 + [1] * 4]
    before = np.array([0, 0, 0, 1, 1, 2, 0, 0, 1, 2])
    needed, wanted = required(members, np.ones(3, dtype=bool)), np.outer([0.6, 0.2, 0.2], [6, 4])
    assert cover(before, members, needed, wanted, np.random.default_rng(0)).tolist() == before.tolist()


def test_splits_that_get_nothing_need_nothing():
    needed = required(np.ones((5, 1), dtype=bool), np.array([True, False, True]))
    assert needed.tolist() == [[True], [False], [True]]
