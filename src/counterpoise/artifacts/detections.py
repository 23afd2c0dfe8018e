"""`results/detections/{val,test}/`: boxes that were found and boxes that are there; no rows where labels have no boxes.

`detections.parquet` is sorted by image, class and descending logit, `truth.parquet` by image and box. All images of the
split, those without any box as well, are in `results/predictions/<split>.parquet`, which also has their units.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from counterpoise import storage
from counterpoise.boxes.matching import Detections, Truth

if TYPE_CHECKING:
    import pandas as pd

FOLDER = "results/detections"
SUMS = "predict.sums"
CORNERS = ("x0_px", "y0_px", "x1_px", "y1_px")
FOUND = {
    "image_id": "string",
    "label": "string",
    **dict.fromkeys(CORNERS, "float32"),  # in the scene
    "logit": "float32",  # log-odds of the raw score
}
THERE = {
    "image_id": "string",
    "group": "string",
    "box": "int64",  # as in `data/boxes.csv`
    "label": "string",
    **dict.fromkeys(CORNERS, "float64"),
    "ignore": "int64",  # 1 where detections of the class are neither right nor wrong
}


@dataclass(frozen=True)
class Tables:
    """What was found in the images of a split, and what is there.

    Attributes:
        found: With the columns `FOUND`.
        there: With the columns `THERE`.
    """

    found: pd.DataFrame
    there: pd.DataFrame


def path(split: str) -> str:
    """Path of a split's folder below the repository."""
    return f"{FOLDER}/{split}"


def empty() -> Tables:
    """Make the tables of images without boxes."""
    import pandas as pd

    return Tables(*(pd.DataFrame({name: [] for name in columns}) for columns in (FOUND, THERE)))


def write(root: Path, split: str, tables: Tables) -> None:
    """Sort, check and write both tables.

    Raises:
        storage.ArtifactError: A column is missing or holds something else, a box has no area, or a box occurs twice.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = tables.found.sort_values(["image_id", "label", "logit"], ascending=[True, True, False], kind="stable")
    there = tables.there.sort_values(["image_id", "box"], kind="stable")
    with storage.replacing(root / path(split), folder=True, sums=root / path(split) / SUMS) as folder:
        for name, columns, table in (("detections", FOUND, found), ("truth", THERE, there)):
            place = f"{path(split)}/{name}.parquet"
            if list(table.columns) != list(columns):
                raise storage.ArtifactError(f"{place}: found columns {list(table.columns)}, expected {list(columns)}")
            schema = pa.schema([(column, pa.type_for_alias(kind)) for column, kind in columns.items()])
            try:
                written = pa.Table.from_pandas(table, schema=schema, preserve_index=False).replace_schema_metadata(None)
            except (pa.ArrowException, TypeError) as error:
                raise storage.ArtifactError(f"{place}: {error}; expected columns {columns}") from error
            if gaps := [column for column in columns if written[column].null_count]:
                raise storage.ArtifactError(f"{place}: columns {gaps} have gaps; expected none")
            _check(place, written.to_pandas())
            pq.write_table(written, folder / f"{name}.parquet")


def read(root: Path, split: str) -> Tables:
    """Read and check both tables.

    Raises:
        storage.ArtifactError: A file is missing or damaged.
    """
    return Tables(_read(root, split, "detections", FOUND), _read(root, split, "truth", THERE))


def arrays(tables: Tables, split: str, image_ids: Sequence[str], classes: Sequence[str]) -> tuple[Detections, Truth]:
    """Number images and classes, as `boxes` expects them.

    A place of no class, as `ingest.exclude` leaves it, is ignored for every class: it becomes one place of each.

    Args:
        tables: Of a split.
        split: Its name, for messages.
        image_ids: All images of the split, in the order of their numbers.
        classes: The class names, in the order of their numbers.

    Raises:
        storage.ArtifactError: A table names another image or another class.
    """
    truth = _of_every_class(tables.there, classes)
    found, there = (
        _numbered(f"{path(split)}/{name}.parquet", table, {"image_id": image_ids, "label": classes})
        for name, table in (("detections", tables.found), ("truth", truth))
    )
    return (
        Detections(*found, tables.found["logit"].to_numpy(dtype=np.float64)),
        Truth(*there, truth["ignore"].to_numpy(dtype=np.int64) == 1),
    )


def _of_every_class(there: pd.DataFrame, classes: Sequence[str]) -> pd.DataFrame:
    """Repeat places of no class for each class."""
    import pandas as pd

    unnamed = there["label"] == ""
    if not unnamed.any():
        return there
    each = [there[unnamed].assign(label=name) for name in classes]
    return pd.concat([there[~unnamed], *each], ignore_index=True)


def _numbered(
    place: str, table: pd.DataFrame, names: Mapping[str, Sequence[str]]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return the number of the image and of the class of each box, and its corners."""
    codes = []
    for column, known in names.items():
        numbers = {value: number for number, value in enumerate(known)}
        if unknown := sorted(set(table[column]) - numbers.keys()):
            raise storage.ArtifactError(
                f"{place}: column {column!r} holds {unknown[0]!r}, which the predictions do not; the files are of "
                "different runs; run `dvc repro`"
            )
        codes.append(np.array([numbers[value] for value in table[column]], dtype=np.int64))
    return codes[0], codes[1], table[list(CORNERS)].to_numpy(dtype=np.float64)


def _read(root: Path, split: str, name: str, columns: dict[str, str]) -> pd.DataFrame:
    import pyarrow as pa
    import pyarrow.parquet as pq

    place = f"{path(split)}/{name}.parquet"
    file = storage.verified(root / place, root / path(split) / SUMS)
    try:
        with pq.ParquetFile(file) as parquet:  # `pq.read_table` would import pyarrow.dataset, 0.2 s
            table = parquet.read()
    except (pa.ArrowException, OSError) as error:
        raise storage.ArtifactError(f"{place} is damaged: {error}; run `dvc repro`") from error
    schema = pa.schema([(column, pa.type_for_alias(kind)) for column, kind in columns.items()])
    if table.schema != schema or any(table[column].null_count for column in columns):
        raise storage.ArtifactError(
            f"{place}: found columns {table.schema.names}, expected {columns} without gaps; run `dvc repro`"
        )
    frame: pd.DataFrame = table.to_pandas()
    _check(place, frame)
    return frame


def _check(place: str, table: pd.DataFrame) -> None:
    corners = table[list(CORNERS)].to_numpy(dtype=np.float64)
    numbers = np.column_stack([corners, table["logit"]]) if "logit" in table else corners
    wrong = ~np.isfinite(numbers).all(axis=1) | (corners[:, 2:] <= corners[:, :2]).any(axis=1)
    if wrong.any():
        raise storage.ArtifactError(
            f"{place}: {int(wrong.sum())} boxes have no area or a number that is not finite, such as "
            f"{table[wrong].iloc[0].tolist()}; write it again"
        )
    if "ignore" in table:
        if not table["ignore"].isin([0, 1]).all():
            raise storage.ArtifactError(f"{place}: column 'ignore' must hold 0 and 1; write it again")
        if ((table["label"] == "") & (table["ignore"] == 0)).any():
            raise storage.ArtifactError(f"{place}: an object has no label, and is not ignored; write it again")
        if table.duplicated(["image_id", "box"]).any():
            twice = table[table.duplicated(["image_id", "box"])].iloc[0]
            raise storage.ArtifactError(
                f"{place}: box {twice['box']} of image {twice['image_id']!r} occurs twice; write it again"
            )
