"""Who goes where: shares, groups, duplicates, balance, and what a person is told."""

from collections.abc import Iterable, Sequence
from itertools import combinations
from pathlib import Path
from time import perf_counter
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from counterpoise import config
from counterpoise.artifacts import boxes, classes, clusters, manifest, positive, splits, thumbnails
from counterpoise.stages import split

Array = np.ndarray[Any, Any]

SIDE = 32
NO_PAIRS = np.empty((0, 2), dtype=np.int64)


def params(*, balance: bool = False, val_frac: float = 0.2, test_frac: float = 0.2) -> split.Split:
    duplicates = split.Duplicates(max_distance=8, min_correlation=0.98)
    whole = split.Blocks(size_px=None, guard_px=0)
    return split.Split(val_frac=val_frac, test_frac=test_frac, balance=balance, blocks=whole, duplicates=duplicates)


def table_of(
    labels: Sequence[str] | Array,
    groups: Iterable[object] | None = None,
    sha256: Iterable[str] | None = None,
    raw_labels: Iterable[str] | None = None,
) -> pd.DataFrame:
    n = len(labels)
    ids = [f"image{row:05d}.png" for row in range(n)]
    return pd.DataFrame(
        {
            "image_id": ids,
            "path": [f"data/raw/{name}" for name in ids],
            "labels": list(labels),
            "raw_labels": list(labels) if raw_labels is None else list(raw_labels),
            "group": ids if groups is None else [str(group) for group in groups],
            "split": "",
            "width_px": 64,
            "height_px": 64,
            "sha256": ids if sha256 is None else list(sha256),
        }
    )


def classes_of(table: pd.DataFrame) -> classes.Classes:
    counts = table["labels"].value_counts().sort_values(ascending=False, kind="stable")
    return classes.Classes(tuple(counts.index), tuple(int(count) for count in counts), len(table))


def read_params(
    *, seed: int, task: str = "multiclass", chosen: split.Split | None = None, **named: Any
) -> split.Params:
    """Make the parameters of the stage; `named` are those that name classes."""
    stated = {"positive": None, "costs": {}, "target": "natural", "subclasses": {}} | named
    sections = {
        "evaluate": {"positive": stated["positive"]},
        "decide": {"costs": stated["costs"], "target": stated["target"]},
        "model": {"subclasses": stated["subclasses"]},
    }
    shares = params() if chosen is None else chosen
    return split.Params.model_validate({"task": task, "seed": seed, "split": shares, **sections})


