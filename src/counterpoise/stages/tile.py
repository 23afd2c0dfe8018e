"""Cut images into tiles, and store the tiles and the boxes of each split.

Reads `data/manifest.csv`, `data/boxes.csv`, `data/splits.csv`, `data/pixels.json` and the images.
Writes `data/tiles/{train,val,test}/`. An image of 8 bits that fits into one tile is copied byte for byte; windows of
larger ones, and images of other values, are encoded. Images that take much memory are read window by window.
"""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field
from tqdm import tqdm

from counterpoise import config, images, labels
from counterpoise.artifacts import boxes as boxes_file
from counterpoise.artifacts import manifest, pixels, splits, tile_boxes, tiles
from counterpoise.config import InputError, Section, Visible
from counterpoise.dataset import blocks, cpus, in_order, tile_labels, tiling
from counterpoise.engine.spread import spread
from counterpoise.images import scenes
from counterpoise.stages import run, warn
from counterpoise.storage import check_partners

if TYPE_CHECKING:
    import pandas as pd

LIMIT_BYTES = 2**29
"""What all images and tiles that threads work on may take together, 512 MiB."""
PORTION = 64
"""Pictures that are a task where the stage runs on several machines."""


class Tile(Visible):
    """Section `tile`."""

    model_config = ConfigDict(extra="forbid")

    size_px: int = Field(ge=16, le=16_384)
    """Side of a tile in pixels, in 16..16,384 (then one tile takes 0.8 GB). Larger images are cut into
    windows of this size."""
    overlap_px: int = Field(ge=0, lt=16_384)
    """Minimum overlap of neighbouring windows in pixels, from 0 to below `size_px`."""
    format: Literal["png", "jpeg"]
    """How windows are stored: `png`, without loss; or `jpeg`, in a tenth of the space and of the time."""
    compress_level: int = Field(ge=0, le=9)
    """How hard `png` compresses, in 0..9: 1 is the fastest that compresses, 0 does not."""
    quality: int = Field(ge=1, le=100)
    """Quality of `jpeg`, in 1..100."""
    label_rule: tile_labels.Rule
    """Which classes a tile shows, where images have boxes: `any`, those of its boxes; `area_frac`, those whose boxes
    cover `min_area_frac` of it; `count`, those with `min_count` boxes."""
    min_area_frac: float = Field(ge=0, le=1)
    """Share of a tile that the boxes of a class cover together, for `area_frac`; in [0, 1]."""
    min_count: int = Field(ge=1, le=1_000_000)
    """Boxes of a class in a tile, for `count`; in 1..1,000,000."""


class Params(Section):
    """What this stage reads."""

    tile: Tile


def encode(image: images.RGB, params: Tile) -> bytes:
    """Encode a window as section `tile` says."""
    if params.format == "jpeg":
        return images.encode_jpeg(image, params.quality)
    return images.encode_png(image, params.compress_level)


Piece = tuple[str, str, tiling.Window]
"""`image_id` and labels of a tile, and its place in the picture."""


def pieces(rows: Sequence[pd.Series], params: Tile) -> list[Piece]:
    """List the tiles of one picture.

    Args:
        rows: Its row in the manifest, or those of its blocks, which give `x0_px` to `y1_px`: what is left of each.
        params: Section `tile`.

    Returns:
        One for each tile, from top to bottom, since large pictures are decoded in this order.
    """
    found = [
        (str(row["image_id"]), str(row["labels"]), window)
        for row in rows
        for window in blocks.windows(area(row), params.size_px, params.overlap_px)
    ]
    return sorted(found, key=lambda piece: (piece[2][1], piece[2][0])) if len(rows) > 1 else found


def area(row: pd.Series) -> tiling.Window:
    """Give the part of a picture that a row is about: its block, or all of it."""
    if "scene_id" not in row.index:
        return 0, 0, int(row["width_px"]), int(row["height_px"])
    x0, y0, x1, y1 = (int(row[name]) for name in CORNERS)
    return x0, y0, x1, y1


def cut(rows: Sequence[pd.Series], data: bytes, params: Tile, found: images.Pixels) -> Iterator[tiles.Tile]:
    """Cut one picture into tiles.

    Args:
        rows: Its row in the manifest, or those of its blocks.
        data: Bytes of its file.
        params: Section `tile`.
        found: How values become 8-bit RGB.

    Yields:
        The tiles, each with the labels of its row.
    """
    own, whole = pieces(rows, params), (0, 0, rows[0]["width_px"], rows[0]["height_px"])
    if [piece[2] for piece in own] == [whole]:
        image_id, labels_of, window = own[0]
        encoded = data if images.is_as_shown(data, found) else images.encode_png(images.decode(data, found))
        yield tiles.Tile(image_id, image_id, labels_of, window, encoded)
        return
    image = images.decode_fast(data, found)
    for piece in own:
        x0, y0, x1, y1 = piece[2]
        yield _tile(piece, encode(image[y0:y1, x0:x1], params))


