"""Bring raw labels of any kind into one schema.

Reads the folder `ingest.root`. Writes `data/manifest.csv`, `data/classes.json`, `data/rejected.csv`,
`data/thumbnails.npy`, and `data/ingest.sums`. Every image is decoded once; every row that is not used is
listed with its reason.
"""

from __future__ import annotations

import hashlib
import os
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from tqdm import tqdm

from counterpoise import config, images, labels, sources, tasks
from counterpoise.artifacts import classes, manifest, rejected, thumbnails
from counterpoise.config import InputError, Section
from counterpoise.dataset import curation
from counterpoise.dataset.curation import Labelled, Refusal
from counterpoise.sources import Row
from counterpoise.stages import count_of, list_counts, run, warn

if TYPE_CHECKING:
    import pandas as pd


class Rare(Section):
    """Block `ingest.rare`: what becomes of classes with few images."""

    min_images: int = Field(ge=1)
    """A class with fewer images than this is rare; at least 1."""
    action: Literal["keep", "drop", "other"]
    """What to do with rare classes. `keep` them; `drop` their label, and images without another label; or group them
    all as one class named `other`."""


class Ingest(Section):
    """Section `ingest`."""

    root: str
    """Folder with the images and their labels, inside the repository."""
    source: str
    """Where the labels come from: `csv`, a table; or `folder`, one folder per class."""
    sources: dict[str, dict[str, Any]]
    """The parameters of each source."""
    exclude: tuple[str, ...] = Field(strict=False)
    """Classes to leave out. Images that have no other class are left out too."""
    merge: dict[str, Annotated[tuple[str, ...], Field(strict=False)]]
    """Classes to merge, as {new name: [old names]}."""
    rare: Rare
    max_rejected_frac: float = Field(ge=0, le=1)
    """Stop if more than this share of the rows is unusable, in [0, 1]."""


class Params(Section):
    """What this stage reads."""

    task: tasks.Task
    ingest: Ingest


@dataclass(frozen=True)
class Decoded:
    """What is kept of an image: size in px, hash of the file, small grey picture uint8 (s, s)."""

    width_px: int
    height_px: int
    sha256: str
    thumbnail: NDArray[np.uint8]


@dataclass(frozen=True)
class Ingested:
    """All that this stage writes, and its warnings."""

    manifest: pd.DataFrame
    classes: classes.Classes
    rejected: pd.DataFrame
    thumbnails: NDArray[np.uint8]
    warnings: tuple[str, ...]


def decode(folder: Path, image: str) -> Decoded | str:
    """Decode one image.

    Args:
        folder: `ingest.root`, resolved.
        image: Its path below it.

    Returns:
        What is kept of it, or the reason why it is unusable.
    """
    path = sources.inside(folder, image)
    if path is None:
        return "its path leaves ingest.root"
    try:
        if path.exists() and not path.is_file():  # reading a pipe would wait forever
            return "the path is a folder, not an image" if path.is_dir() else "the path is not a regular file"
        data = path.read_bytes()
        picture = images.decode(data)
    except FileNotFoundError:
        return "the image does not exist; expected its path below ingest.root, with folder and suffix"
    except OSError as error:
        return f"the image cannot be read: {error.strerror}"
    except images.ImageError as error:
        return str(error)
    height, width = picture.shape[:2]
    return Decoded(width, height, hashlib.sha256(data).hexdigest(), images.thumbnail(picture))


def decode_all(folder: Path, names: Sequence[str]) -> list[Decoded | str]:
    """Decode images in as many threads as there are cores; Pillow decodes outside the interpreter's lock."""
    pool = ThreadPoolExecutor(os.cpu_count())
    try:
        # Threads share the filters of warnings, which `images.decode` sets and resets: set them once around all.
        with warnings.catch_warnings(action="ignore"):
            results = pool.map(partial(decode, folder.resolve()), names)
            return list(tqdm(results, total=len(names), desc="decode", unit="image", delay=1, mininterval=1))
    finally:
        pool.shutdown(cancel_futures=True)  # or Ctrl-C would wait for all images


def assemble(rows: Sequence[Row], look: Callable[[Sequence[str]], list[Decoded | str]], params: Params) -> Ingested:
    """Turn raw rows into a manifest.

    Args:
        rows: Raw rows.
        look: Decodes the images of these names, or says why it cannot.
        params: What this stage reads.

    Returns:
        All that this stage writes.

    Raises:
        InputError: Too many rows are unusable, or no two classes are left to distinguish.
    """
    settings = params.ingest
    usable, refused = curation.join(rows, params.task)
    usable, left_out = curation.choose(usable, settings.exclude, settings.merge)
    refused += left_out
    decoded: dict[str, Decoded] = {}
    for image, result in zip(usable, look([image.image for image in usable]), strict=True):
        if isinstance(result, str):
            refused += curation.refuse(image, "rejected", result)
        else:
            decoded[image.image] = result
    usable = [image for image in usable if image.image in decoded]
    usable, left_out = curation.treat_rare(usable, settings.rare.min_images, settings.rare.action)
    refused += left_out
    stop_if_too_many(refused, len(rows), settings.max_rejected_frac)
    usable.sort(key=lambda image: image.image)
    if fault := curation.fault_of_classes(usable, refused):
        raise InputError(f"{settings.root}: {fault}")
    ordered = order_classes(usable, settings.root)
    pictures = np.stack([decoded[image.image].thumbnail for image in usable])
    warned = find_disagreements(usable, [decoded[image.image].sha256 for image in usable])
    return Ingested(list_usable(usable, decoded, settings.root), ordered, list_refused(refused), pictures, warned)


