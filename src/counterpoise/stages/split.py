"""Assign every image to train, val or test.

Reads `data/manifest.csv`, `data/boxes.csv`, `data/classes.json`, `data/thumbnails.npy`. Writes `data/splits.csv`,
`data/clusters.csv`, `data/positive.json`, `data/split.sums`. Groups, exact and near duplicates are never split up,
unless a split that comes with the labels does that. Few large scenes can be cut into blocks, each of which is assigned
by itself. The stage stops before anything is trained if a split is useless, or if a parameter
names a class that does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterpoise import config, seeds, tasks
from counterpoise.artifacts import boxes, classes, clusters, manifest, splits, thumbnails
from counterpoise.artifacts import positive as positive_file
from counterpoise.config import InputError, Section, Seed, Subclasses
from counterpoise.dataset import blocks, coverage, given_split, positive_class, splitting, stratification
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.dataset.near_duplicates import find_duplicates
from counterpoise.decision import class_names
from counterpoise.decision.class_names import ClassNames, PositiveName
from counterpoise.stages import run, warn

if TYPE_CHECKING:
    import pandas as pd

ONLY_CHECKED = ("decide.costs", "decide.target", "model.subclasses")
"""Parameters of which this stage only checks the names of classes; no artifact depends on them."""


class Duplicates(Section):
    """Block `split.duplicates`: what counts as a near duplicate."""

    max_distance: int = Field(ge=0, le=15)
    """Two images are candidates for near duplicates if their perceptual hashes differ in at most this many of 64 bits,
    in 0..15."""
    min_correlation: float = Field(gt=0, le=1)
    """Candidates are duplicates if the correlation of their pixels is at least this, in (0, 1]."""


class Blocks(Section):
    """Block `split.blocks`: whether scenes are divided among the splits, for problems with few large scenes."""

    size_px: Annotated[int, Field(ge=32, le=1_000_000)] | None
    """Least side of the blocks into which scenes are cut, in 32..1,000,000; null assigns whole scenes. A block is then
    what an image is otherwise: it is assigned, counted and decided for by itself."""
    guard_px: int = Field(ge=0, le=100_000)
    """Width of the band between blocks of different splits from which nothing is used, in px, in 0..100,000; at least
    `tile.size_px` where `size_px` is a number."""


class Split(Section):
    """Section `split`."""

    val_frac: float = Field(gt=0, lt=1)
    """Share of each class that goes to validation, in (0, 1)."""
    test_frac: float = Field(gt=0, lt=1)
    """Share of each class that goes to test, in (0, 1)."""
    balance: bool
    """Whether train and validation get equally many images of each class, as many as the rarest class allows; the rest
    goes to test. Multiclass only."""
    blocks: Blocks
    duplicates: Duplicates


class Params(Section):
    """What this stage reads."""

    task: tasks.Task
    seed: Seed
    split: Split
    evaluate: PositiveName
    decide: ClassNames
    model: Subclasses


@dataclass(frozen=True)
class Assigned:
    """What this stage writes, and what a person should know of it.

    Attributes:
        splits: The split of every image.
        clusters: What must stay together.
        absent: Class name -> the splits that lack it, and why.
        warnings: Of absent classes, large clusters, and images that are set aside.
    """

    splits: pd.DataFrame
    clusters: pd.DataFrame
    absent: dict[str, tuple[list[str], str]]
    warnings: tuple[str, ...]


def find_units(
    table: pd.DataFrame, pictures: NDArray[np.uint8], params: Duplicates
) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Find units: images that must stay together because they share a group or are duplicates.

    Args:
        table: The manifest.
        pictures: Thumbnails of its images, in its order, uint8 (n, s, s).
        params: Block `split.duplicates`: what counts as a near duplicate.

    Returns:
        The table of clusters, and (k, 2) row numbers of confirmed pairs in different clusters. There are such pairs
        because clusters are stars, not chains. If `assign` puts such a pair into different splits, it makes one of the
        images unused.
    """
    import pandas as pd

    duplicates = find_duplicates(
        pictures,
        table["sha256"].to_numpy(),
        max_distance=params.max_distance,
        min_correlation=params.min_correlation,
    )
    unit = stratification.units(table["group"].to_numpy(), duplicates.cluster)
    image_ids = table["image_id"].to_numpy()
    first = np.unique(unit, return_index=True)[1]
    columns = {
        "image_id": image_ids,
        "unit": image_ids[first][unit],
        "centre": image_ids[duplicates.centre],
        "kind": duplicates.kind.astype(object),
        "correlation": duplicates.correlation,
    }
    return pd.DataFrame(columns), duplicates.crossing


