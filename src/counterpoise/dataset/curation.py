"""Curation of the labels: join rows by image, exclude and merge classes, and group rare classes.

Most functions are the same for images with one label and with several. Only `join` depends on the task.
"""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from counterpoise import labels, tasks
from counterpoise.config import PATH, InputError, suggest
from counterpoise.sources import Corners, Row, is_missing

OTHER = "other"
"""Name of the class into which rare classes are merged."""


@dataclass(frozen=True)
class Box:
    """An object in an image.

    Attributes:
        row: The raw row that says so.
        label: Its class; empty where `ingest` left out the class, so that the place is ignored for every class.
        corners: x0, y0, x1, y1, as the row gives them until `box_curation.curate` makes them pixels of the picture.
        ignore: Whether it is neither an object to find nor background.
    """

    row: Row
    label: str
    corners: Corners
    ignore: bool


@dataclass(frozen=True)
class Labelled:
    """An image and its labels.

    Attributes:
        image: Path of its file below `ingest.root` in clean form, `image_id` from here on.
        labels: Class names, sorted, each once; empty = none of the classes.
        group: Images of one group are never split up; empty = none.
        rows: The raw rows that said so.
        split: The split that the raw labels give it, `train`, `val` or `test`; empty = none.
        boxes: Its objects, in the order of their rows; none where labels are of whole images.
    """

    image: str
    labels: tuple[str, ...]
    group: str
    rows: tuple[Row, ...]
    split: str = ""
    boxes: tuple[Box, ...] = ()


ABSOLUTE = "its path is absolute; expected a path below ingest.root"
LEAVES = "its path leaves ingest.root"
MISSING = "the image does not exist; expected its path below ingest.root, with folder and suffix"
"""Why an image is refused that is not there; the nearest file may follow."""
Refusal = tuple[Row, str, str]
"""A row that is not used, or is changed; its kind (`rejected`, `excluded` or `clipped`), and the reason."""


def refuse(image: Labelled, kind: str, reason: str) -> list[Refusal]:
    """List all rows of an image as not used."""
    return [(row, kind, reason) for row in image.rows]


def cause(reason: str) -> str:
    """Leave out of a reason the hint that `image_paths` added, which differs from image to image."""
    return re.split("; the nearest is |; it fits several files", reason)[0]


def join(
    rows: Iterable[Row], task: str, files: Mapping[str, str] | None = None
) -> tuple[list[Labelled], list[Refusal]]:
    """Join rows of the same image to the union of their labels, and refuse what cannot be used.

    Args:
        rows: Raw rows.
        task: What the labels mean. Labels that an image of this task cannot have are refused.
        files: Path as a row gives it -> the file that it means, where the two differ in more than `./` and the like.

    Returns:
        Usable images, and the rows that are not used. A row that adds no label to the earlier rows of its image is
        `excluded` as a repetition.

    Example:
        >>> rows = [Row("row 2", "./a.png", ("roof",), ""), Row("row 3", "a.png", ("solar",), "")]
        >>> [(image.image, image.labels) for image in join(rows, "multilabel")[0]]
        [('a.png', ('roof', 'solar'))]
    """
    by_image: dict[str, list[Row]] = {}
    usable: list[Labelled] = []
    refused: list[Refusal] = []
    for row in rows:
        if row.unused:
            refused.append((row, "excluded", row.unused))
            continue
        if row.fault and not row.image:
            refused.append((row, "rejected", row.fault))
            continue
        path = (files or {}).get(row.image) or (posixpath.normpath(row.image) if row.image else "")
        by_image.setdefault(path, []).append(row)
    fault_of_labels = tasks.find(task).fault_of_labels
    for image, same in by_image.items():
        classes = tuple(sorted({label for row in same for label in row.labels if not row.fault}))
        reason = _fault_of_path(image) or fault_of_labels(classes) or _fault_of_groups(same) or _fault_of_splits(same)
        if reason:
            refused += [(row, "rejected", row.fault or reason) for row in same]
            continue
        kept: list[Row] = []
        stated: set[str] = set()
        for row in same:
            if row.fault:
                refused.append((row, "rejected", row.fault))
                continue
            if row.box is None and kept and stated.issuperset(row.labels):
                refused.append((row, "excluded", f"repeats {same[0].where}"))
            else:
                kept.append(row)
            stated.update(row.labels)
        boxes = tuple(Box(row, row.labels[0], row.box, row.ignore) for row in kept if row.box is not None)
        usable.append(Labelled(image, classes, group_of(same[0]), tuple(kept), same[0].split, boxes))
    return usable, refused


