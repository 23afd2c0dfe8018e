"""Assign every image to train, val or test.

Reads `data/manifest.csv`, `data/classes.json`, `data/thumbnails.npy`. Writes `data/splits.csv`, `data/clusters.csv`.
Images of one group, exact duplicates and near duplicates stay in the same split.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from counterpoise import config, labels, seeds, tasks
from counterpoise.artifacts import classes, clusters, manifest, splits, thumbnails
from counterpoise.config import InputError, Section
from counterpoise.dataset import stratification
from counterpoise.dataset import tasks as dataset_tasks
from counterpoise.dataset.near_duplicates import find_duplicates
from counterpoise.stages import count_of, run, warn

if TYPE_CHECKING:
    import pandas as pd

ORDER = ("train", "test", "val")
"""Order in which splits get the images of a class that is too small for all three splits."""
LARGE_CLUSTER = 10
THIN_NAMED = 3
"""Number of classes with a separate warning; the others share one warning."""
LISTED = 20
"""Number of names in the warning about the rest."""
UNUSED = "unused"
FEW_TEST_IMAGES = 10
"""With fewer test images of a class, intervals are too wide to compare remedies."""


class Duplicates(Section):
    """Block `split.duplicates`: what counts as a near duplicate."""

    max_distance: int = Field(ge=0, le=15)
    """Two images are candidates for near duplicates if their perceptual hashes differ in at most this many of 64 bits,
    in 0..15."""
    min_correlation: float = Field(gt=0, le=1)
    """Candidates are duplicates if the correlation of their pixels is at least this, in (0, 1]."""


class Split(Section):
    """Section `split`."""

    val_frac: float = Field(gt=0, lt=1)
    """Share of each class that goes to validation, in (0, 1)."""
    test_frac: float = Field(gt=0, lt=1)
    """Share of each class that goes to test, in (0, 1)."""
    balance: bool
    """Whether train and validation get equally many images of each class, as many as the rarest class allows; the rest
    goes to test. Multiclass only."""
    duplicates: Duplicates


class Params(Section):
    """What this stage reads."""

    task: tasks.Task
    seed: int = Field(ge=0)
    split: Split


@dataclass(frozen=True)
class Assigned:
    """The files that this stage writes, and its warnings."""

    splits: pd.DataFrame
    clusters: pd.DataFrame
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
    import pandas as pd
    from scipy.sparse import coo_array

    data = dataset_tasks.find(task)
    members = data.members(table["labels"].tolist(), labelled.names)
    least = min(frac for frac in (params.val_frac, params.test_frac, 1.0) if frac > 0)
    dealt_by = members if params.balance else data.strata(table, members, least)
    unit = np.unique(units["unit"].to_numpy().astype(str), return_inverse=True)[1]
    rows, columns = np.nonzero(dealt_by)
    shape = (int(unit.max()) + 1, dealt_by.shape[1])
    of_units = coo_array((np.ones(len(rows), dtype=np.int64), (unit[rows], columns)), shape=shape).tocsr()
    wanted = _wanted(dealt_by.sum(axis=0).astype(np.float64), params)
    rng, sizes = seeds.generator(seed, "split"), np.bincount(unit)
    dealt = data.improve(stratification.deal(of_units, wanted, rng, sizes=sizes), of_units, wanted, rng, sizes)
    split = np.array(ORDER, dtype=object)[dealt][unit]
    aside = _set_aside(split, crossing, copies)
    if params.balance:
        _trim(split, members.argmax(axis=1), seeds.generator(seed, "balance"))
    result = pd.DataFrame({"image_id": table["image_id"], "split": split})
    return Assigned(result, units, (*_thin_classes(split, members, unit, labelled.names), *_large(units), *aside))


def _wanted(counts: NDArray[np.float64], params: Split) -> NDArray[np.float64]:
    fracs = {
        "train": 1 - params.val_frac - params.test_frac,
        "val": params.val_frac,
        "test": params.test_frac,
    }
    shares = np.array([fracs[name] for name in ORDER])
    if not params.balance:
        return shares[:, None] * counts
    # Use integers, the same for every class. The rest goes to test, so nothing has to be trimmed.
    exact = (shares * counts.min()).round(9)
    equal = np.floor(exact)
    short = int(counts.min() - equal.sum())
    equal[np.argsort((equal - exact).round(9), kind="stable")[:short]] += 1
    wanted = np.repeat(equal[:, None], len(counts), axis=1)
    wanted[ORDER.index("test")] += counts - counts.min()
    return wanted


def _trim(split: NDArray[np.object_], targets: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Balance train and val exactly: images in excess of the smallest class of the split become unused."""
    for name in ("train", "val"):
        counts = np.bincount(targets[split == name], minlength=int(targets.max()) + 1)
        for index, count in enumerate(counts):
            rows = np.flatnonzero((split == name) & (targets == index))
            split[rng.permutation(rows)[: count - counts.min()]] = UNUSED