def _tile(piece: Piece, encoded: bytes) -> tiles.Tile:
    image_id, labels_of, window = piece
    return tiles.Tile(f"{image_id}@{window[0]},{window[1]}", image_id, labels_of, window, encoded)


Job = tuple[int, Callable[[], list[tiles.Tile]]]
"""What a job takes, in bytes, and the job."""


def jobs_of(root: Path, rows: Sequence[pd.Series], params: Tile, found: images.Pixels) -> Iterator[Job]:
    """Divide the work on one picture into jobs: one for all of a small picture, one for each window of a large one.

    Args:
        root: The repository.
        rows: Row of the picture in the manifest, or rows of its blocks.
        params: Section `tile`.
        found: How values become 8-bit RGB.

    Raises:
        InputError: The file is missing, or has changed, or is large and cannot be read by windows.
    """
    row = rows[0]
    path = root / row["path"]
    try:
        cost, is_large = scenes.measure(path)
    except (images.ImageError, FileNotFoundError):  # the job finds out whether the file is still the same
        cost, is_large = 0, False
    if not is_large:
        yield cost, lambda: list(cut(rows, load(root, row["path"], row["sha256"]), params, found))
        return
    with path.open("rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != row["sha256"]:
            raise _changed(row["path"])
    try:
        with scenes.opened(path, rows_px=params.size_px) as scene:
            for piece in pieces(rows, params):
                image = images.render_window(scene, found, piece[2])
                yield 3 * image.nbytes, partial(_encode_window, piece, image, params)
    except images.ImageError as error:
        raise InputError(f"{row['path']}: {error}") from error


def _encode_window(piece: Piece, image: images.RGB, params: Tile) -> list[tiles.Tile]:
    return [_tile(piece, encode(image, params))]


def _changed(path: str) -> InputError:
    return InputError(f"{path}: the image has changed since ingest read it; run `dvc repro`")


@dataclass(frozen=True)
class ImageBoxes:
    """The n boxes of one image: their numbers, classes, corners (n, 4) in px, and whether they are ignored (n,)."""

    numbers: Sequence[int]
    labels: Sequence[str]
    corners: NDArray[np.float64]
    ignore: NDArray[np.bool_]


CORNERS = ["x0_px", "y0_px", "x1_px", "y1_px"]
NO_BOXES = ImageBoxes([], [], np.empty((0, 4)), np.empty(0, dtype=np.bool_))


def by_image(found: pd.DataFrame) -> dict[str, ImageBoxes]:
    """Group the rows of `data/boxes.csv` by image."""
    return {
        str(image_id): ImageBoxes(
            own["box"].tolist(),
            own["label"].tolist(),
            own[CORNERS].to_numpy(dtype=np.float64),
            own["ignore"].to_numpy() == 1,
        )
        for image_id, own in found.groupby("image_id")
    }


def with_boxes(tile: tiles.Tile, of_image: ImageBoxes, params: Tile) -> tuple[tiles.Tile, list[tuple[object, ...]]]:
    """Find the boxes that a tile shows, and label it by them.

    Args:
        tile: The tile.
        of_image: The boxes of its image.
        params: Section `tile`.

    Returns:
        The tile with its labels, and rows of `data/tiles/<split>/boxes.csv`.
    """
    inside, visible = tile_labels.cut(of_image.corners, tile.window)
    ignore = of_image.ignore | (visible < params.min_visible)
    shown = np.flatnonzero(visible > 0).tolist()
    rows: list[tuple[object, ...]] = [
        (tile.tile_id, tile.image_id, of_image.numbers[row], of_image.labels[row], *corners, share, int(ignore[row]))
        for row, corners, share in zip(shown, inside[shown].tolist(), visible[shown].tolist(), strict=True)
    ]
    objects = [row for row in shown if not ignore[row]]
    at_least = params.min_area_frac if params.label_rule == "area_frac" else params.min_count
    names = [of_image.labels[row] for row in objects]
    names = tile_labels.names(inside[objects], names, tile.window, params.label_rule, at_least)
    return dataclasses.replace(tile, labels=labels.join(names)), rows


def warn_of_cut(table: pd.DataFrame, found: pd.DataFrame, params: Tile) -> Iterator[str]:
    """Warn of boxes of train that lie as a whole in no tile.

    Args:
        table: The manifest of train.
        found: Its boxes.
        params: Section `tile`.
    """
    total, cut_boxes, widest, borders = 0, 0, 0.0, 0
    of_scene = by_image(found)
    for _, row in table.iterrows():
        own, block = of_scene.get(scene_of(row), NO_BOXES), area(row)
        corners = own.corners[blocks.centred_in(own.corners, block)]
        total += len(corners)
        is_within = tile_labels.whole_somewhere(corners, [block])
        borders += int((~is_within).sum())
        corners = corners[is_within]
        windows = blocks.windows(block, params.size_px, params.overlap_px)
        cut_here = ~tile_labels.whole_somewhere(corners, windows)
        cut_boxes += int(cut_here.sum())
        widest = max(widest, float((corners[cut_here, 2:] - corners[cut_here, :2]).max(initial=0.0)))
    if borders:
        yield (
            f"{borders} box{'' if borders == 1 else 'es'} of train cross{'es' if borders == 1 else ''} the border of a "
            "block of split.blocks, so tiles show a part of each"
        )
    if not cut_boxes:
        return
    message = f"{cut_boxes} of {total} boxes of train are whole in no tile"
    if widest < params.size_px:
        at_least = int(np.ceil(widest))
        yield f"{message}; with tile.overlap_px: {at_least} none would be cut, at the cost of more tiles"
    else:
        yield f"{message}; the largest of them is {widest:.0f} px wide or high: raise tile.size_px above that"


def scene_of(row: pd.Series) -> str:
    """Name the image of the manifest that a row, or a block of it, belongs to."""
    return str(row["scene_id"] if "scene_id" in row.index else row["image_id"])


def load(root: Path, path: str, sha256: str) -> bytes:
    """Read the file of an image, and check that it has not changed since `ingest`.

    Raises:
        InputError: The file is missing, or its content has changed.
    """
    try:
        data = (root / path).read_bytes()
    except FileNotFoundError as error:
        raise InputError(f"{path}: the image has been removed since ingest read it; run `dvc repro`") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise _changed(path)
    return data


def cut_all(
    root: Path, params: Tile, shown: images.Pixels, pictures: Sequence[Sequence[pd.Series]]
) -> Iterator[list[tiles.Tile]]:
    """Cut pictures into tiles, in threads, and yield their tiles in order.

    Args:
        root: The repository.
        params: Section `tile`.
        shown: How values become 8-bit RGB.
        pictures: For each, its row in the manifest, or those of its blocks.
    """
    jobs = (job for rows in pictures for job in jobs_of(root, rows, params, shown))
    yield from in_order.run(jobs, cpus.available(), LIMIT_BYTES)


def _files(root: Path, pictures: Sequence[Sequence[pd.Series]]) -> Iterator[Path]:
    """List the files of pictures."""
    return (root / rows[0]["path"] for rows in pictures)


def write_split(
    root: Path, split: str, table: pd.DataFrame, found: pd.DataFrame, params: Tile, shown: images.Pixels
) -> None:
    """Cut the images of one split, and write its tiles and their boxes.

    Args:
        root: The repository.
        split: Its name.
        table: Rows of the manifest.
        found: All boxes; without any, tiles have the labels of their image.
        params: Section `tile`.
        shown: How values become 8-bit RGB.
    """
    import pandas as pd

    pictures: dict[str, list[pd.Series]] = {}
    for _, row in table.iterrows():
        pictures.setdefault(scene_of(row), []).append(row)
    scene_ids = {str(row["image_id"]): scene_id for scene_id, rows in pictures.items() for row in rows}
    cut_in_order = spread(root, partial(cut_all, root, params, shown), portion=PORTION, reads=partial(_files, root))
    progress = tqdm(total=len(pictures), desc=f"tile {split}", unit="image", delay=1, mininterval=1)
    of_image, box_rows, last = by_image(found), [], None
    with tiles.writing(root, split) as append, progress:
        for cut_tiles in cut_in_order(list(pictures.values())):
            for tile in cut_tiles:
                if (scene := scene_ids[tile.image_id]) != last:
                    progress.update()
                    last = scene
                if not of_image:
                    append(tile)
                    continue
                labelled, own = with_boxes(tile, of_image.get(scene, NO_BOXES), params)
                append(labelled)
                box_rows += own
    columns = {name: pd.Series(dtype=kind) for name, kind in tile_boxes.COLUMNS.items()}
    listed = pd.DataFrame(box_rows, columns=list(columns)) if box_rows else pd.DataFrame(columns)
    tile_boxes.write(root, split, listed)


def main(root: Path, params: Params) -> None:
    """Cut the images of each split, and write the tiles and their boxes."""
    if params.tile.overlap_px >= params.tile.size_px:
        raise InputError(
            f"{config.PATH}: tile.overlap_px is {params.tile.overlap_px}; expected a number below tile.size_px, "
            f"{params.tile.size_px}"
        )
    listed, shown, found = manifest.read(root), pixels.read(root), boxes_file.read(root)
    check_partners(root / manifest.PATH, listed["image_id"], root / boxes_file.PATH, found["image_id"])
    table = splits.join(root, listed, splits.read(root))
    train = table[table["split"] == "train"]
    in_train = found["image_id"].isin([scene_of(row) for _, row in train.iterrows()])
    for warning in warn_of_cut(train, found[in_train & (found["ignore"] == 0)], params.tile):
        warn(warning)
    for split in splits.NAMES:
        write_split(root, split, table[table["split"] == split], found, params.tile, shown)


if __name__ == "__main__":
    run(main, Params)
