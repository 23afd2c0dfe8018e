"""Parts of train: stratified, nested, whole units, and no class left out."""

import itertools
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from counterpoise.dataset import subsampling

FRACTIONS = (0.01, 0.125, 0.25, 0.5, 0.75, 1.0)


def table_of(counts: dict[str, int]) -> pd.DataFrame:
    cells = [cell for cell, count in counts.items() for _ in range(count)]
    order = np.random.default_rng(0).permutation(len(cells))
    return pd.DataFrame(
        {"image_id": [f"i{row:04d}" for row in range(len(cells))], "labels": [cells[index] for index in order]}
    )


def alone(table: pd.DataFrame) -> dict[str, str]:
    return {image: image for image in table["image_id"]}


def borne(table: pd.DataFrame, rows: np.ndarray) -> Counter[str]:
    return Counter(table["labels"].iloc[rows])


@pytest.mark.parametrize("seed", range(3))
def test_each_class_gives_its_share(seed: int) -> None:
    table = table_of({"a": 400, "b": 80, "c": 16})
    for fraction in FRACTIONS[1:]:
        found = borne(table, subsampling.choose(table, alone(table), fraction, seed))
        assert found == {name: round(count * fraction) for name, count in (("a", 400), ("b", 80), ("c", 16))}


def test_shares_that_are_no_whole_numbers_are_right_on_average() -> None:
    table = table_of({"a": 7, "b": 50})
    sizes = [borne(table, subsampling.choose(table, alone(table), 0.5, seed))["a"] for seed in range(400)]
    assert set(sizes) == {3, 4}
    assert np.mean(sizes) == pytest.approx(3.5, abs=0.1)


@pytest.mark.parametrize("seed", range(5))
def test_a_smaller_part_lies_within_a_larger_one_and_all_is_all(seed: int) -> None:
    table = table_of({"a": 91, "b": 13, "c": 1, "a|b": 7, "b|c": 3, "": 5})
    parts = [set(subsampling.choose(table, alone(table), fraction, seed).tolist()) for fraction in FRACTIONS]
    for smaller, larger in itertools.pairwise(parts):
        assert smaller <= larger
    assert parts[-1] == set(range(len(table)))
    assert len(parts[0]) < len(parts[1]) < len(parts[2])


@pytest.mark.parametrize("seed", range(5))
def test_no_class_is_left_out_however_rare(seed: int) -> None:
    table = table_of({"a": 300, "b": 2, "a|c": 1, "": 40})
    rows = subsampling.choose(table, alone(table), 0.01, seed)
    assert {name for cell in table["labels"].iloc[rows] for name in cell.split("|")} >= {"a", "b", "c"}
    assert len(rows) <= 7


def test_units_are_taken_whole_with_all_their_tiles() -> None:
    table = pd.DataFrame({"image_id": [f"i{row // 3:02d}" for row in range(120)], "labels": ["a", "b"] * 60})
    table["labels"] = np.where(table["image_id"] < "i20", "a", "b")
    units = {image: f"unit{int(image[1:]) // 2}" for image in table["image_id"]}
    rows = subsampling.choose(table, units, 0.4, seed=0)
    own = table["image_id"].map(units)
    assert set(own.iloc[rows]) == {unit for unit in set(own) if unit in set(own.iloc[rows])}
    assert len(rows) == sum(own.isin(set(own.iloc[rows])))
    assert len(set(own.iloc[rows])) == 8  # 4 of 10 units of each class


def test_the_seed_decides_and_the_order_of_rows_does_not() -> None:
    table = table_of({"a": 60, "b": 20})

    def images(table: pd.DataFrame, seed: int) -> set[str]:
        return set(table["image_id"].iloc[subsampling.choose(table, alone(table), 0.5, seed)])

    assert images(table, 0) == images(table.sample(frac=1, random_state=1), 0) != images(table, 1)


@pytest.mark.parametrize("fraction", [0.0, -0.1, 1.01])
def test_a_share_out_of_range_is_refused(fraction: float) -> None:
    with pytest.raises(ValueError, match=r"train\.fraction is .*expected a number in \(0, 1\]"):
        subsampling.choose(table_of({"a": 2}), {}, fraction, 0)
