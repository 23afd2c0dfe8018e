"""How often a tile is drawn: numbers by hand, the formulas of the papers, rounding without bias, labels in company."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.imbalance import label_imbalance
from counterpoise.imbalance.resampling import OF_LABEL_SETS, REPEATING, STRATEGIES, box_repeat_factors, repeats
from counterpoise.stages.oversample import Oversample

Array = np.ndarray[Any, Any]

SYSTEM_C = [100, 50, 20]
PLAIN = [name for name in STRATEGIES if name not in OF_LABEL_SETS]


def targets_of(counts: Sequence[int]) -> Array:
    return np.repeat(np.arange(len(counts)), counts)


def members_of(counts: Sequence[int]) -> Array:
    """Return one class per tile."""
    return np.eye(len(counts), dtype=bool)[targets_of(counts)]


def bearing(*rows: str) -> Array:
    """Return tiles from strings such as "101", the labels they bear."""
    return np.array([[sign == "1" for sign in row] for row in rows])


def draws(strategy: str, counts: Sequence[int], seed: int = 0, *, threshold: float = 0.1) -> Array:
    """Return the draws of each class."""
    repeated = repeats(strategy, members_of(counts), np.random.default_rng(seed), threshold=threshold)
    return np.bincount(targets_of(counts), weights=repeated, minlength=len(counts))


def test_none_draws_every_tile_once():
    assert repeats("none", members_of(SYSTEM_C), np.random.default_rng(0)).tolist() == [1] * 170


def test_under_turns_100_50_20_into_20_20_20():
    assert draws("under", SYSTEM_C).tolist() == [20, 20, 20]


def test_under_draws_no_tile_twice():
    assert set(repeats("under", members_of(SYSTEM_C), np.random.default_rng(0)).tolist()) == {0, 1}


def test_over_draws_every_class_as_often_as_the_largest():
    assert draws("over", [100, 50, 30]).tolist() == [100, 100, 100]


def test_over_spreads_the_draws_evenly_over_the_tiles_of_a_class():
    repeated = repeats("over", members_of([100, 30]), np.random.default_rng(0))
    assert set(repeated[:100].tolist()) == {1}
    assert np.bincount(repeated[100:]).tolist() == [0, 0, 0, 20, 10]  # 20 * 3 + 10 * 4 = 100


def test_square_root_draws_the_geometric_mean_of_a_classs_size_and_the_largest():
    assert draws("square_root", [100, 25, 4]).tolist() == [100, 50, 20]


def test_square_root_is_off_by_less_than_one_where_the_mean_is_no_whole_number():
    expected = np.sqrt(np.array(SYSTEM_C) * 100)
    assert (np.abs(draws("square_root", SYSTEM_C) - expected) < 1).all()


def test_repeat_factor_follows_lvis():
    # r = max(1, sqrt(t / f)): shares 0.90, 0.09, 0.01 at t = 0.36 give 1, 2 and 6.
    repeated = repeats("repeat_factor", members_of([900, 90, 10]), np.random.default_rng(0), threshold=0.36)
    assert repeated.tolist() == [1] * 900 + [2] * 90 + [6] * 10


def test_box_repeat_factor_takes_the_geometric_mean_of_the_shares_of_tiles_and_boxes():
    # f_tiles = 0.005 and f_boxes = 0.0005: sqrt(0.01 / sqrt(0.005 * 0.0005)) = 2.514867.
    boxes = np.zeros((1000, 2), dtype=np.int64)
    boxes[:, 0], boxes[:5, 1] = 10, 1
    boxes[0, 0] += 10_000 - boxes.sum()
    factors = box_repeat_factors(boxes, 0.01)
    assert factors[:5] == pytest.approx(2.514867, abs=1e-6)
    assert factors[5:].tolist() == [1.0] * 995
    drawn = repeats("box_repeat_factor", boxes > 0, np.random.default_rng(0), threshold=0.01, boxes=boxes)
    assert abs(drawn.sum() - factors.sum()) < 1
    assert set(drawn[:5].tolist()) == {2, 3}


def test_repeat_factors_of_three_shares_are_those_of_the_paper():
    # t = 0.1 and f = 0.5, 0.01, 0.0001: 1, sqrt(10), sqrt(1000).
    boxes = np.zeros((10_000, 3), dtype=np.int64)
    boxes[:5000, 0], boxes[5000:5100, 1], boxes[5100:5101, 2] = 1, 1, 1
    rng = np.random.default_rng(0)
    mean = np.mean([repeats("repeat_factor", boxes > 0, rng, threshold=0.1) for _ in range(200)], axis=0)
    assert mean[:5000].mean() == 1
    assert mean[5000:5100].mean() == pytest.approx(3.162278, abs=0.02)
    assert mean[5100] == pytest.approx(31.622777, abs=0.15)


def test_repeat_factor_repeats_no_class_above_the_threshold():
    assert draws("repeat_factor", SYSTEM_C, threshold=0.1).tolist() == SYSTEM_C


@pytest.mark.parametrize("strategy", PLAIN)
@given(
    counts=st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(any),
    seed=st.integers(0, 2**32),
    threshold=st.floats(0.001, 1),
)
def test_draws_are_off_by_less_than_one_from_what_the_strategy_wants(strategy, counts, seed, threshold):
    n = np.array(counts, dtype=float)
    shares = np.where(n > 0, n, 1) / n.sum()
    lvis = n * np.maximum(1, np.sqrt(threshold / shares))
    wanted = {
        "none": n,
        "over": np.where(n > 0, n.max(), 0),
        "under": np.where(n > 0, n[n > 0].min(), 0),
        "square_root": np.sqrt(n * n.max()),
        "repeat_factor": lvis,
        "box_repeat_factor": lvis,  # with one box in each tile, both shares are the same
    }[strategy]
    drawn = draws(strategy, counts, seed, threshold=threshold)
    if strategy in ("repeat_factor", "box_repeat_factor"):
        assert abs(drawn.sum() - wanted.sum()) < 1 + 1e-6
    else:
        assert (np.abs(drawn - wanted) < 1 + 1e-6).all()
    if strategy in ("over", "under"):
        assert drawn.tolist() == wanted.tolist()
    repeated = repeats(strategy, members_of(counts), np.random.default_rng(seed), threshold=threshold)
    for index in np.unique(targets_of(counts)):
        own = repeated[targets_of(counts) == index]
        assert own.max() - own.min() <= 1


@pytest.mark.parametrize(
    ("strategy", "expected"), [("over", [1, 2.5]), ("under", [0.4, 1]), ("repeat_factor", [1, np.sqrt(0.5 * 14 / 4)])]
)
def test_rounding_favours_no_tile(strategy, expected):
    members, rounds = members_of([10, 4]), 4000
    rng = np.random.default_rng(1)
    mean = np.mean([repeats(strategy, members, rng, threshold=0.5) for _ in range(rounds)], axis=0)
    np.testing.assert_allclose(mean, np.array(expected)[targets_of([10, 4])], atol=4.5 * 0.5 / np.sqrt(rounds))


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "none"])
def test_on_skewed_counts_every_strategy_differs_from_none(strategy):
    assert draws(strategy, [90, 10], threshold=0.4).tolist() != [90, 10]


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_repeating_names_the_strategies_that_draw_a_tile_twice(strategy):
    repeated = repeats(strategy, members_of([90, 10]), np.random.default_rng(0), threshold=0.5)
    assert (repeated.max() > 1) == (strategy in REPEATING)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_a_class_without_tiles_stays_without_draws(strategy):
    assert draws(strategy, [20, 0, 5])[1] == 0


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_equal_classes_are_drawn_as_they_are(strategy):
    assert draws(strategy, [12, 12], threshold=0.5).tolist() == [12, 12]


def test_the_parameter_offers_exactly_the_strategies_there_are():
    assert Oversample.model_json_schema()["properties"]["strategy"]["enum"] == list(STRATEGIES)


def test_an_unknown_strategy_an_empty_set_and_wrong_shares_are_refused():
    rng, members = np.random.default_rng(0), members_of([2, 1])
    with pytest.raises(ValueError, match=r"oversample.strategy is 'smote'; expected one of \['none', 'over'"):
        repeats("smote", members, rng)
    with pytest.raises(ValueError, match="no tiles to draw from"):
        repeats("over", members[:0], rng)
    with pytest.raises(ValueError, match=r"oversample.resize_frac is 0; expected a number in \(0, 1\]"):
        repeats("lp_ros", members, rng, resize_frac=0)
    with pytest.raises(ValueError, match=r"oversample.repeat_threshold is 1.5"):
        repeats("repeat_factor", members, rng, threshold=1.5)


# What is measured of labels that come together.

COMPANY = bearing("100", "100", "110", "101")  # 4, 1 and 1 of 4 tiles


def test_label_sets_of_one_class_per_tile_are_the_classes():
    targets = np.random.default_rng(0).permutation(targets_of([5, 1, 3, 2]))
    assert label_imbalance.label_sets(np.eye(4, dtype=bool)[targets]).tolist() == targets.tolist()


@given(st.lists(st.lists(st.booleans(), min_size=11, max_size=11), min_size=1, max_size=20))
def test_label_sets_are_equal_where_rows_are(rows):
    sets = label_imbalance.label_sets(np.array(rows)).tolist()
    assert [[a == b for b in sets] for a in sets] == [[a == b for b in rows] for a in rows]
    assert sorted(set(sets)) == list(range(max(sets) + 1))


def test_counts_and_pairs_count_draws():
    times = np.array([1, 0, 2, 3])
    assert label_imbalance.label_counts(COMPANY).tolist() == [4, 1, 1]
    assert label_imbalance.label_counts(COMPANY, times).tolist() == [6, 2, 3]
    assert label_imbalance.pairs(COMPANY).tolist() == [[0, 1, 1], [1, 0, 0], [1, 0, 0]]
    assert label_imbalance.pairs(COMPANY, times).tolist() == [[0, 2, 3], [2, 0, 0], [3, 0, 0]]


@given(
    rows=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=12),
    seed=st.integers(0, 2**32),
)
def test_pairs_equal_those_of_the_draws_written_out(rows, seed):
    members, times = np.array(rows), np.random.default_rng(seed).integers(0, 4, len(rows))
    written = np.repeat(members, times, axis=0).astype(int)
    expected = written.T @ written
    assert label_imbalance.label_counts(members, times).tolist() == np.diag(expected).tolist()
    assert label_imbalance.pairs(members, times).tolist() == (expected - np.diag(np.diag(expected))).tolist()


def test_imbalance_ratios_and_their_mean_by_hand():
    assert label_imbalance.imbalance_ratios([8, 4, 1, 0]).tolist() == [1, 2, 8, np.inf]
    assert label_imbalance.mean_imbalance_ratio([8, 4, 1, 0]) == pytest.approx(11 / 3)
    assert np.isnan(label_imbalance.mean_imbalance_ratio([0, 0]))


@given(st.lists(st.integers(1, 1000), min_size=1, max_size=20))
def test_a_ratio_above_the_mean_is_a_count_below_the_harmonic_mean(counts):
    n = np.array(counts)
    ratios, mean = label_imbalance.imbalance_ratios(n), label_imbalance.mean_imbalance_ratio(n)
    clear = np.abs(ratios - mean) > 1e-9 * mean
    harmonic = len(n) / (1 / n).sum()
    assert ((ratios > mean) == (n < harmonic))[clear].all()


def test_scumble_by_hand():
    # Ratios 1, 4, 4. Two tiles with one label: 0. The two with ratios 1 and 4: 1 - 2 / 2.5 = 0.2.
    assert label_imbalance.scumble(COMPANY) == pytest.approx((0 + 0 + 0.2 + 0.2) / 4)
    # Draws 6, 2, 3: ratios 1, 3, 2. One draw of 0, two of 1 - sqrt(3) / 2, three of 1 - sqrt(2) / 1.5.
    expected = (2 * (1 - np.sqrt(3) / 2) + 3 * (1 - np.sqrt(2) / 1.5)) / 6
    assert label_imbalance.scumble(COMPANY, np.array([1, 0, 2, 3])) == pytest.approx(expected)


def test_scumble_is_nothing_where_labels_stand_alone_or_are_equally_frequent():
    assert label_imbalance.scumble(members_of([9, 3, 1])) == 0
    assert label_imbalance.scumble(bearing("11", "11")) == 0


def test_scumble_leaves_out_tiles_without_labels():
    assert label_imbalance.scumble(np.vstack([COMPANY, bearing("000", "000")])) == label_imbalance.scumble(COMPANY)
    assert np.isnan(label_imbalance.scumble(bearing("00")))


# Strategies for many labels.


@pytest.mark.parametrize(("strategy", "expected"), [("over", [4, 4, 4, 4]), ("under", [1, 1, 1, 1])])
def test_over_and_under_take_label_sets_for_classes(strategy, expected):
    members = bearing(*["10"] * 4, *["11"] * 2, "01", "00")
    drawn = repeats(strategy, members, np.random.default_rng(0))
    assert np.bincount(label_imbalance.label_sets(members), drawn).tolist() == expected


def test_square_root_takes_label_sets_for_classes():
    members = bearing(*["10"] * 100, *["11"] * 25, *["01"] * 4)
    drawn = repeats("square_root", members, np.random.default_rng(0))
    assert np.bincount(targets_of([100, 25, 4]), drawn).tolist() == [100, 50, 20]


def test_repeat_factor_takes_the_largest_factor_of_a_tiles_labels():
    # Shares 0.94, 0.09, 0.01 at t = 0.36: factors 1, 2 and 6; no label at all: 1.
    members = bearing(*["100"] * 850, *["110"] * 85, *["011"] * 5, *["101"] * 4, "001", *["000"] * 54, "100")
    assert label_imbalance.label_counts(members).tolist() == [940, 90, 10]
    drawn = repeats("repeat_factor", members, np.random.default_rng(0), threshold=0.36)
    assert drawn.tolist() == [1] * 850 + [2] * 85 + [6] * 10 + [1] * 55


def poured_as_in_the_paper(total: float, room: Sequence[float]) -> list[float]:
    """Go through the sets, those with the least room first; what one cannot take is shared among those after it."""
    share, given_to = [total / len(room)] * len(room), [0.0] * len(room)
    order = sorted(range(len(room)), key=lambda index: room[index])
    for place, index in enumerate(order):
        given_to[index] = min(room[index], share[index])
        later = order[place + 1 :]
        for other in later:
            share[other] += (share[index] - given_to[index]) / len(later)
    return given_to


@pytest.mark.parametrize(("strategy", "sign"), [("lp_ros", 1), ("lp_rus", -1)])
@given(sizes=st.lists(st.integers(1, 30), min_size=1, max_size=9), share=st.floats(0.01, 1), seed=st.integers(0, 2**32))
def test_lp_ros_and_lp_rus_follow_the_papers_procedure(strategy, sign, sizes, share, seed):
    mean = np.mean(sizes)
    chosen = [index for index, size in enumerate(sizes) if sign * (mean - size) > 0]
    expected = np.array(sizes, dtype=float)
    if chosen:
        room = [abs(mean - sizes[index]) for index in chosen]
        expected[chosen] += sign * np.array(poured_as_in_the_paper(round(share * sum(sizes)), room))
    drawn = repeats(strategy, members_of(sizes), np.random.default_rng(seed), resize_frac=share)
    found = np.bincount(targets_of(sizes), drawn)
    assert (np.abs(found - expected) < 1 + 1e-6).all()
    assert abs(found.sum() - expected.sum()) < 1 + 1e-6


def test_lp_ros_lifts_sets_to_the_mean_size_and_no_further():
    # 12, 4, 1, 1, 2 tiles, mean 4: room 3, 3, 2, so that 8 of the 20 wanted find a place.
    drawn = repeats("lp_ros", members_of([12, 4, 1, 1, 2]), np.random.default_rng(0), resize_frac=1.0)
    assert np.bincount(targets_of([12, 4, 1, 1, 2]), drawn).tolist() == [12, 4, 4, 4, 4]


def test_lp_rus_lowers_sets_to_the_mean_size_and_no_further():
    drawn = repeats("lp_rus", members_of([12, 4, 1, 1, 2]), np.random.default_rng(0), resize_frac=1.0)
    assert np.bincount(targets_of([12, 4, 1, 1, 2]), drawn).tolist() == [4, 4, 1, 1, 2]


@pytest.mark.parametrize(
    ("share", "expected"),
    [(0.05, [12, 3, 2]), (1.0, [12, 3, 3])],  # MeanIR is 17 / 3: 12 / 2 lies above it, 12 / 3 does not
)
def test_ml_ros_draws_a_label_above_the_mean_ratio_until_it_is_no_longer(share, expected):
    drawn = repeats("ml_ros", members_of([12, 3, 1]), np.random.default_rng(0), resize_frac=share)
    assert np.bincount(targets_of([12, 3, 1]), drawn).tolist() == expected


def test_ml_ros_takes_minority_labels_in_turn():
    # Ratios 1, 2.5, 10, 10, mean 5.875; 40 / 7 lies below it. Three draws of 52: one more of the third than the fourth.
    sizes = [40, 16, 4, 4]
    three = repeats("ml_ros", members_of(sizes), np.random.default_rng(0), resize_frac=3 / 64)
    assert np.bincount(targets_of(sizes), three).tolist() == [40, 16, 6, 5]
    every = repeats("ml_ros", members_of(sizes), np.random.default_rng(0), resize_frac=1.0)
    assert np.bincount(targets_of(sizes), every).tolist() == [40, 16, 7, 7]


def test_ml_ros_counts_the_labels_that_come_along():
    # 9 of the first, 1 of the second, always with the first: each draw adds to both, (9 + k) / (1 + k) <= 5 from k = 1.
    drawn = repeats("ml_ros", bearing(*["10"] * 8, "11"), np.random.default_rng(0), resize_frac=1.0)
    assert drawn.tolist() == [1] * 8 + [2]


def test_ml_rus_keeps_tiles_of_minority_labels_and_those_without_labels():
    members = bearing(*["100"] * 30, *["010"] * 10, *["101"] * 2, *["000"] * 5)  # harmonic mean 4.4
    drawn = repeats("ml_rus", members, np.random.default_rng(0), resize_frac=1.0)
    assert drawn[40:].tolist() == [1] * 7
    assert label_imbalance.label_counts(members, drawn).tolist() == [2, 2, 2]


def test_ml_rus_leaves_out_what_is_asked_for_in_proportion():
    members, asked = members_of([600, 300, 10]), 200
    drawn = repeats("ml_rus", members, np.random.default_rng(0), resize_frac=asked / 910)
    left = np.bincount(targets_of([600, 300, 10]), drawn)
    assert left.sum() == 910 - asked
    assert left[2] == 10
    # 200 of 900 without return, of which a third is expected: 66.7, standard deviation 5.9.
    assert abs(300 - left[1] - asked / 3) < 4 * 5.9


def test_single_label_repeats_only_tiles_with_one_label_the_rarest_first():
    members = bearing(*["1000"] * 20, *["0100"] * 6, *["0010"] * 2, *["1110"] * 2, *["0001"] * 2, *["1101"] * 4)
    assert label_imbalance.label_counts(members).tolist() == [26, 12, 4, 6]
    few = repeats("single_label", members, np.random.default_rng(0), resize_frac=2 / 36)
    assert label_imbalance.label_counts(members, few).tolist() == [26, 12, 6, 6]
    more = repeats("single_label", members, np.random.default_rng(0), resize_frac=14 / 36)
    assert label_imbalance.label_counts(members, more).tolist() == [26, 12, 12, 12]
    every = repeats("single_label", members, np.random.default_rng(0), resize_frac=1.0)
    assert label_imbalance.label_counts(members, every)[1:].tolist() == pytest.approx([12 + 22 / 3] * 3, abs=1)
    assert every.sum() == 72
    assert (every[members.sum(axis=1) > 1] == 1).all()
    assert (every[members[:, 0]] == 1).all()


def test_single_label_passes_over_a_label_that_never_stands_alone():
    members = bearing(*["100"] * 8, *["101"] * 2, *["010"] * 4)
    drawn = repeats("single_label", members, np.random.default_rng(0), resize_frac=3 / 14)
    assert label_imbalance.label_counts(members, drawn).tolist() == [10, 7, 2]


@pytest.mark.parametrize("strategy", OF_LABEL_SETS)
@given(
    rows=st.lists(st.lists(st.booleans(), min_size=4, max_size=4), min_size=1, max_size=40),
    share=st.floats(0.01, 1),
    seed=st.integers(0, 2**32),
)
def test_the_total_grows_or_shrinks_by_the_share_at_most(strategy, rows, share, seed):
    members = np.array(rows)
    drawn = repeats(strategy, members, np.random.default_rng(seed), resize_frac=share)
    asked = round(share * len(rows))
    if strategy in REPEATING:
        assert drawn.min() >= 1
        assert len(rows) <= drawn.sum() <= len(rows) + asked
    else:
        assert set(drawn.tolist()) <= {0, 1}
        assert len(rows) - asked <= drawn.sum() <= len(rows)
    assert ((label_imbalance.label_counts(members, drawn) > 0) == (label_imbalance.label_counts(members) > 0)).all()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_tiles_without_any_label_alone_are_drawn_as_they_are(strategy):
    assert repeats(strategy, bearing("00", "00", "00"), np.random.default_rng(0)).tolist() == [1, 1, 1]


def long_tail(images: int = 3000, count: int = 30, seed: int = 0) -> Array:
    """Return labels with shares 1 / 2, 1 / 4, 1 / 6 ..., which come together by chance: 2 on each tile on average."""
    return np.random.default_rng(seed).random((images, count)) < 0.5 / np.arange(1, count + 1)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_the_generator_alone_decides(strategy):
    members = long_tail()
    one, same, other = (repeats(strategy, members, np.random.default_rng(seed)).tolist() for seed in (0, 0, 1))
    assert one == same
    assert (one != other) == (strategy != "none")


@pytest.mark.parametrize("strategy", [name for name in STRATEGIES if name != "none"])
@pytest.mark.parametrize("seed", range(3))
def test_every_strategy_lowers_the_mean_ratio_of_a_long_tail(strategy, seed):
    members = long_tail(seed=seed)
    drawn = repeats(strategy, members, np.random.default_rng(seed), resize_frac=0.25)
    before, after = (
        label_imbalance.mean_imbalance_ratio(label_imbalance.label_counts(members, times)) for times in (None, drawn)
    )
    assert after < 0.9 * before


@pytest.mark.parametrize("seed", range(3))
def test_oversampling_single_labels_alone_drives_out_tiles_with_several(seed):
    """What it does to tiles with several labels, next to strategies that draw these again too."""
    members = long_tail(seed=seed)
    several = members.sum(axis=1) > 1
    share, company, concurrence = {}, {}, {}
    for strategy in ("none", "single_label", "lp_ros", "ml_ros"):
        drawn = repeats(strategy, members, np.random.default_rng(seed), resize_frac=0.25)
        share[strategy] = drawn[several].sum() / drawn.sum()
        company[strategy] = (
            label_imbalance.pairs(members, drawn).sum() / label_imbalance.label_counts(members, drawn).sum()
        )
        concurrence[strategy] = label_imbalance.scumble(members, drawn)
    # A quarter more draws, none of them with several labels: the share falls to that over 1.25.
    assert share["single_label"] == pytest.approx(share["none"] / 1.25)
    assert company["single_label"] < 0.95 * company["none"]
    assert concurrence["single_label"] < 0.8 * concurrence["none"]
    for strategy in ("lp_ros", "ml_ros"):
        assert share[strategy] > share["none"] > share["single_label"]
        assert company[strategy] > company["none"] > company["single_label"]
        assert concurrence[strategy] > concurrence["single_label"]
