"""Read images and labels, check them, and write them in one schema.

Reads the folder `ingest.root`. Writes `data/manifest.csv`, `data/classes.json`, `data/boxes.csv`, `data/scenes.csv`,
`data/rejected.csv`, `data/thumbnails.npy`, `data/pixels.json`, and `data/ingest.sums`. Every image is decoded once,
and a second time once the range of all images is known if it has more than 8 bits or transparency; every row that is
not used is listed with its reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError

from counterpoise import config, images, labels, sources, tasks
from counterpoise.artifacts import boxes, classes, manifest, pixels, rejected, scenes, thumbnails
from counterpoise.config import InputError, Listed, Name, Section
from counterpoise.dataset import box_curation, class_names, curation, decoding, ground, image_paths, label_warnings
from counterpoise.dataset.curation import Labelled, Refusal
from counterpoise.sources import Row
from counterpoise.stages import count_of, list_counts, run, warn

if TYPE_CHECKING:
    import pandas as pd


FLAT = 26
"""A picture whose brightest spot is less brighter than its darkest, a tenth of the range, shows hardly anything."""


PixelValue = Annotated[float, Field(ge=-1e37, le=1e37)]
"""Values beyond mark missing pixels."""
BandNumber = Annotated[int, Field(ge=0, le=65_535)]
"""A TIFF counts its bands with 16 bits."""


class Rare(Section):
    """Block `ingest.rare`: what to do with classes that have few images."""

    min_images: int = Field(ge=1, le=1_000_000)
    """A class with fewer images than this is rare; in 1..1,000,000."""
    action: Literal["keep", "drop", "other"]
    """What to do with rare classes. `keep` them; `drop` their label, and images without another label; or group them
    all as one class named `other`."""


class Ingest(Section):
    """Section `ingest`."""

    root: str
    """Folder with the images and their labels, inside the repository."""
    source: str
    """Where the labels come from: `csv`, a table; or `folder`, one folder per class. Boxes come from `coco`, `voc`,
    `yolo`, `boxes_csv`, a table, or `geojson`, beside GeoTIFFs."""
    sources: dict[str, dict[str, Any]]
    """The parameters of each source."""
    exclude: Listed[Name]
    """Classes to leave out. Images that have no other class are left out too. Of boxes, the place is ignored: it is
    neither an object nor background."""
    merge: dict[Name, Listed[Name]]
    """Classes to merge, as {new name: [old names]}."""
    rare: Rare
    max_rejected_frac: float = Field(ge=0, le=1)
    """Stop if more than this share of the rows is unusable, in [0, 1]."""
    pixel_range: Literal["auto"] | Annotated[tuple[PixelValue, PixelValue], Field(strict=False)]
    """The values that become black and white, in every image: `auto`, or two numbers. With `auto`, values of 8 bits
    stay unchanged, and those of more bits and floating point get the range that all images have together."""
    bands: Literal["auto"] | Annotated[tuple[BandNumber, ...], Field(strict=False)]
    """Which bands are shown, numbered from 0: `auto`, three numbers for red, green and blue, or one for grey. `auto`
    takes the only band or the first three, and transparency where the file has some."""
    background: Literal["auto", "black", "white"]
    """What lies behind transparent parts. `auto` is `white` where what can be seen is dark on average, else `black`."""

    @field_validator("pixel_range", mode="before")
    @classmethod
    def _is_range(cls, value: object) -> object:
        numbers = value if isinstance(value, list | tuple) and all(type(x) in (int, float) for x in value) else ()
        if value != "auto" and not (len(numbers) == 2 and -np.inf < numbers[0] < numbers[1] < np.inf):
            raise PydanticCustomError("pixel_range", "expected auto, or two numbers, the second higher: [0, 4095]")
        return value

    @field_validator("bands", mode="before")
    @classmethod
    def _are_bands(cls, value: object) -> object:
        numbers = value if isinstance(value, list | tuple) and all(type(x) is int and x >= 0 for x in value) else ()
        if value != "auto" and len(numbers) not in (1, 3):
            raise PydanticCustomError("bands", "expected auto, or one or three numbers from 0: [0] or [0, 1, 2]")
        return value


class Params(Section):
    """What this stage reads."""

    task: tasks.Task
    ingest: Ingest


@dataclass(frozen=True)
class Ingested:
    """All that this stage writes, and its warnings."""

    manifest: pd.DataFrame
    classes: classes.Classes
    boxes: pd.DataFrame
    rejected: pd.DataFrame
    thumbnails: NDArray[np.uint8]
    pixels: images.Pixels
    warnings: tuple[str, ...]


def assemble(
    rows: Sequence[Row],
    look: decoding.Look,
    params: Params,
    found: image_paths.Found = image_paths.ALL_EXACT,
) -> Ingested:
    """Turn raw rows into a manifest.

    Args:
        rows: Raw rows.
        look: Decodes the images.
        params: What this stage reads.
        found: Which files are meant by paths that are not those of a file.

    Returns:
        All that this stage writes.

    Raises:
        InputError: Too many rows are unusable, or no two classes are left to distinguish.
    """
    settings = params.ingest
    usable, refused = curation.join(rows, params.task, found.files)
    usable, left_out = curation.choose(usable, settings.exclude, settings.merge)
    refused += left_out
    decoded: dict[str, decoding.Decoded] = {}
    results, seen = look([image.image for image in usable])
    for image, result in zip(usable, results, strict=True):
        if isinstance(result, str):
            refused += curation.refuse(image, "rejected", result)
        else:
            decoded[image.image] = result
    boxed = box_curation.curate([image for image in usable if image.image in decoded], decoded)
    refused += boxed.refused
    refused = [(row, kind, reason + hint_for(row, reason, found)) for row, kind, reason in refused]
    before, usable = usable, list(boxed.images)
    warned = [*boxed.warnings, *warn_of_classes(before, usable)]
    usable, left_out = curation.treat_rare(usable, settings.rare.min_images, settings.rare.action)
    refused += left_out
    usable, left_out = box_curation.refuse_unfit(usable, params.task)
    refused += left_out
    stop_if_too_many(refused, sum(not row.unused for row in rows), settings.max_rejected_frac)
    usable.sort(key=lambda image: image.image)
    if fault := curation.fault_of_classes(usable, refused):
        raise InputError(f"{settings.root}: {fault}")
    ordered = order_classes(usable, settings.root)
    pictures = np.stack([decoded[image.image].thumbnail for image in usable])
    warned += label_warnings.disagreements(usable, [decoded[image.image].sha256 for image in usable])
    warned += find_flat(pictures, is_range_found=settings.pixel_range == "auto" and bool(seen.ranges))
    warned += label_warnings.large_group(usable)
    table = list_usable(usable, decoded, settings.root)
    listed = list_boxes(usable)
    return Ingested(table, ordered, listed, list_refused(refused), pictures, seen, tuple(warned))


def hint_for(row: Row, reason: str, found: image_paths.Found) -> str:
    """Name the nearest file where the path is at fault."""
    fault_of_path = reason in (curation.MISSING, curation.ABSOLUTE, curation.LEAVES)
    return found.hints.get(row.image, "") if fault_of_path else ""


def warn_of_classes(before: Sequence[Labelled], usable: Sequence[Labelled]) -> Iterator[str]:
    """Warn of classes without a usable image, of several spellings of a class, and of missing values as classes.

    Args:
        before: Images before they were decoded.
        usable: Those that could be decoded.
    """
    counts, wanted = curation.count(usable), curation.count(before)
    if lost := [f"{name!r} ({count_of(wanted[name], 'image')})" for name in sorted(wanted.keys() - counts.keys())]:
        yield f"no image can be used of class {', '.join(lost)}; {rejected.PATH} says why"
    yield from class_names.spellings(counts)
    yield from class_names.missing_values(counts)


def order_classes(usable: Sequence[Labelled], root: str) -> classes.Classes:
    """Count the classes and sort them by decreasing count, then by name.

    Raises:
        InputError: A name contains the separator of labels, or a control character.
    """
    counts = curation.count(usable)
    for name in counts:
        if labels.SEPARATOR in name:
            raise InputError(f"{root}: class name {name!r} contains '{labels.SEPARATOR}'; rename it")
        if fault := class_names.fault(name):
            raise InputError(f"{root}: {fault}; rename it, or give it another name with ingest.merge")
    order = sorted(counts, key=lambda name: (-counts[name], name))
    return classes.Classes(tuple(order), tuple(counts[name] for name in order), len(usable))


def find_flat(pictures: NDArray[np.uint8], *, is_range_found: bool) -> tuple[str, ...]:
    """Warn if no picture shows anything, or hardly one in the range that was found.

    Args:
        pictures: Grey pictures (n, s, s); the contrast of each is that of its darkest and its brightest spot.
        is_range_found: Whether their black and white were found over all images, so that a single one may decide them.
    """
    contrasts = np.ptp(pictures.reshape(len(pictures), -1), axis=1)
    if (most := int(contrasts.max())) < FLAT:
        return (
            f"no picture has a contrast of more than {most} of 255, so all look alike; check ingest.pixel_range, "
            f"ingest.bands and ingest.background, and what {pixels.PATH} says was found",
        )
    if is_range_found and (typical := int(np.median(contrasts))) < FLAT:
        return (
            f"half of the pictures have a contrast of at most {typical} of 255, since a few values are far from the "
            f"others; state ingest.pixel_range; {pixels.PATH} says what was found",
        )
    return ()


def list_usable(usable: Sequence[Labelled], decoded: dict[str, decoding.Decoded], root: str) -> pd.DataFrame:
    """Build the table of `manifest.csv`."""
    import pandas as pd

    rows = [
        (
            image.image,
            (PurePosixPath(root) / image.image).as_posix(),
            labels.join(image.labels),
            labels.join(sorted({name for row in image.rows for name in row.labels})),
            image.group or image.image,
            image.split,
            decoded[image.image].width_px,
            decoded[image.image].height_px,
            decoded[image.image].sha256,
        )
        for image in usable
    ]
    return pd.DataFrame(rows, columns=list(manifest.COLUMNS))


def list_boxes(usable: Sequence[Labelled]) -> pd.DataFrame:
    """Build the table of `boxes.csv`; without rows where labels are of whole images."""
    import pandas as pd

    rows = [
        (image.image, number, box.label, box.row.labels[0], *box.corners, int(box.ignore), _printable(box.row.where))
        for image in usable
        for number, box in enumerate(image.boxes)
    ]
    table = pd.DataFrame(rows, columns=list(boxes.COLUMNS))
    return table if rows else table.astype(boxes.COLUMNS)


def list_refused(refused: Sequence[Refusal]) -> pd.DataFrame:
    """Build the table of `rejected.csv`. File names that are not UTF-8 are escaped."""
    import pandas as pd

    rows = [(_printable(row.where), _printable(row.image), kind, reason) for row, kind, reason in refused]
    return pd.DataFrame(sorted(rows), columns=list(rejected.COLUMNS))


def _quoted(path: str) -> str:
    r"""Write a path between quotes, with escapes for what cannot be printed, but one `\` for one."""
    return repr(path).replace("\\\\", "\\")


def _printable(text: str) -> str:
    return text.encode(errors="backslashreplace").decode()


def stop_if_too_many(refused: Sequence[Refusal], rows: int, max_rejected_frac: float) -> None:
    """Stop the run if too many rows are unusable.

    Raises:
        InputError: More than `max_rejected_frac` of the rows are unusable. The message lists the most frequent reasons,
            each with an example.
    """
    unusable = [(row, reason) for row, kind, reason in refused if kind == "rejected"]
    if len(unusable) <= max_rejected_frac * rows:
        return
    lines = []
    for cause, count in Counter(curation.cause(reason) for _, reason in unusable).most_common(5):
        row, reason = next((row, reason) for row, reason in unusable if curation.cause(reason) == cause)
        others = f" (and {count_of(count - 1, 'more row')})" if count > 1 else ""
        lines.append(f"  {row.where}: image {_quoted(row.image)}: {reason}{others}")
    head = (
        f"{len(unusable)} of {rows} rows are unusable, more than ingest.max_rejected_frac = {max_rejected_frac} "
        "allows. Correct the rows, or raise ingest.max_rejected_frac to go on without them:"
    )
    raise InputError("\n".join([head, *lines]))


def remarks(rows: Sequence[Row], found: image_paths.Found, result: Ingested) -> Iterator[str]:
    """Say in a line each how rows were understood that do not speak for themselves.

    Args:
        rows: Raw rows.
        found: Which files are meant by paths that are not those of a file.
        result: What became of them.
    """
    if found.files:
        given, file = next(iter(found.files.items()))
        yield (
            f"{count_of(len(found.files), 'path')} fit one file each but for {' and '.join(found.differences)}; "
            f"{_quoted(given)} is taken for {_quoted(file)}"
        )
    if unused := Counter(row.unused for row in rows if row.unused):
        listed = "; ".join(f"{number} {reason}" for reason, number in unused.most_common(5))
        yield f"{count_of(unused.total(), 'file')} passed over ({listed}); {rejected.PATH} lists them"
    if missing := Counter(row.group for row in rows if row.group and sources.is_missing(row.group)):
        words = ", ".join(map(repr, sorted(missing)))
        yield f"{count_of(missing.total(), 'row')} with {words} for the group: each such image is a group of its own"
    if sizes := Counter(split for split in result.manifest["split"] if split):
        listed = ", ".join(f"{name} {sizes[name]}" for name in manifest.SPLITS if sizes[name])
        yield f"splits that the labels give are kept: {listed} of {len(result.manifest)} images"


def summarise(result: Ingested) -> str:
    """List the number of images of each class in one line."""
    unlabelled = int((result.manifest["labels"] == "").sum())
    listed = list_counts(result.classes.names, result.classes.counts)
    text = f"{result.classes.images} images: {listed}" + (f"; {unlabelled} without a label" if unlabelled else "")
    if len(result.boxes):
        objects = result.boxes.loc[result.boxes["ignore"] == 0, "label"]
        numbers = [int((objects == name).sum()) for name in result.classes.names]
        ignored = len(result.boxes) - len(objects)
        text += f"\n{len(objects)} boxes: {list_counts(result.classes.names, numbers)}"
        text += f"; {ignored} more are ignored" if ignored else ""
    return text


def main(root: Path, params: Params) -> None:
    """Read the labels, decode the images, and write the manifest."""
    source = sources.find(params.ingest.source)
    block = params.ingest.sources.get(params.ingest.source, {})
    settings = config.validate(source.Params, block, f"ingest.sources.{params.ingest.source}")
    folder = root / params.ingest.root
    rows = source.read(folder, settings, warn)
    found = image_paths.find(folder, params.ingest.root, [row.image for row in rows if not row.unused])
    wanted = params.ingest
    look = partial(
        decoding.decode_all,
        folder,
        pixel_range=None if wanted.pixel_range == "auto" else wanted.pixel_range,
        bands=() if wanted.bands == "auto" else wanted.bands,
        background=wanted.background,
    )
    result = assemble(rows, look, params, found)
    for remark in remarks(rows, found, result):
        print(remark)
    unusable = int((result.rejected["kind"] == "rejected").sum())
    if unusable:
        warn(
            f"{unusable} of {sum(not row.unused for row in rows)} rows are unusable; {rejected.PATH} lists the reasons"
        )
    separator = block.get("label_separator", "")
    for warning in (*label_warnings.one_label_each(rows, params.task, separator), *result.warnings):
        warn(warning)
    manifest.write(root, result.manifest)
    boxes.write(root, result.boxes)
    has_boxes = tasks.find(params.task).HAS_BOXES
    scenes.write(root, ground.find(root, result.manifest, warn) if has_boxes else scenes.empty())
    classes.write(root, result.classes)
    rejected.write(root, result.rejected)
    thumbnails.write(root, result.thumbnails)
    pixels.write(root, result.pixels)
    print(summarise(result))
    print(f"pixels: {result.pixels.found}")


if __name__ == "__main__":
    run(main, Params)