def _set_aside(split: NDArray[np.object_], crossing: NDArray[np.int64], copies: NDArray[np.int64]) -> list[str]:
    """If near duplicates are in different splits, make the one in train unused, otherwise the one in val."""
    count = 0
    for pair in crossing:
        sides = [split[row] for row in pair]
        if UNUSED in sides or sides[0] == sides[1]:
            continue
        row = pair[sides.index("train" if "train" in sides else "val")]
        same = (copies == copies[row]) & (split == split[row])
        count += int(same.sum())
        split[same] = UNUSED
    if not count:
        return []
    verb = "is" if count == 1 else "are"
    return [f"{count_of(count, 'image')} {verb} unused, because near duplicates are in another split"]


def _thin_classes(
    split: NDArray[np.object_], members: NDArray[np.bool_], unit: NDArray[np.int64], names: Sequence[str]
) -> list[str]:
    """Warn about classes that are absent from a split, and say whether images or units are too few."""
    present = np.stack([members[split == side].any(axis=0) for side in splits.NAMES])
    thin = np.flatnonzero(~present.all(axis=0))
    warnings = []
    for index in thin[:THIN_NAMED]:
        absent = [side for side, there in zip(splits.NAMES, present[:, index], strict=True) if not there]
        images, blocks = int(members[:, index].sum()), len(np.unique(unit[members[:, index]]))
        reason = f"it has only {count_of(images, 'image')}; label more, or drop or group rare classes with ingest.rare"
        if blocks < images:
            reason = (
                f"its {images} images form only {count_of(blocks, 'unit')} of images that share a group or are "
                f"duplicates, and a unit is never split up; see {clusters.PATH}"
            )
        warnings.append(f"class {names[index]!r} is absent from {' and '.join(absent)}: {reason}")
    if rest := [names[index] for index in thin[THIN_NAMED:]]:
        more = f" and {len(rest) - LISTED} more" if len(rest) > LISTED else ""
        verb = "class is" if len(rest) == 1 else "classes are"
        warnings.append(f"{len(rest)} more {verb} absent from some split: {rest[:LISTED]}{more}; see ingest.rare")
    return warnings


def _large(units: pd.DataFrame) -> list[str]:
    sizes = units.loc[units["kind"] != "single", "centre"].value_counts()
    return [
        f"{size} images count as duplicates of {centre!r}; check them in {clusters.PATH}, and raise "
        "split.duplicates.min_correlation, for example to 0.995, if they are different"
        for centre, size in sizes[sizes >= LARGE_CLUSTER].items()
    ]


def _few_in_test(names: Sequence[str], counts: Sequence[int]) -> list[str]:
    """Warn in one line about present classes with few test images, the rarest first."""
    few = sorted((count, name) for name, count in zip(names, counts, strict=True) if 0 < count < FEW_TEST_IMAGES)
    if not few:
        return []
    listed = ", ".join(f"{name!r} {count}" for count, name in few[:THIN_NAMED])
    more = f" and {len(few) - THIN_NAMED} more" if len(few) > THIN_NAMED else ""
    return [
        f"fewer than {FEW_TEST_IMAGES} test images: {listed}{more}; that is enough to check that data load and to find "
        "wrong labels, but not to compare remedies; label more images"
    ]


def main(root: Path, params: Params) -> None:
    """Find duplicates, assign images to splits, and print warnings and the sizes of the splits."""
    if params.split.val_frac + params.split.test_frac >= 1:
        raise InputError(
            f"{config.PATH}: split.val_frac + split.test_frac leave no images for train; lower them until their sum is "
            "below 1"
        )
    if params.split.balance and (reason := dataset_tasks.find(params.task).NO_BALANCE):
        raise InputError(f"{config.PATH}: split.balance is true, but with task {params.task!r} {reason}")
    table = manifest.read(root)
    pictures = thumbnails.read(root, len(table))
    units, crossing = find_units(table, pictures, params.split.duplicates)
    copies = np.unique(pictures.reshape(len(pictures), -1), axis=0, return_inverse=True)[1]
    labelled = classes.read(root)
    result = assign(table, labelled, units, crossing, copies, params.split, params.seed, task=params.task)
    in_test = table.loc[(result.splits["split"] == "test").to_numpy(), "labels"]
    few = _few_in_test(labelled.names, labels.counts(in_test, labelled.names).tolist())
    for warning in (*result.warnings, *few):
        warn(warning)
    splits.write(root, result.splits)
    clusters.write(root, result.clusters)
    sizes = result.splits["split"].value_counts()
    print("images: " + ", ".join(f"{name} {sizes.get(name, 0)}" for name in (*splits.NAMES, UNUSED)))


if __name__ == "__main__":
    run(main, Params)