def order_classes(usable: Sequence[Labelled], root: str) -> classes.Classes:
    """Count the classes and sort them by decreasing count, then by name.

    Raises:
        InputError: A name contains the separator of labels.
    """
    counts = curation.count(usable)
    for name in counts:
        if labels.SEPARATOR in name:
            raise InputError(f"{root}: class name {name!r} contains '{labels.SEPARATOR}'; rename it")
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return classes.Classes(tuple(order), tuple(counts[name] for name in order), len(usable))


def find_disagreements(usable: Sequence[Labelled], sha256: Sequence[str]) -> tuple[str, ...]:
    """Warn if files with the same bytes have different labels.

    Args:
        usable: Images.
        sha256: The hash of each file.

    Returns:
        A warning that names the first two, or nothing.
    """
    by_file: dict[str, list[Labelled]] = {}
    for image, digest in zip(usable, sha256, strict=True):
        by_file.setdefault(digest, []).append(image)
    differing = [same for same in by_file.values() if len({image.labels for image in same}) > 1]
    if not differing:
        return ()
    first = differing[0][0]
    other = next(image for image in differing[0] if image.labels != first.labels)
    pair = " and ".join(f"{image.image!r} ({', '.join(image.labels) or 'no label'})" for image in (first, other))
    return (
        f"{sum(map(len, differing))} images have the same bytes as others with other labels, such as {pair}; "
        "correct their labels, or remove them",
    )


def list_usable(usable: Sequence[Labelled], decoded: dict[str, Decoded], root: str) -> pd.DataFrame:
    """Make the table of `manifest.csv`."""
    import pandas as pd

    rows = [
        (
            image.image,
            (PurePosixPath(root) / image.image).as_posix(),
            labels.join(image.labels),
            labels.join(sorted({name for row in image.rows for name in row.labels})),
            image.group or image.image,
            decoded[image.image].width_px,
            decoded[image.image].height_px,
            decoded[image.image].sha256,
        )
        for image in usable
    ]
    return pd.DataFrame(rows, columns=list(manifest.COLUMNS))


def list_refused(refused: Sequence[Refusal]) -> pd.DataFrame:
    """Make the table of `rejected.csv`, in which a name of a file that is no UTF-8 is written with escapes."""
    import pandas as pd

    rows = [(_printable(row.where), _printable(row.image), kind, reason) for row, kind, reason in refused]
    return pd.DataFrame(sorted(rows), columns=list(rejected.COLUMNS))


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def stop_if_too_many(refused: Sequence[Refusal], rows: int, max_rejected_frac: float) -> None:
    """Stop the run if more than a share of the rows is unusable.

    Raises:
        InputError: It is. The message lists the most frequent reasons, each with an example.
    """
    unusable = [(row, reason) for row, kind, reason in refused if kind == "rejected"]
    if len(unusable) <= max_rejected_frac * rows:
        return
    lines = []
    for reason, count in Counter(reason for _, reason in unusable).most_common(5):
        row = next(row for row, cause in unusable if cause == reason)
        others = f" (and {count_of(count - 1, 'more row')})" if count > 1 else ""
        lines.append(f"  {row.where}: image {row.image!r}: {reason}{others}")
    head = (
        f"{len(unusable)} of {rows} rows are unusable, more than ingest.max_rejected_frac = {max_rejected_frac} "
        "allows. Correct the rows, or raise ingest.max_rejected_frac to go on without them:"
    )
    raise InputError("\n".join([head, *lines]))


def summarise(result: Ingested) -> str:
    """Say in a line how many images there are of each class."""
    unlabelled = int((result.manifest["labels"] == "").sum())
    listed = list_counts(result.classes.names, result.classes.counts)
    return f"{result.classes.images} images: {listed}" + (f"; {unlabelled} without a label" if unlabelled else "")


def main(root: Path, params: Params) -> None:
    """Read the source, decode its images, write the manifest."""
    source = sources.find(params.ingest.source)
    block = params.ingest.sources.get(params.ingest.source, {})
    settings = config.validate(source.Params, block, f"ingest.sources.{params.ingest.source}")
    folder = root / params.ingest.root
    rows = source.read(folder, settings)
    result = assemble(rows, partial(decode_all, folder), params)
    unusable = int((result.rejected["kind"] == "rejected").sum())
    if unusable:
        warn(f"{unusable} of {len(rows)} rows are unusable; {rejected.PATH} lists the reasons")
    for warning in result.warnings:
        warn(warning)
    manifest.write(root, result.manifest)
    classes.write(root, result.classes)
    rejected.write(root, result.rejected)
    thumbnails.write(root, result.thumbnails)
    print(summarise(result))


if __name__ == "__main__":
    run(main, Params)