def cut_scenes(
    table: pd.DataFrame,
    objects: pd.DataFrame,
    units: pd.DataFrame,
    crossing: NDArray[np.int64],
    copies: NDArray[np.int64],
    size_px: int,
    guard_px: int,
) -> blocks.Blocks:
    """Cut scenes into blocks, and say how many there are.

    Args:
        table: The manifest.
        objects: Their boxes; without any, a block has the labels of its scene.
        units: What must stay together, as `find_units` returns it.
        crossing: (k, 2) rows of near duplicates in two units.
        copies: (n,) scenes with equal numbers look the same.
        size_px: Least side of a block in px.
        guard_px: Width of the bands between splits in px.

    Raises:
        InputError: The labels give a split of their own, or no scene is large enough to be cut.
    """
    key = f"{config.PATH}: split.blocks.size_px is {size_px}"
    if (table["split"] != "").any():
        raise InputError(f"{key}, but the labels give whole images a split of their own; set it to null")
    found = blocks.divide(table, objects, units, crossing, copies, size_px=size_px, guard_px=guard_px)
    if len(found.table) == len(table):
        widest = int(table[["width_px", "height_px"]].to_numpy().max())
        raise InputError(
            f"{key}, but none of {len(table)} scenes is cut by that: the longest side is {widest} px, and scenes of "
            f"one group, or that look alike, stay whole; set it to at most {widest // 2}, or to null"
        )
    if found.whole:
        what = (
            "scene stays whole, because it shares" if len(found.whole) == 1 else "scenes stay whole, because they share"
        )
        warn(f"{len(found.whole)} {what} a group or a near duplicate with others: {', '.join(found.whole[:3])}")
    print(f"{len(table)} scenes are cut into {len(found.table)} blocks")
    return found


def assign(
    table: pd.DataFrame,
    labelled: classes.Classes,
    units: pd.DataFrame,
    crossing: NDArray[np.int64],
    copies: NDArray[np.int64],
    params: Split,
    seed: int,
    *,
    task: str,
) -> Assigned:
    """Assign every image to a split.

    For multilabel, the split is stratified by every label, and by the absence of all labels. For multiclass, it is also
    stratified by the classes before merging, if they have enough images.

    Args:
        table: The manifest.
        labelled: Its classes.
        units: Table of clusters with the unit of each image, from `find_units`.
        crossing: (k, 2) row numbers of near duplicates in different units.
        copies: (n,) numbers; images with equal numbers have equal thumbnails, and become unused together.
        params: Section `split`.
        seed: Decides which unit goes to which split.
        task: `multiclass` or `multilabel`.

    Returns:
        The splits, the clusters, and warnings.
    """
    members = dataset_tasks.find(task).members(table["labels"].tolist(), labelled.names)
    split = _deal(table, members, _numbered(units), params, seed, task)
    aside = splitting.set_aside(split, crossing, copies)
    if params.balance:
        splitting.trim(split, members.argmax(axis=1), seeds.generator(seed, "balance"))
    return _assigned(table, labelled, units, members, split, aside)


def keep(
    table: pd.DataFrame,
    labelled: classes.Classes,
    units: pd.DataFrame,
    crossing: NDArray[np.int64],
    copies: NDArray[np.int64],
    params: Split,
    seed: int,
    *,
    task: str,
) -> Assigned:
    """Keep the split that the manifest gives, and cut from train what it lacks.

    An image without a split follows its unit. Where validation or test has no image, it is cut from train and from
    images without a split; otherwise these go to train. Groups and duplicates that the given split separates stay as
    they are, with a warning.

    Args:
        table: The manifest.
        labelled: Its classes.
        units: What must stay together, as `find_units` returns it.
        crossing: (k, 2) rows of near duplicates in two units.
        copies: (n,) images with equal numbers look the same.
        params: Section `split`.
        seed: Decides what is cut from train.
        task: What the labels mean.

    Raises:
        InputError: No image is left for train, or `split.balance` is true.
    """
    given = table["split"].to_numpy().astype(object)
    members = dataset_tasks.find(task).members(table["labels"].tolist(), labelled.names)
    unit = _numbered(units)
    split = given_split.follow(given, unit)
    pool = np.flatnonzero(np.isin(split, ["train", ""]))
    if not len(pool):
        raise InputError(
            "your own split gives no image to train, only to validation and test; give some to train, or leave their "
            "split empty"
        )
    if params.balance:
        raise InputError(
            f"{config.PATH}: split.balance is true, but the labels give a split of their own, which is kept; set it to "
            "false, and rebalance with oversample.strategy or weighting.scheme instead"
        )
    messages = given_split.describe(given, split)
    if lacking := given_split.missing(given):
        part = table.iloc[pool].reset_index(drop=True)
        split[pool] = _deal(part, members[pool], unit[pool], _of_pool(params, lacking), seed, task)
    else:
        split[pool] = "train"
    both = np.isin(crossing, pool).all(axis=1)
    aside = splitting.set_aside(split, crossing[both], copies)
    messages += given_split.warn_of_leaks(split, table, units, crossing[~both])
    return _assigned(table, labelled, units, members, split, [*aside, *messages])