def pictures_of(n: int, seed: int = 0) -> Array:
    """Return unlike pictures: coarse random fields, blown up."""
    coarse = np.random.default_rng(seed).integers(40, 216, (n, 8, 8), dtype=np.uint8)
    return coarse.repeat(SIDE // 8, axis=1).repeat(SIDE // 8, axis=2)


def noisy(picture: Array, seed: int = 0) -> Array:
    noise = np.random.default_rng(seed).integers(-3, 4, picture.shape)
    return (picture.astype(int) + noise).clip(0, 255).astype(np.uint8)


def assign(
    table: pd.DataFrame,
    chosen: split.Split | None = None,
    *,
    seed: int = 0,
    crossing: Array = NO_PAIRS,
    copies: Array | None = None,
    pictures: Array | None = None,
) -> split.Assigned:
    """Assign as the stage does; without pictures no two images are alike."""
    chosen = params() if chosen is None else chosen
    if pictures is None:
        pictures = pictures_of(len(table))
    units, found = split.find_units(table, pictures, chosen.duplicates)
    crossing = crossing if len(crossing) else found
    copies = np.arange(len(table)) if copies is None else copies
    return split.assign(table, classes_of(table), units, crossing, copies, chosen, seed, task="multiclass")


def counts_of(result: split.Assigned, table: pd.DataFrame, side: str) -> list[int]:
    names = classes_of(table).names
    return [int(((result.splits["split"] == side) & (table["labels"] == name)).sum()) for name in names]


def sides_of(result: split.Assigned, rows: Iterable[int]) -> set[str]:
    return set(result.splits["split"].iloc[list(rows)]) - {"unused"}


def test_every_class_is_split_by_the_shares():
    table = table_of(["plain"] * 200 + ["solar"] * 10)
    result = assign(table)
    assert [counts_of(result, table, side) for side in ("train", "val", "test")] == [[120, 6], [40, 2], [40, 2]]
    assert result.warnings == ()


def test_what_a_class_was_merged_from_is_split_by_the_shares_too():
    raw = ["sure"] * 50 + ["likely"] * 10 + ["broken"] * 40
    table = table_of(["fine"] * 60 + ["broken"] * 40, raw_labels=raw)
    result = assign(table)
    for label, count in (("sure", 50), ("likely", 10), ("broken", 40)):
        sides = result.splits.loc[table["raw_labels"] == label, "split"].value_counts()
        assert sides.to_dict() == {"train": 0.6 * count, "val": 0.2 * count, "test": 0.2 * count}


def test_labels_too_few_to_be_everywhere_are_dealt_as_the_class_that_they_were_merged_to():
    raw = [f"only{row}" for row in range(20)] + ["usual"] * 80
    table = table_of(["other"] * 20 + ["usual"] * 80, raw_labels=raw)
    assert [counts_of(assign(table), table, side) for side in ("train", "val", "test")] == [[48, 12], [16, 4], [16, 4]]


def test_every_image_is_assigned_once_in_the_order_of_the_manifest():
    table = table_of(["a"] * 30 + ["b"] * 10)
    result = assign(table)
    assert result.splits["image_id"].tolist() == table["image_id"].tolist()
    assert set(result.splits["split"]) == {"train", "val", "test"}


@settings(max_examples=25, deadline=None)
@given(
    images=st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 15)), min_size=10, max_size=60),
    balance=st.booleans(),
    seed=st.integers(0, 100),
)
def test_groups_never_straddle(images, balance, seed):
    table = table_of([label for label, _ in images], groups=[group for _, group in images])
    ids = table["image_id"].to_numpy()
    first = table.groupby("group")["image_id"].transform("first")
    units = pd.DataFrame({"image_id": ids, "unit": first, "centre": ids, "kind": "single", "correlation": 1.0})
    result = split.assign(
        table, classes_of(table), units, NO_PAIRS, np.arange(len(ids)), params(balance=balance), seed, task="multiclass"
    )
    for rows in table.groupby("group").indices.values():
        assert len(sides_of(result, rows)) <= 1


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 12)), min_size=3, max_size=30),
    shares=st.sampled_from([(0.2, 0.2), (0.05, 0.05), (0.3, 0.55)]),
    seed=st.integers(0, 100),
)
def test_a_class_of_three_groups_is_in_every_split_and_one_of_a_single_group_in_train(groups, shares, seed):
    labels = [label for label, size in groups for _ in range(size)]
    table = table_of(labels, groups=[number for number, (_, size) in enumerate(groups) for _ in range(size)])
    chosen = params(val_frac=shares[0], test_frac=shares[1])
    copies = np.arange(len(table))
    result = split.assign(table, classes_of(table), by_group(table), NO_PAIRS, copies, chosen, seed, task="multiclass")
    for name in set(labels):
        units = sum(label == name for label, _ in groups)
        sides = set(result.splits.loc[table["labels"] == name, "split"])
        assert sides >= [{"train"}, {"train", "test"}, {"train", "val", "test"}][min(units, 3) - 1]
        assert (name in result.absent) == (len(sides) < 3)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(
        st.tuples(st.sets(st.sampled_from("abcde"), min_size=1), st.integers(1, 5)), min_size=6, max_size=20
    ),
    seed=st.integers(0, 100),
)
def test_labels_that_a_split_lacks_are_named_and_train_lacks_none(groups, seed):
    cells = ["|".join(sorted(labels)) for labels, size in groups for _ in range(size)]
    table = table_of(cells, groups=[number for number, (_, size) in enumerate(groups) for _ in range(size)])
    names = sorted({label for labels, _ in groups for label in labels})
    counts = tuple(sum(name in cell for cell in cells) for name in names)
    result = assign_labels(table, classes.Classes(tuple(names), counts, len(cells)), seed)
    for name in names:
        sides = set(result.splits.loc[[name in cell for cell in cells], "split"])
        assert "train" in sides
        assert (name in result.absent) == (len(sides) < 3)


def test_exact_and_near_duplicates_never_straddle():
    base = pictures_of(60)
    pictures = np.concatenate([base, base[:30], np.stack([noisy(picture, row) for row, picture in enumerate(base)])])
    sha256 = [f"file{row}" for row in (*range(60), *range(30), *range(60, 120))]
    table = table_of((["a", "b", "b"] * 50), sha256=sha256)
    for seed in range(3):
        result = assign(table, pictures=pictures, seed=seed)
        for row in range(60):
            alike = [row, 90 + row] + ([60 + row] if row < 30 else [])
            assert len(sides_of(result, alike)) == 1
    kinds = result.clusters["kind"]
    assert kinds.value_counts().to_dict() == {"exact": 60, "near": 90}
    assert (result.clusters["correlation"] >= 0.98).all()


def test_groups_and_duplicates_join_into_one_unit():
    pictures = pictures_of(20)
    pictures[5] = pictures[0]
    table = table_of(["a"] * 20, groups=[*([0] * 5), *([1] * 5), *range(2, 12)])
    result = assign(table, pictures=pictures)
    assert len(sides_of(result, range(10))) == 1
    assert set(result.clusters["unit"][:10]) == {"image00000.png"}