def _fault_of_path(image: str) -> str | None:
    if not image:
        return "the row names no image"
    if image.startswith("/") or re.match(r"[A-Za-z]:[\\/]", image):
        return ABSOLUTE
    if image.split("/")[0] == "..":
        return LEAVES
    if re.match(r"[a-z][a-z0-9+.-]+:/", image):  # normalizing made one slash of two
        return "it is an address on the web; download the image and give its path below ingest.root"
    try:
        image.encode()
    except UnicodeEncodeError:  # Python reads a file name that is not UTF-8 with lone surrogates
        return "its path is not UTF-8"
    return None


def group_of(row: Row) -> str:
    """Give the group of a row in clean form: `3.0` is `3`, and what reads NA, NaN or null is none, empty.

    Example:
        >>> [group_of(Row("row 2", "a.png", (), group)) for group in ("3.0", "NA", "site 3")]
        ['3', '', 'site 3']
    """
    group = unicodedata.normalize("NFC", row.group)
    whole = re.fullmatch(r"([-+]?\d+)\.0+", group)
    return "" if is_missing(group) else whole[1] if whole else group


def _fault_of_groups(rows: Sequence[Row]) -> str | None:
    groups = sorted({group_of(row) for row in rows})
    return f"the image is in several groups: {groups}" if len(groups) > 1 else None


def _fault_of_splits(rows: Sequence[Row]) -> str | None:
    splits = sorted({row.split for row in rows})
    return f"the image is in several splits: {splits}" if len(splits) > 1 else None


def count(images: Iterable[Labelled]) -> Counter[str]:
    """Count the images that have each class."""
    return Counter(label for image in images for label in image.labels)


def fault_of_classes(images: Sequence[Labelled], refused: Sequence[Refusal]) -> str | None:
    """Check that some label is present in some images and absent from others.

    Args:
        images: All usable images.
        refused: Rows that are not used.

    Returns:
        An error message, or `None` if there is such a label.
    """
    counts, settings = count(images), "ingest.exclude, ingest.merge and ingest.rare"
    if not images and not refused:
        return "no image was found; expected images of at least two classes; check ingest.root and ingest.source"
    if not images:
        reason, rows = Counter(cause(reason) for _, _, reason in refused).most_common(1)[0]
        return (
            f"no usable image is left of {len(refused)} rows. Most frequent reason ({rows} of them): {reason}. "
            f"Correct the rows, or check {settings}"
        )
    if not counts:
        return (
            f"none of the {len(images)} images has a label; expected at least one label that some images have; check "
            f"the column of the labels, and {settings}"
        )
    if any(image.boxes for image in images):  # tiles are labelled by their own boxes, and many have none
        return None
    if len(counts) == 1 and all(image.labels for image in images):
        return (
            f"all {len(images)} images have the class {min(counts)!r} and no other; expected at least two classes. If "
            "each class has a folder, set ingest.root to the folder above them. Otherwise add images of another class, "
            f"or check {settings}. With task 'multilabel', images without any label are enough"
        )
    if all(number == len(images) for number in counts.values()):
        return (
            f"every one of the {len(images)} images has all {len(counts)} labels, {sorted(counts)}; expected a label "
            f"that some images lack; add such images, or check the labels and {settings}"
        )
    return None