def _deal(
    table: pd.DataFrame,
    members: NDArray[np.bool_],
    unit: NDArray[np.int64],
    params: Split,
    seed: int,
    task: str,
) -> NDArray[np.object_]:
    shares = {"val_frac": params.val_frac, "test_frac": params.test_frac}
    return splitting.deal(table, members, unit, **shares, balance=params.balance, seed=seed, task=task)


def _of_pool(params: Split, lacking: list[str]) -> Split:
    """Divide a part of the images into train and the splits that are lacking, in the same proportions."""
    val_frac, test_frac = (
        frac if name in lacking else 0.0 for name, frac in (("val", params.val_frac), ("test", params.test_frac))
    )
    whole = 1 - (params.val_frac - val_frac) - (params.test_frac - test_frac)
    return params.model_copy(update={"val_frac": val_frac / whole, "test_frac": test_frac / whole})


def _numbered(units: pd.DataFrame) -> NDArray[np.int64]:
    return np.asarray(np.unique(units["unit"].to_numpy().astype(str), return_inverse=True)[1], dtype=np.int64)


def _assigned(
    table: pd.DataFrame,
    labelled: classes.Classes,
    units: pd.DataFrame,
    members: NDArray[np.bool_],
    split: NDArray[np.object_],
    messages: list[str],
) -> Assigned:
    import pandas as pd

    together = units.assign(group=table["group"].to_numpy())
    absent = coverage.absences(split, members, labelled.names, together, table["split"].to_numpy())
    warnings = (*coverage.warn_of_absences(absent), *splitting.warn_of_large(units), *messages)
    return Assigned(pd.DataFrame({"image_id": table["image_id"], "split": split}), units, absent, warnings)


def refuse(params: Params, labelled: classes.Classes) -> None:
    """Refuse shares that leave nothing for train, a balance that the task does not have, and names of no class.

    Raises:
        InputError: One of these.
    """
    if params.split.val_frac + params.split.test_frac >= 1:
        raise InputError(
            f"{config.PATH}: split.val_frac + split.test_frac leave no images for train; lower them until their sum is "
            "below 1"
        )
    if params.split.balance and (reason := dataset_tasks.find(params.task).NO_BALANCE):
        raise InputError(f"{config.PATH}: split.balance is true, but with task {params.task!r} {reason}")
    class_names.refuse_unknown(
        labelled,
        task=params.task,
        positive=params.evaluate.positive,
        costs=params.decide.costs,
        target=params.decide.target,
        subclasses=params.model.subclasses,
    )


def main(root: Path, params: Params) -> None:
    """Find duplicates, assign images to splits, and print warnings and the sizes of the splits."""
    table, labelled = manifest.read(root), classes.read(root)
    refuse(params, labelled)
    pictures = thumbnails.read(root, len(table))
    units, crossing = find_units(table, pictures, params.split.duplicates)
    copies = np.unique(pictures.reshape(len(pictures), -1), axis=0, return_inverse=True)[1]
    given = bool((table["split"] != "").any())
    size_px, guard_px = params.split.blocks.size_px, params.split.blocks.guard_px
    if size_px is not None:
        has_any = tasks.find(params.task).fault_of_labels(()) is None
        objects = boxes.read(root) if has_any else boxes.empty()
        divided = cut_scenes(table, objects, units, crossing, copies, size_px, guard_px)
        table, units, crossing, copies = divided.table, divided.units, divided.crossing, divided.copies
    divide = keep if given else assign
    result = divide(table, labelled, units, crossing, copies, params.split, params.seed, task=params.task)
    if size_px is not None:
        listed = blocks.guard(table, result.splits["split"].tolist(), objects, guard_px)
        result = replace(result, splits=listed)
    clusters.write(root, result.clusters)  # the messages that follow send people there
    split = result.splits["split"].to_numpy()
    members = dataset_tasks.find(params.task).members(table["labels"].tolist(), labelled.names)
    coverage.refuse_empty(split, members, units.assign(group=table["group"].to_numpy()))
    for warning in result.warnings:
        warn(warning)
    coverage.refuse_unlearnable(result.absent, given=given)
    for warning in coverage.warn_of_few_in_test(labelled.names, members[split == "test"].sum(axis=0).tolist()):
        warn(warning)
    few = {name: why for name, (_, why) in result.absent.items()}
    positive = positive_class.choose(
        params.evaluate.positive,
        labelled,
        split,
        members,
        _numbered(units),
        few,
        against_absence=dataset_tasks.find(params.task).MEASURED_AGAINST_ABSENCE,
    )
    splits.write(root, result.splits)
    positive_file.write(root, positive)
    sizes = result.splits["split"].value_counts()
    print(", ".join(f"{name} {sizes.get(name, 0)}" for name in (*splits.NAMES, splitting.UNUSED)))
    print(f"class that matters: {positive.name}, {positive.reason}")


if __name__ == "__main__":
    run(main, Params)
