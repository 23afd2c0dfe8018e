"""`results/predictions/{val,test}.parquet`: raw logits, one row per image, sorted by `image_id`."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import labels, storage

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "results/predictions"
PREFIX = "logit_"
TEXTS = ("image_id", "group", "labels")


@dataclass(frozen=True)
class Predictions:
    """Raw logits of the images of one split.

    Attributes:
        image_ids: n ids.
        groups: For each image, the unit that an interval must resample as a whole (group, or groups and duplicates).
        labels: For each image, its labels joined by `|`.
        classes: The c class names, in the order of the logits.
        logits: float32 (n, c).
    """

    image_ids: tuple[str, ...]
    groups: tuple[str, ...]
    labels: tuple[str, ...]
    classes: tuple[str, ...]
    logits: NDArray[np.float32]


def path(split: str) -> str:
    """Path of a split's file below the repository."""
    return f"{FOLDER}/{split}.parquet"


def sums_path(split: str) -> str:
    """Path of its checksum, a file for each split: nothing that chooses depends on a file of test."""
    return f"{FOLDER}/predict.{split}.sums"


def write(root: Path, split: str, predictions: Predictions) -> None:
    """Check and write predictions.

    Raises:
        storage.ArtifactError: Lengths differ, an image occurs twice, or a logit is not finite.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check(split, predictions)
    columns: dict[str, pa.Array] = {
        "image_id": pa.array(predictions.image_ids, pa.string()),
        "group": pa.array(predictions.groups, pa.string()),
        "labels": pa.array(predictions.labels, pa.string()),
    }
    for number, name in enumerate(predictions.classes):
        columns[PREFIX + name] = pa.array(predictions.logits[:, number], pa.float32())
    with storage.replacing(root / path(split), sums=root / sums_path(split)) as temporary:
        pq.write_table(pa.table(columns), temporary)


def fingerprint(root: Path, split: str) -> str:
    """Compute the SHA-256 of a split's file, which changes with the model and with how it is asked.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    file = storage.verified(root / path(split), root / sums_path(split))
    return hashlib.sha256(file.read_bytes()).hexdigest()


def read(root: Path, split: str) -> Predictions:
    """Read and check predictions.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    file = storage.verified(root / path(split), root / sums_path(split))
    try:
        with pq.ParquetFile(file) as parquet:  # `pq.read_table` would import pyarrow.dataset, 0.2 s
            table = parquet.read()
    except (pa.ArrowException, OSError) as error:
        raise storage.ArtifactError(f"{path(split)} is damaged: {error}; run `dvc repro`") from error
    names = [name for name in table.column_names if name.startswith(PREFIX)]
    if not names or table.column_names != [*TEXTS, *names]:
        raise storage.ArtifactError(f"{path(split)}: unexpected columns {table.column_names}; run `dvc repro`")
    check_columns(path(split), table)
    logits = np.stack([table[name].to_numpy() for name in names], axis=1).astype(np.float32)
    texts = {name: tuple(table[name].to_pylist()) for name in TEXTS}
    classes = tuple(name.removeprefix(PREFIX) for name in names)
    predictions = Predictions(texts["image_id"], texts["group"], texts["labels"], classes, logits)
    _check(split, predictions)
    return predictions


def check_columns(where: str, table: pa.Table) -> None:
    """Check that logits are floating-point numbers, that all else is text, and that nothing is missing.

    Raises:
        storage.ArtifactError: A column is of another type, or has gaps.
    """
    import pyarrow.types as kinds

    for name in table.column_names:
        kind, gaps = table.schema.field(name).type, table[name].null_count
        if not (kinds.is_floating(kind) if name.startswith(PREFIX) else kinds.is_string(kind)):
            expected = "numbers (float32)" if name.startswith(PREFIX) else "text"
            raise storage.ArtifactError(f"{where}: column {name!r} holds {kind}, expected {expected}; write it again")
        if gaps:
            raise storage.ArtifactError(f"{where}: column {name!r} is empty in {gaps} of its rows; write it again")


def _check(split: str, predictions: Predictions) -> None:
    count = len(predictions.image_ids)
    if not count:
        raise storage.ArtifactError(f"{path(split)} holds no image; {split} needs some: see the warnings of `split`")
    known = set(predictions.classes)
    unknown = sorted({name for cell in predictions.labels for name in labels.split(cell)} - known)
    if unknown:
        raise storage.ArtifactError(
            f"{path(split)}: labels {unknown[:5]} are none of the classes {list(predictions.classes)}; run `dvc repro`"
        )
    if len(set(predictions.image_ids)) != count:
        raise storage.ArtifactError(f"{path(split)}: an image occurs twice")
    if not len(predictions.groups) == len(predictions.labels) == count:
        raise storage.ArtifactError(f"{path(split)}: groups or labels are missing for some images")
    if predictions.logits.shape != (count, len(predictions.classes)):
        raise storage.ArtifactError(
            f"{path(split)}: logits of shape {predictions.logits.shape}, expected {(count, len(predictions.classes))}"
        )
    if not np.isfinite(predictions.logits).all():
        raise storage.ArtifactError(f"{path(split)}: logits are not finite; the training diverged")