def relabel(
    images: Iterable[Labelled], new_names: Mapping[str, str | None], reason: str
) -> tuple[list[Labelled], list[Refusal]]:
    """Rename and remove labels.

    An image that loses its last label is left out, because it is not an image without any class. An image with boxes
    stays: a box that loses its label marks a place that is ignored.

    Args:
        images: Images with any number of labels.
        new_names: Old name -> new name, or `None` to remove the label. Other labels are unchanged.
        reason: Reason for removing labels. The names of the labels are appended to it.

    Returns:
        The remaining images, and the rows of the images and boxes that are left out.

    Example:
        >>> images = [Labelled("1", ("a", "b"), "", ()), Labelled("2", ("b",), "", ()), Labelled("3", (), "", ())]
        >>> [(image.image, image.labels) for image in relabel(images, {"a": "c", "b": None}, "")[0]]
        [('1', ('c',)), ('3', ())]
    """
    remaining: list[Labelled] = []
    left_out: list[Refusal] = []
    for image in images:
        names = {new for label in image.labels if (new := new_names.get(label, label)) is not None}
        if image.boxes:
            lost = [box for box in image.boxes if new_names.get(box.label, box.label) is None]
            left_out += [(box.row, "excluded", f"{reason} {box.label!r}; its place is ignored") for box in lost]
            boxes = tuple(_relabel_box(box, new_names) for box in image.boxes)
            remaining.append(replace(image, labels=tuple(sorted(names)), boxes=boxes))
        elif image.labels and not names:
            left_out += refuse(image, "excluded", f"{reason} {', '.join(map(repr, image.labels))}")
        else:
            remaining.append(replace(image, labels=tuple(sorted(names))))
    return remaining, left_out


def _relabel_box(box: Box, new_names: Mapping[str, str | None]) -> Box:
    label = new_names.get(box.label, box.label)
    return replace(box, label=label or "", ignore=box.ignore or label is None)


def choose(
    images: Sequence[Labelled], exclude: Sequence[str], merge: Mapping[str, Sequence[str]]
) -> tuple[list[Labelled], list[Refusal]]:
    """Exclude and merge classes.

    Args:
        images: Images with any number of labels.
        exclude: Classes to leave out.
        merge: New name -> classes to merge.

    Returns:
        The remaining images with their new labels, and the rows that are left out.

    Raises:
        InputError: A name is not a class, a class is merged twice or both excluded and merged, or a new name is
            invalid.
    """
    known = sorted(count(images))
    for key, mentioned in [("exclude", exclude), *((f"merge.{new}", old) for new, old in merge.items())]:
        for name in mentioned:
            if name not in known:
                raise InputError(f"{PATH}: ingest.{key} names {name!r}, which no row has; {suggest(name, known)}")
    used = Counter([*exclude, *(name for old in merge.values() for name in old)])
    for name, times in used.items():
        if times > 1:
            raise InputError(f"{PATH}: ingest.exclude and ingest.merge name {name!r} {times} times; name it once")
    for new in merge:
        if not new or labels.SEPARATOR in new:
            raise InputError(
                f"{PATH}: ingest.merge has the new class name {new!r}; expected a name that is not empty and has no "
                f"{labels.SEPARATOR!r}"
            )
    new_names: dict[str, str | None] = {name: new for new, old in merge.items() for name in old}
    return relabel(images, new_names | dict.fromkeys(exclude), "ingest.exclude names")


def treat_rare(images: Sequence[Labelled], min_images: int, action: str) -> tuple[list[Labelled], list[Refusal]]:
    """Keep, drop or group classes with fewer than `min_images` images.

    Args:
        images: Images with any number of labels.
        min_images: A class with fewer images is rare.
        action: `keep` rare classes, `drop` their labels, or merge them into the class `other`.

    Returns:
        The remaining images, and the rows that are left out.
    """
    few = [name for name, images_count in count(images).items() if images_count < min_images]
    new_names: dict[str, dict[str, str | None]] = {
        "keep": {},
        "drop": dict.fromkeys(few),
        "other": dict.fromkeys(few, OTHER),
    }
    return relabel(images, new_names[action], f"fewer than {min_images} images have")