def chains(count: int, length: int = 6, seed: int = 0) -> Array:
    """Return chains of pictures in which neighbours are near duplicates, and those two steps apart are not."""
    rng = np.random.default_rng(seed)
    pictures = []
    for _ in range(count):
        u, v = np.linalg.qr(rng.normal(size=(64, 2)))[0].T
        for step in range(length):
            angle = np.deg2rad(8 * step)
            field = (np.cos(angle) * u + np.sin(angle) * v).reshape(8, 8)
            pictures.append((128 + 250 * field).clip(0, 255).round().astype(np.uint8))
    coarse = np.stack(pictures)
    return coarse.repeat(4, axis=1).repeat(4, axis=2)


@pytest.mark.parametrize("balance", [False, True])
def test_near_duplicates_in_two_clusters_never_straddle_and_one_is_set_aside(balance):
    pictures = chains(40)
    table = table_of(["a", "a", "b"] * 80)
    units, crossing = split.find_units(table, pictures, params().duplicates)
    assert len(crossing) > 20
    result = assign(table, params(balance=balance), pictures=pictures)
    assert all(len(sides_of(result, pair)) <= 1 for pair in crossing.tolist())
    assert (result.splits["split"] == "unused").any()
    assert any("images are unused, because near duplicates" in warning for warning in result.warnings)
    assert units["unit"].nunique() > 40


def test_of_a_crossing_pair_the_train_image_is_set_aside_with_all_its_copies():
    table = table_of(["a"] * 40, groups=[0, 0, 0, *range(1, 38)])
    sides = assign(table).splits["split"]
    train, test = sides[0], sides.tolist().index("test")
    assert train == "train"  # the largest unit comes first
    copies = np.arange(40)
    copies[1] = 0  # images 0 and 1 look the same, 2 does not
    result = assign(table, crossing=np.array([[0, test]]), copies=copies)
    assert result.splits["split"].tolist() == ["unused", "unused", *sides[2:]]
    assert result.warnings == ("2 images are unused, because near duplicates are in another split",)


def test_a_crossing_pair_on_one_side_is_left_alone():
    table = table_of(["a"] * 40)
    sides = assign(table).splits["split"].tolist()
    pair = [row for row, side in enumerate(sides) if side == "val"][:2]
    assert assign(table, crossing=np.array([pair])).splits["split"].tolist() == sides


def test_balance_gives_train_and_val_equal_classes_and_test_the_rest():
    table = table_of(["plain"] * 200 + ["solar"] * 50 + ["wind"] * 20)
    result = assign(table, params(balance=True))
    assert counts_of(result, table, "train") == [12, 12, 12]
    assert counts_of(result, table, "val") == [4, 4, 4]
    assert counts_of(result, table, "test") == [184, 34, 4]


@settings(max_examples=40, deadline=None)
@given(
    counts=st.lists(st.integers(1, 60), min_size=2, max_size=5),
    val_frac=st.sampled_from([0.1, 0.15, 0.2, 0.3]),
    test_frac=st.sampled_from([0.1, 0.15, 0.2, 0.4]),
)
def test_balancing_single_images_leaves_none_unused(counts, val_frac, test_frac):
    table = table_of(np.repeat([f"c{index}" for index in range(len(counts))], counts))
    ids = table["image_id"]
    units = pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    chosen = params(balance=True, val_frac=val_frac, test_frac=test_frac)
    result = split.assign(table, classes_of(table), units, NO_PAIRS, np.arange(len(ids)), chosen, 0, task="multiclass")
    assert (result.splits["split"] != "unused").all()
    for side, share in (("train", 1 - val_frac - test_frac), ("val", val_frac)):
        drawn = set(counts_of(result, table, side))
        assert len(drawn) == 1
        tight = min(counts) >= 3 and min(val_frac, test_frac) * min(counts) < 1  # one image for each comes first
        assert abs(drawn.pop() - share * min(counts)) < 1 + tight


@pytest.mark.parametrize("seed", range(5))
def test_balance_is_exact_with_groups_and_crossing_duplicates_too(seed):
    rng = np.random.default_rng(seed)
    table = table_of(rng.choice(["a", "b", "c"], p=[0.6, 0.3, 0.1], size=240), groups=rng.integers(0, 80, 240))
    pairs = rng.integers(0, 240, (12, 2))
    result = assign(table, params(balance=True), seed=seed, crossing=pairs)
    for side in ("train", "val"):
        assert len(set(counts_of(result, table, side))) == 1
    assert all(len(sides_of(result, pair)) <= 1 for pair in pairs.tolist())


def test_a_class_that_is_too_small_for_every_split_is_named():
    result = assign(table_of(["plain"] * 50 + ["solar"] * 2))
    assert len(result.warnings) == 1
    assert result.warnings[0].startswith("1 class is absent from a split: 'solar' is not in val (it has only 2 images)")
    assert counts_of(result, table_of(["plain"] * 50 + ["solar"] * 2), "test") == [10, 1]


def test_a_class_in_one_group_is_named_with_its_images_and_the_group():
    groups = [f"{row}" for row in range(50)] + ["one"] * 20
    result = assign(table_of(["plain"] * 50 + ["ok"] * 20, groups=groups))
    assert "'ok' is not in val and test (its 20 images are all in group 'one')" in result.warnings[0]


