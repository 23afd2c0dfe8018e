"""Bring raw labels of any kind into one schema.

Reads the folder `ingest.root`. Writes `data/manifest.csv`, `data/classes.json`, `data/rejected.csv`, and
`data/thumbnails.npy`. Every image is decoded once; every row that is not used is listed with its reason.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from pydantic import Field
from tqdm import tqdm

from counterpoise import config, images, labels, sources
from counterpoise.artifacts import classes, manifest, rejected, thumbnails
from counterpoise.config import PATH, InputError, Section, Task, suggest
from counterpoise.sources import Row
from counterpoise.stages import run, warn


class Rare(Section):
    """Block `ingest.rare`: what becomes of classes with few images."""

    min_images: int = Field(ge=1)
    """A class with fewer images is rare."""
    action: Literal["keep", "drop", "other"]
    """`keep` it, `drop` its images, or group all rare classes as one named `other`."""


class Ingest(Section):
    """Section `ingest`."""

    root: str
    """Folder with the images and their labels, below the repository."""
    source: str
    """What kind of labels: a file of `sources/`."""
    sources: dict[str, dict[str, Any]]
    """The parameters of each source."""
    exclude: tuple[str, ...] = Field(strict=False)
    """Classes whose images are left out."""
    merge: dict[str, Annotated[tuple[str, ...], Field(strict=False)]]
    """New class name: the classes that it joins."""
    rare: Rare
    max_rejected_frac: float = Field(ge=0, le=1)
    """Stop if a larger share of the rows is unusable, in [0, 1]."""


class Params(Section):
    """What this stage reads."""

    task: Task
    ingest: Ingest


@dataclass(frozen=True)
class Decoded:
    """What is kept of an image: size in px, hash of the file, small grey picture uint8 (s, s)."""

    width_px: int
    height_px: int
    sha256: str
    thumbnail: NDArray[np.uint8]


Refusal = tuple[Row, str, str]
"""A row that is not used, `rejected` or `excluded`, and why."""


@dataclass(frozen=True)
class Ingested:
    """All that this stage writes."""

    manifest: pd.DataFrame
    classes: classes.Classes
    rejected: pd.DataFrame
    thumbnails: NDArray[np.uint8]


def one_row_per_image(rows: Sequence[Row]) -> tuple[list[Row], list[Refusal]]:
    """Join rows that speak of the same image, and refuse images with no label or contradicting ones.

    Args:
        rows: Raw rows.

    Returns:
        Rows with exactly one label and an image each, and what was refused.
    """
    usable: list[Row] = []
    refused: list[Refusal] = []
    by_image: dict[str, list[Row]] = {}
    for row in rows:
        by_image.setdefault(row.image, []).append(row)
    for image, same in by_image.items():
        found = sorted({label for row in same for label in row.labels})
        groups = sorted({row.group for row in same})
        if not image:
            refused += [(row, "rejected", "the row names no image") for row in same]
        elif len(found) != 1:
            reason = f"exactly one label is needed, found {found}" if found else "the row has no label"
            refused += [(row, "rejected", reason) for row in same]
        elif len(groups) > 1:
            refused += [(row, "rejected", f"the image stands in several groups: {groups}") for row in same]
        else:
            usable.append(same[0])
            refused += [(row, "excluded", f"repeats {same[0].where}") for row in same[1:]]
    return usable, refused


def choose_classes(
    rows: Sequence[Row], exclude: Sequence[str], merge: dict[str, tuple[str, ...]]
) -> tuple[list[Row], list[Refusal]]:
    """Leave out and merge classes.

    Args:
        rows: One label each.
        exclude: Classes to leave out.
        merge: New name -> classes that it joins.

    Returns:
        The remaining rows under their new labels, and what was left out.

    Raises:
        InputError: A name is no class, a class is merged twice, or excluded and merged.
    """
    known = sorted({row.labels[0] for row in rows})
    for key, mentioned in [("exclude", exclude), *((f"merge.{new}", old) for new, old in merge.items())]:
        for name in mentioned:
            if name not in known:
                raise InputError(f"{PATH}: ingest.{key} names {name!r}, which no row has; {suggest(name, known)}")
    used = Counter([*exclude, *(name for old in merge.values() for name in old)])
    for name, count in used.items():
        if count > 1:
            raise InputError(f"{PATH}: ingest.exclude and ingest.merge name {name!r} {count} times; once is needed")
    renamed = {name: new for new, old in merge.items() for name in old}
    kept = [
        replace(row, labels=(renamed.get(row.labels[0], row.labels[0]),))
        for row in rows
        if row.labels[0] not in exclude
    ]
    left_out = [(row, "excluded", f"class {row.labels[0]!r} is excluded") for row in rows if row.labels[0] in exclude]
    return kept, left_out


def treat_rare(rows: Sequence[Row], rare: Rare) -> tuple[list[Row], list[Refusal]]:
    """Keep, drop or group the classes with fewer than `rare.min_images` images."""
    counts = Counter(row.labels[0] for row in rows)
    few = {name for name, count in counts.items() if count < rare.min_images}
    if rare.action == "keep" or not few:
        return list(rows), []
    if rare.action == "other":
        return [replace(row, labels=("other",)) if row.labels[0] in few else row for row in rows], []
    reason = f"its class has fewer than {rare.min_images} images"
    return (
        [row for row in rows if row.labels[0] not in few],
        [(row, "excluded", reason) for row in rows if row.labels[0] in few],
    )


def decode(path: Path) -> Decoded | str:
    """Decode one image.

    Args:
        path: Its file.

    Returns:
        What is kept of it, or the reason why it is unusable.
    """
    try:
        data = path.read_bytes()
        image = images.decode(data)
    except FileNotFoundError:
        return "the image does not exist"
    except IsADirectoryError:
        return "the image is a folder"
    except OSError as error:
        return f"the image cannot be read: {error.strerror}"
    except images.ImageError as error:
        return str(error)
    height, width = image.shape[:2]
    return Decoded(width, height, hashlib.sha256(data).hexdigest(), images.thumbnail(image))


def inside(folder: Path, image: str) -> Path | None:
    """Resolve the path of an image; `None` if it leads out of the folder, by `..`, by a leading `/` or by a link."""
    try:
        path = (folder / image).resolve()
    except (OSError, ValueError, RuntimeError):  # RuntimeError: links in a circle
        return None
    return path if path.is_relative_to(folder.resolve()) else None


def assemble(rows: Sequence[Row], look: Callable[[Iterable[Row]], list[Decoded | str]], params: Ingest) -> Ingested:
    """Turn raw rows into a manifest.

    Args:
        rows: Raw rows.
        look: Decodes the image of each row, or says why it cannot.
        params: Section `ingest`.

    Returns:
        All that this stage writes.

    Raises:
        InputError: Too many rows are unusable, or fewer than two classes remain.
    """
    usable, refused = one_row_per_image(rows)
    usable, left_out = choose_classes(usable, params.exclude, params.merge)
    refused += left_out
    decoded: dict[str, Decoded] = {}
    for row, result in zip(usable, look(usable), strict=True):
        if isinstance(result, str):
            refused.append((row, "rejected", result))
        else:
            decoded[row.image] = result
    usable, left_out = treat_rare([row for row in usable if row.image in decoded], params.rare)
    refused += left_out
    stop_if_too_many(refused, len(rows), params.max_rejected_frac)
    usable.sort(key=lambda row: row.image)
    counts = Counter(row.labels[0] for row in usable)
    if len(counts) < 2:
        raise InputError(f"{params.root}: at least two classes are needed, found {dict(counts)}")
    for name in counts:
        if labels.SEPARATOR in name:
            raise InputError(f"{params.root}: class name {name!r} holds '{labels.SEPARATOR}'; rename it")
    order = sorted(counts, key=lambda name: (-counts[name], name))
    table = pd.DataFrame(
        {
            "image_id": [row.image for row in usable],
            "path": [f"{params.root}/{row.image}" for row in usable],
            "labels": [labels.join(row.labels) for row in usable],
            "group": [row.group or row.image for row in usable],
            "width_px": [decoded[row.image].width_px for row in usable],
            "height_px": [decoded[row.image].height_px for row in usable],
            "sha256": [decoded[row.image].sha256 for row in usable],
        }
    )
    unused = pd.DataFrame(
        [(row.where, row.image, kind, reason) for row, kind, reason in refused],
        columns=list(rejected.COLUMNS),
    )
    pictures = np.stack([decoded[row.image].thumbnail for row in usable])
    found = classes.Classes(tuple(order), tuple(counts[name] for name in order))
    return Ingested(table, found, unused.sort_values(["where", "image"], ignore_index=True), pictures)


def stop_if_too_many(refused: Sequence[Refusal], rows: int, max_rejected_frac: float) -> None:
    """Stop the run if more than a share of the rows is unusable.

    Raises:
        InputError: It is; the most frequent reasons are named with an example.
    """
    unusable = [(row, reason) for row, kind, reason in refused if kind == "rejected"]
    if len(unusable) <= max_rejected_frac * rows:
        return
    lines = []
    for reason, count in Counter(reason for _, reason in unusable).most_common(5):
        row = next(row for row, its_reason in unusable if its_reason == reason)
        lines.append(f"  {row.where}: image {row.image!r}: {reason} ({count} such rows)")
    share = f"{len(unusable)} of {rows} rows are unusable"
    raise InputError("\n".join([f"{share}, more than ingest.max_rejected_frac = {max_rejected_frac} allows:", *lines]))


def main(root: Path, params: Params) -> None:
    """Read the source, decode its images, write the manifest."""
    source = sources.find(params.ingest.source)
    block = params.ingest.sources.get(params.ingest.source, {})
    settings = config.validate(source.Params, block, f"ingest.sources.{params.ingest.source}")
    folder = root / params.ingest.root
    rows = source.read(folder, settings)

    def look(usable: Iterable[Row]) -> list[Decoded | str]:
        paths = [inside(folder, row.image) for row in usable]
        # Threads share the filters of warnings, which `images.decode` sets and resets: set them once around all.
        # Pillow decodes outside the interpreter's lock.
        with warnings.catch_warnings(action="ignore"), ThreadPoolExecutor(os.cpu_count()) as pool:
            results = pool.map(lambda path: decode(path) if path else "its path leaves ingest.root", paths)
            return list(tqdm(results, total=len(paths), desc="decode", unit="image", delay=1, mininterval=1))

    result = assemble(rows, look, params.ingest)
    unusable = int((result.rejected["kind"] == "rejected").sum())
    if unusable:
        warn(f"{unusable} of {len(rows)} rows are unusable; {rejected.PATH} says why")
    manifest.write(root, result.manifest)
    classes.write(root, result.classes)
    rejected.write(root, result.rejected)
    thumbnails.write(root, result.thumbnails)
    print(
        f"{len(result.manifest)} images: "
        + ", ".join(map(" ".join, zip(result.classes.names, map(str, result.classes.counts), strict=True)))
    )


if __name__ == "__main__":
    run(main, Params)
