"""`data/unlabelled/*.parquet`: raw logits of images that nobody labelled, from where the model is deployed.

The one file between stages that no stage makes: `counterpoise predict --logits` does, when a person asks.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage
from counterpoise.artifacts.predictions import check_columns

if TYPE_CHECKING:
    import pyarrow as pa

FOLDER = "data/unlabelled"
PREFIX = "logit_"
BESIDE = b"counterpoise.validation"
"""Where the file keeps beside which predictions of validation it was made."""
CHECKSUM = b"counterpoise.checksum"
"""Where the file keeps the checksum of its rows: it may be moved and sent, so that no file of sums lies beside it."""


@dataclass(frozen=True)
class Unlabelled:
    """Raw logits of unlabelled images.

    Attributes:
        image_ids: n names, as the images were asked for.
        classes: The c class names, in the order of the logits.
        logits: float32 (n, c).
        fingerprint: Of the predictions of validation that the same model made in the same way
            (`predictions.fingerprint`).
    """

    image_ids: tuple[str, ...]
    classes: tuple[str, ...]
    logits: NDArray[np.float32]
    fingerprint: str


def write(path: Path, predictions: Unlabelled) -> None:
    """Check and write, rows sorted by image.

    Raises:
        storage.ArtifactError: An image occurs twice, lengths differ, or a logit is not finite.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    _check(str(path), predictions)
    order = sorted(range(len(predictions.image_ids)), key=predictions.image_ids.__getitem__)
    columns: dict[str, pa.Array] = {"image_id": pa.array([predictions.image_ids[row] for row in order], pa.string())}
    for number, name in enumerate(predictions.classes):
        columns[PREFIX + name] = pa.array(predictions.logits[order, number], pa.float32())
    table = pa.table(columns).replace_schema_metadata(
        {BESIDE: predictions.fingerprint.encode(), CHECKSUM: _checksum(pa.table(columns), predictions.fingerprint)}
    )
    with storage.replacing(path) as temporary:
        pq.write_table(table, temporary)


def read(root: Path, where: str) -> Unlabelled:
    """Read and check every parquet file of a folder, or a single one.

    Args:
        root: The repository.
        where: Path of the file or folder below it.

    Raises:
        storage.ArtifactError: There is none, one is damaged, they are of different models or classes, or an image
            occurs twice.
    """
    place = root / where
    paths = sorted(place.glob("*.parquet")) if place.is_dir() else [place]
    parts = [_read(path, path.relative_to(root).as_posix()) for path in paths]
    if not parts:
        raise storage.ArtifactError(f"{where} holds no .parquet file")
    if len({(part.classes, part.fingerprint) for part in parts}) > 1:
        raise storage.ArtifactError(f"{where}: its files are of different models; write them again, or remove the old")
    ids = tuple(name for part in parts for name in part.image_ids)
    whole = Unlabelled(ids, parts[0].classes, np.concatenate([part.logits for part in parts]), parts[0].fingerprint)
    _check(where, whole)
    return whole


def _read(path: Path, where: str) -> Unlabelled:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
        table.validate(full=True)
        names = table.column_names
    except FileNotFoundError as error:
        raise storage.ArtifactError(f"{where} does not exist") from error
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise storage.ArtifactError(f"{where} is damaged or no parquet file: {error}; write it again") from error
    fingerprint = (table.schema.metadata or {}).get(BESIDE)
    if names[:1] != ["image_id"] or len(names) < 2 or not all(name.startswith(PREFIX) for name in names[1:]):
        raise storage.ArtifactError(
            f"{where}: unexpected columns {names}; expected image_id and logit_<class>, and no labels; write it again"
        )
    if fingerprint is None:
        raise storage.ArtifactError(
            f"{where} does not say beside which predictions of validation it was made; write it again"
        )
    check_columns(where, table)
    of_validation = fingerprint.decode(errors="replace")
    if table.schema.metadata.get(CHECKSUM) != _checksum(table, of_validation):
        raise storage.ArtifactError(f"{where} is damaged, or was edited by hand; write it again")
    logits = np.stack([table[name].to_numpy() for name in names[1:]], axis=1).astype(np.float32)
    classes = tuple(name.removeprefix(PREFIX) for name in names[1:])
    return Unlabelled(tuple(table["image_id"].to_pylist()), classes, logits, of_validation)


def _checksum(table: pa.Table, fingerprint: str) -> bytes:
    """Compute a checksum of what the file says, however it stores it."""
    columns = [[str(value) for value in table[name].to_pylist()] for name in table.column_names]
    return storage.checksum(json.dumps([fingerprint, table.column_names, columns]).encode()).encode()


def _check(where: str, predictions: Unlabelled) -> None:
    if len(set(predictions.image_ids)) != len(predictions.image_ids):
        raise storage.ArtifactError(f"{where}: an image occurs twice")
    expected: Sequence[int] = (len(predictions.image_ids), len(predictions.classes))
    if predictions.logits.shape != expected:
        raise storage.ArtifactError(f"{where}: logits of shape {predictions.logits.shape}, expected {expected}")
    if not np.isfinite(predictions.logits).all():
        raise storage.ArtifactError(f"{where}: some logits are not finite")