def test_a_class_of_copies_of_one_image_is_named_with_that_reason():
    pictures = pictures_of(30)
    pictures[22:] = pictures[22]
    same = [*range(22), *[22] * 8]
    table = table_of(["ok"] * 22 + ["bad"] * 8, sha256=[f"file{number}" for number in same])
    warnings = assign(table, pictures=pictures).warnings
    assert "'bad' is not in val and test (its 8 images are copies of one image, 'image00022.png')" in warnings[0]


def test_a_large_cluster_warns_and_says_where_to_look():
    pictures = pictures_of(30)
    pictures[:10] = pictures[0]
    warnings = assign(table_of(["a"] * 30), pictures=pictures).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("10 images count as duplicates of 'image00000.png'; check them in data/clusters.csv")


def test_nine_duplicates_do_not_warn():
    pictures = pictures_of(30)
    pictures[:9] = pictures[0]
    assert assign(table_of(["a"] * 30), pictures=pictures).warnings == ()


@pytest.mark.parametrize("balance", [False, True])
def test_the_same_seed_gives_the_same_split_and_another_another(balance):
    table = table_of(["a"] * 60 + ["b"] * 20)
    one, same, other = (assign(table, params(balance=balance), seed=seed).splits for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


def test_where_each_image_stands_alone_the_order_of_the_rows_does_not_matter():
    table = table_of(["a"] * 60 + ["b"] * 20)
    order = np.random.default_rng(0).permutation(80)
    straight = assign(table).splits
    names = classes_of(table)
    mixed = table.iloc[order].reset_index(drop=True)
    units, crossing = split.find_units(mixed, pictures_of(80)[order], params().duplicates)
    shuffled = split.assign(mixed, names, units, crossing, np.arange(80), params(), 0, task="multiclass").splits
    pd.testing.assert_frame_equal(shuffled.sort_values("image_id", ignore_index=True), straight)


def test_many_small_classes_share_one_warning():
    table = table_of(["plain"] * 90 + [f"c{index:02d}" for index in range(25)])
    warnings = assign(table).warnings
    assert len(warnings) == 1
    assert warnings[0].startswith("25 classes are absent from a split: 'c00' is not in val and test (it has only 1")
    assert "'c19' is not in" in warnings[0]
    assert "'c20'" not in warnings[0]
    assert "; and 5 more. Images of one group" in warnings[0]


# Many labels per image.


def long_tail(images: int = 3000, count: int = 52, seed: int = 0) -> tuple[pd.DataFrame, Array, classes.Classes]:
    """Return groups of 1 to 8 images, in which labels are alike; 52 labels from a half down to a hundredth."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(images), rng.integers(1, 9, images))[:images]
    share = 0.5 / np.arange(1, count + 1)
    of_group = rng.random((images, count)) < share
    members = np.where(rng.random((images, 1)) < 0.7, of_group[group], rng.random((images, count)) < share)
    names = [f"mark{index:02d}" for index in range(count)]
    table = table_of(["|".join(np.array(names)[row]) for row in members], groups=group)
    return table, members, classes.Classes(tuple(names), tuple(map(int, members.sum(axis=0))), images)


def by_group(table: pd.DataFrame) -> pd.DataFrame:
    """Return units as the stage finds them where no two images are alike."""
    ids = table["image_id"]
    first = table.groupby("group")["image_id"].transform("first")
    return pd.DataFrame({"image_id": ids, "unit": first, "centre": ids, "kind": "single", "correlation": 1.0})


def assign_labels(table: pd.DataFrame, found: classes.Classes, seed: int = 0) -> split.Assigned:
    copies = np.arange(len(table))
    return split.assign(table, found, by_group(table), NO_PAIRS, copies, params(), seed, task="multilabel")


def shares_of(sides: Array, members: Array) -> Array:
    """Return which share of the images of each label lies in train, val, test; the last row is of those without."""
    columns = np.column_stack([members, ~members.any(axis=1)])
    counts: Array = np.stack([columns[sides == side].sum(axis=0) for side in ("train", "val", "test")], axis=1)
    return np.asarray(counts / counts.sum(axis=1, keepdims=True))


WANTED = np.array([0.6, 0.2, 0.2])


@pytest.mark.parametrize("seed", range(3))
def test_every_label_of_a_long_tail_is_split_by_the_shares_in_groups_too(seed):
    table, members, found = long_tail(seed=seed)
    assert min(found.counts) < 60
    assert 50 < (~members.any(axis=1)).sum() < 500
    sides = assign_labels(table, found, seed).splits["split"].to_numpy()
    off = np.abs(shares_of(sides, members) - WANTED)
    counts = np.array([*found.counts, (~members.any(axis=1)).sum()])
    assert (off * counts[:, None] < 8).all()  # images; as large as a group
    rng = np.random.default_rng(seed)
    chance = []
    for _ in range(20):
        of_group = rng.choice(["train", "val", "test"], p=WANTED, size=3000)
        chance.append(np.abs(shares_of(of_group[table["group"].astype(int)], members) - WANTED).mean())
    assert off.mean() < 0.2 * np.mean(chance)
    assert (np.abs(pd.Series(sides).value_counts(normalize=True)[["train", "val", "test"]] - WANTED) < 0.005).all()


def test_single_images_with_many_labels_meet_every_label_within_two_and_spread_evenly():
    table, members, found = long_tail()
    table["group"] = table["image_id"]
    sides = assign_labels(table, found).splits["split"].to_numpy()
    counts = np.array([*found.counts, (~members.any(axis=1)).sum()])
    assert (np.abs(shares_of(sides, members) - WANTED) * counts[:, None] < 2).all()
    assert pd.Series(sides).value_counts().to_dict() == pytest.approx({"train": 1800, "val": 600, "test": 600}, abs=2)
    each = [members[sides == side].sum(axis=1).mean() for side in ("train", "val", "test")]
    assert each == pytest.approx([members.sum(axis=1).mean()] * 3, rel=0.02)


def test_groups_of_images_with_many_labels_never_straddle_and_every_image_is_in_one_split():
    table, _, found = long_tail()
    result = assign_labels(table, found)
    assert result.splits["image_id"].tolist() == table["image_id"].tolist()
    assert set(result.splits["split"]) == {"train", "val", "test"}
    assert (result.splits.groupby(table["group"])["split"].nunique() == 1).all()


def test_images_without_any_label_are_split_by_the_shares():
    table = table_of(["a|b"] * 10 + ["a"] * 40 + [""] * 100)
    found = classes.Classes(("a", "b"), (50, 10), 150)
    sides = assign_labels(table, found).splits["split"]
    assert sides[50:].value_counts().to_dict() == {"train": 60, "val": 20, "test": 20}
    assert sides[:10].value_counts().to_dict() == {"train": 6, "val": 2, "test": 2}


def test_labels_that_are_too_small_are_named():
    table = table_of(["a|b"] * 2 + ["a"] * 40)
    warnings = assign_labels(table, classes.Classes(("a", "b"), (42, 2), 42)).warnings
    assert [warning.partition(". ")[0] for warning in warnings] == [
        "1 class is absent from a split: 'b' is not in val (it has only 2 images)"
    ]


def test_one_label_per_image_is_split_alike_by_either_task():
    table = table_of(["plain"] * 60 + ["solar"] * 20 + ["wind"] * 9, groups=np.arange(89) // 2)
    found = classes_of(table)
    one, many = (
        split.assign(table, found, by_group(table), NO_PAIRS, np.arange(89), params(), 0, task=task)
        for task in ("multiclass", "multilabel")
    )
    pd.testing.assert_frame_equal(one.splits, many.splits)


def test_the_seed_decides_with_many_labels_too():
    table, _, found = long_tail()
    one, same, other = (assign_labels(table, found, seed).splits for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(one, same)
    assert not one.equals(other)


@pytest.mark.slow
def test_a_thousand_labels_and_a_hundred_thousand_images_take_less_than_a_minute():
    table, _, found = long_tail(images=100_000, count=1000)
    start = perf_counter()
    assign_labels(table, found)
    assert perf_counter() - start < 60


@pytest.fixture
def repository(tmp_path: Path) -> SimpleNamespace:
    table = table_of(["plain"] * 60 + ["solar"] * 20)
    pictures = pictures_of(80)
    pictures[1] = noisy(pictures[0])
    manifest.write(tmp_path, table)
    classes.write(tmp_path, classes_of(table))
    thumbnails.write(tmp_path, pictures)
    return SimpleNamespace(root=tmp_path, table=table)


def test_main_writes_what_the_pure_functions_say(repository, capsys):
    split.main(repository.root, read_params(seed=3))
    written, found = splits.read(repository.root), clusters.read(repository.root)
    assert written["split"].value_counts().to_dict() == {"train": 48, "val": 16, "test": 16}
    assert written["split"][0] == written["split"][1]
    assert found["kind"].value_counts().to_dict() == {"single": 78, "near": 2}
    assert capsys.readouterr().out.startswith("train 48, val 16, test 16, unused 0\nclass that matters: ")


def test_few_test_images_are_told_in_one_line_the_rarest_class_first(tmp_path, capsys):
    table = table_of(["a"] * 60 + ["b"] * 40 + ["c"] * 10 + ["d"] * 15 + ["e"] * 20)
    manifest.write(tmp_path, table)
    classes.write(tmp_path, classes_of(table))
    thumbnails.write(tmp_path, pictures_of(len(table)))
    split.main(tmp_path, read_params(seed=0))
    assert capsys.readouterr().err.splitlines() == [
        "WARNING: fewer than 10 test images: 'c' 2, 'd' 3, 'e' 4 and 1 more; that is enough to check that data load "
        "and to find wrong labels, but not to compare remedies; label more images"
    ]


def test_main_gives_equal_bytes_twice(repository):
    texts = []
    for _ in range(2):
        split.main(repository.root, read_params(seed=3))
        texts.append([(repository.root / path).read_bytes() for path in (splits.PATH, clusters.PATH)])
    assert texts[0] == texts[1]


def test_shares_that_leave_nothing_to_train_on_are_refused(repository):
    with pytest.raises(config.InputError, match=r"split.val_frac \+ split.test_frac leave no images for train"):
        split.main(repository.root, read_params(seed=0, chosen=params(val_frac=0.5, test_frac=0.5)))


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ({"positive": "Solar"}, r"evaluate\.positive is 'Solar'; expected one of .*; did you mean 'solar'\?"),
        ({"costs": {"solr": {"plain": 2.0}}}, r"decide\.costs names 'solr', which is no class; .* mean 'solar'\?"),
        ({"costs": {"solar": {"plane": 2.0}}}, r"decide\.costs names 'plane', which is no class; .* mean 'plain'\?"),
        ({"costs": {"solr": {}}}, r"decide\.costs names 'solr', which is no class"),
        ({"target": {"solar": 0.1, "plane": 0.9}}, r"decide\.target names 'plane', which is no class; .* 'plain'\?"),
        ({"target": {"solar": 1.0}}, r"decide\.target states no share for class 'plain'"),
        ({"subclasses": {"solr": 3}}, r"model\.subclasses names 'solr', which is no class; .* mean 'solar'\?"),
    ],
)
def test_a_parameter_that_names_no_class_is_refused_before_the_search_for_duplicates(repository, named, message):
    (repository.root / thumbnails.PATH).unlink()
    with pytest.raises(config.InputError, match=message):
        split.main(repository.root, read_params(seed=0, **named))


def test_costs_of_many_labels_are_checked_by_label_and_error(tmp_path):
    write(tmp_path, table_of(["a|b"] * 20 + ["a"] * 40), classes.Classes(("a", "b"), (60, 20), 60))
    for costs, message in (({"c": {"missed": 2.0}}, "names 'c', which is no class"), ({"a": {"mist": 1.0}}, "'mist'")):
        with pytest.raises(config.InputError, match=message):
            split.main(tmp_path, read_params(seed=0, task="multilabel", costs=costs))


def test_everything_in_one_group_is_refused_and_the_clusters_are_there_to_look_at(tmp_path):
    write(tmp_path, table_of(["plain"] * 12 + ["solar"] * 6, groups=["site"] * 18))
    with pytest.raises(config.InputError, match=r"left for val and test: the 18 images are all in group 'site', "):
        split.main(tmp_path, read_params(seed=0))
    assert clusters.read(tmp_path)["unit"].nunique() == 1
    assert not (tmp_path / splits.PATH).exists()


@pytest.mark.parametrize("shares", [(0.2, 0.2), (0.3, 0.55)])
def test_a_class_in_one_group_goes_to_train_and_the_other_of_two_cannot_be_measured(tmp_path, shares, capsys):
    write(tmp_path, table_of(["plain"] * 18 + ["solar"] * 6, groups=[*range(18), *["site"] * 6]))
    chosen = params(val_frac=shares[0], test_frac=shares[1])
    with pytest.raises(config.InputError, match=r"no class can be measured: .*'solar': its 6 images .* group 'site'"):
        split.main(tmp_path, read_params(seed=0, chosen=chosen))
    assert "'solar' is not in val and test" in capsys.readouterr().err
    with pytest.raises(config.InputError, match=r"evaluate.positive is 'solar', but val has no image of it: its 6 im"):
        split.main(tmp_path, read_params(seed=0, chosen=chosen, positive="solar"))


def test_with_a_class_in_one_group_another_one_of_three_matters(tmp_path, capsys):
    groups = [*range(60), *["site"] * 6]
    write(tmp_path, table_of(["plain"] * 35 + ["wind"] * 25 + ["solar"] * 6, groups=groups))
    split.main(tmp_path, read_params(seed=0))
    found = positive.read(tmp_path)
    assert found.name == "wind"
    assert "rarer, but in fewer: solar" in found.reason
    assert f"class that matters: wind, {found.reason}" in capsys.readouterr().out


def test_six_classes_of_three_groups_of_ten_are_in_all_splits_without_a_warning(tmp_path, capsys):
    rows = [(f"class{index}", f"{index}/{group}") for index in range(6) for group in range(3) for _ in range(10)]
    write(tmp_path, table_of([label for label, _ in rows], groups=[group for _, group in rows]))
    split.main(tmp_path, read_params(seed=0))
    assert capsys.readouterr().err == ""
    assert splits.read(tmp_path)["split"].value_counts().to_dict() == {"train": 60, "val": 60, "test": 60}


def write(root: Path, table: pd.DataFrame, found: classes.Classes | None = None, pictures: Array | None = None) -> None:
    """Write what the stage reads."""
    manifest.write(root, table)
    classes.write(root, classes_of(table) if found is None else found)
    thumbnails.write(root, pictures_of(len(table)) if pictures is None else pictures)


def with_split(labels: Sequence[str], sides: Sequence[str], groups: Iterable[object] | None = None) -> pd.DataFrame:
    return table_of(labels, groups=groups).assign(split=list(sides))


PLAIN = ["plain"] * 60 + ["solar"] * 40
EACH = ["train", "train", "val", "test", "test"]


def test_a_split_that_the_labels_give_is_kept(tmp_path, capsys):
    table = with_split(PLAIN, EACH * 20)
    write(tmp_path, table)
    split.main(tmp_path, read_params(seed=0))
    assert splits.read(tmp_path)["split"].tolist() == EACH * 20
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("replaced", "expected"),
    [
        ({"val": "train"}, {"train": 45, "val": 15, "test": 40}),
        ({"test": "train"}, {"train": 60, "val": 20, "test": 20}),
        ({"val": "train", "test": "train"}, {"train": 60, "val": 20, "test": 20}),
        ({"val": "", "train": ""}, {"train": 45, "val": 15, "test": 40}),
        ({"train": "", "test": ""}, {"train": 60, "val": 20, "test": 20}),
    ],
)
def test_what_a_given_split_lacks_is_cut_from_train_in_proportion_and_said(tmp_path, replaced, expected, capsys):
    sides = [replaced.get(side, side) for side in EACH * 20]
    table = with_split(PLAIN, sides)
    write(tmp_path, table)
    split.main(tmp_path, read_params(seed=0))
    written = splits.read(tmp_path)["split"]
    assert written.value_counts().to_dict() == expected
    kept = [row for row, side in enumerate(sides) if side in ("val", "test")]
    assert written[kept].tolist() == [sides[row] for row in kept]
    for name, count in (("plain", 60), ("solar", 40)):
        assert (written[table["labels"] == name] == "train").sum() == expected["train"] * count / 100
    assert "cut from train" in capsys.readouterr().err


def test_images_without_a_split_follow_their_group_or_go_to_train(tmp_path, capsys):
    groups = [*["a", "a", "b", "b"], *range(96)]
    table = with_split(PLAIN, ["test", "", "", "", *["train", "val", "test"] * 32], groups=groups)
    write(tmp_path, table)
    split.main(tmp_path, read_params(seed=0))
    assert splits.read(tmp_path)["split"][:4].tolist() == ["test", "test", "train", "train"]
    assert "2 images have no split of their own, and go to train" in capsys.readouterr().err


def test_leaks_of_a_given_split_are_counted_and_the_split_is_kept(tmp_path, capsys):
    pictures = pictures_of(100)
    pictures[3] = noisy(pictures[0])
    table = with_split(PLAIN, EACH * 20, groups=[*range(8), 6, *range(9, 100)])
    write(tmp_path, table, pictures=pictures)
    split.main(tmp_path, read_params(seed=0))
    said = capsys.readouterr().err
    assert "your own split leaks: 1 of 40 images of test share a group with images of another split" in said
    assert "'image00006.png' (train) and 'image00008.png' (test)" in said
    assert "1 of 40 images of test are copies or near duplicates of images of another split" in said
    assert "'image00000.png' (train) and 'image00003.png' (test)" in said
    assert splits.read(tmp_path)["split"].tolist() == EACH * 20


def test_a_class_of_test_that_a_given_train_lacks_is_refused(tmp_path):
    sides = ["train", "val", "test"] * 30 + ["test"] * 10
    write(tmp_path, with_split(["plain"] * 60 + ["wind"] * 30 + ["solar"] * 10, sides))
    with pytest.raises(config.InputError, match=r"has images of \['solar'\], but train has none.*exclude: \['solar'\]"):
        split.main(tmp_path, read_params(seed=0))


def test_a_given_split_without_train_is_refused_and_so_is_balancing_one(tmp_path):
    write(tmp_path, with_split(PLAIN, ["val", "test"] * 50))
    with pytest.raises(config.InputError, match="your own split gives no image to train"):
        split.main(tmp_path, read_params(seed=0))
    write(tmp_path, with_split(PLAIN, EACH * 20))
    with pytest.raises(config.InputError, match=r"split\.balance is true, but the labels give a split of their own"):
        split.main(tmp_path, read_params(seed=0, chosen=params(balance=True)))


def test_the_seed_decides_what_is_cut_from_a_given_train(tmp_path):
    write(tmp_path, with_split(PLAIN, ["train", "test"] * 50))
    texts = []
    for seed in (0, 0, 1):
        split.main(tmp_path, read_params(seed=seed))
        texts.append((tmp_path / splits.PATH).read_bytes())
    assert texts[0] == texts[1] != texts[2]


def test_main_splits_images_with_many_labels(tmp_path, capsys):
    table = table_of(["a|b"] * 20 + ["a"] * 40 + [""] * 20)
    manifest.write(tmp_path, table)
    classes.write(tmp_path, classes.Classes(("a", "b"), (60, 20), 80))
    thumbnails.write(tmp_path, pictures_of(80))
    split.main(tmp_path, read_params(seed=0, task="multilabel"))
    written = splits.read(tmp_path)["split"]
    for rows in (slice(0, 20), slice(20, 60), slice(60, 80)):
        counts = written[rows].value_counts()
        assert counts.to_dict() == {"train": counts.sum() * 0.6, "val": counts.sum() * 0.2, "test": counts.sum() * 0.2}
    assert capsys.readouterr().out.startswith("train 48, val 16, test 16, unused 0\nclass that matters: ")


def test_balancing_many_labels_is_refused_with_the_reason(repository):
    with pytest.raises(
        config.InputError, match=r"split.balance is true, but .* of a rare class also have frequent ones"
    ):
        split.main(repository.root, read_params(seed=0, task="multilabel", chosen=params(balance=True)))


def test_no_two_pictures_of_this_file_are_alike_by_chance():
    table = table_of(["a"] * 240)
    units, crossing = split.find_units(table, pictures_of(240), params().duplicates)
    assert units["unit"].is_unique
    assert len(crossing) == 0
    assert all(not np.array_equal(*pair) for pair in combinations(pictures_of(12), 2))


def scenes_with_boxes(root: Path, sizes: Sequence[tuple[int, int]], **columns: Any) -> None:
    """Write scenes with an object of both classes at every 20 px, so that each block has them."""
    table = table_of(["car|roof"] * len(sizes)).assign(
        width_px=[width for width, _ in sizes], height_px=[height for _, height in sizes], **columns
    )
    rows = [
        (image_id, number, label, label, x, y, x + 4.0, y + 4.0, 0, "")
        for image_id, (width, height) in zip(table["image_id"], sizes, strict=True)
        for number, (label, x, y) in enumerate(
            (label, float(x), float(y))
            for label in ("car", "roof")
            for x in range(3, width - 4, 20)
            for y in range(3, height - 4, 20)
        )
    ]
    write(root, table, classes.Classes(("car", "roof"), (len(sizes),) * 2, len(sizes)))
    boxes.write(root, pd.DataFrame(rows, columns=list(boxes.COLUMNS)))


def in_blocks(size_px: int, guard_px: int) -> split.Split:
    return params().model_copy(update={"blocks": split.Blocks(size_px=size_px, guard_px=guard_px)})


def test_two_scenes_are_divided_by_blocks_which_are_the_units(tmp_path, capsys):
    scenes_with_boxes(tmp_path, [(400, 300), (400, 300)])
    split.main(tmp_path, read_params(seed=0, task="detection", chosen=in_blocks(100, 32)))
    assert "2 scenes are cut into 24 blocks" in capsys.readouterr().out
    found = splits.read(tmp_path)
    assert found["split"].value_counts().to_dict() == {"train": 14, "val": 5, "test": 5}
    assert found["scene_id"].nunique() == 2
    assert (found["labels"] == "car|roof").all()
    units = clusters.read(tmp_path)
    assert units["image_id"].tolist() == units["unit"].tolist() == found["image_id"].tolist()
    of_scene = found[found["scene_id"] == "image00000.png"]
    for (_, one), (_, other) in combinations(of_scene.iterrows(), 2):
        across = max(one["x0_px"] - other["x1_px"], other["x0_px"] - one["x1_px"])
        down = max(one["y0_px"] - other["y1_px"], other["y0_px"] - one["y1_px"])
        assert one["split"] == other["split"] or max(across, down) >= 32


def test_blocks_are_refused_where_labels_give_a_split_and_where_no_scene_is_cut(tmp_path):
    asked = read_params(seed=0, task="detection", chosen=in_blocks(100, 32))
    scenes_with_boxes(tmp_path, [(400, 300)] * 3, split=["train", "val", "test"])
    with pytest.raises(config.InputError, match="the labels give whole images a split of their own; set it to null"):
        split.main(tmp_path, asked)
    scenes_with_boxes(tmp_path, [(180, 120)] * 3)
    with pytest.raises(config.InputError, match=r"none of 3 scenes is cut .* set it to at most 90, or to null"):
        split.main(tmp_path, asked)


def test_scenes_of_one_group_are_not_divided_and_this_is_said(tmp_path, capsys):
    scenes_with_boxes(tmp_path, [(400, 300)] * 3, group=["x", "x", "y"])
    split.main(tmp_path, read_params(seed=0, task="detection", chosen=in_blocks(100, 32)))
    assert "2 scenes stay whole, because they share a group or a near duplicate" in capsys.readouterr().err
    found = splits.read(tmp_path)
    assert found["scene_id"].value_counts().to_dict() == {
        "image00000.png": 1,
        "image00001.png": 1,
        "image00002.png": 12,
    }
    assert found["split"][:2].nunique() == 1
