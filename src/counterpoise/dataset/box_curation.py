"""Curation of boxes: turn them as EXIF turns their picture, clip them to it, and refuse what is no box."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from counterpoise import tasks
from counterpoise.dataset.curation import Box, Labelled, Refusal, refuse
from counterpoise.dataset.decoding import Decoded
from counterpoise.sources import Corners, Row

MIN_INSIDE = 0.5
"""A box of which less than this share of its area lies in the picture is refused."""
ROUNDING_PX = 0.01
"""A box that reaches out of its picture by less is rounded, not clipped: YOLO's six digits are 0.01 px of 10,000."""
DIGITS = 6
"""Decimals of a coordinate in px that are kept; more come from the arithmetic of shares and of coordinates on earth."""
SMALL_PX = 2.0
"""A box with a shorter side shows next to nothing."""


@dataclass(frozen=True)
class Curated:
    """Images with boxes in pixels, rows that are refused or changed, and warnings."""

    images: tuple[Labelled, ...]
    refused: tuple[Refusal, ...]
    warnings: tuple[str, ...]


class RefusedError(ValueError):
    """A box cannot be used; the message says why."""


def curate(images: Sequence[Labelled], decoded: Mapping[str, Decoded]) -> Curated:
    """Check the boxes of every image, and give them in pixels of the picture after EXIF turning.

    Args:
        images: Images; those without boxes stay unchanged.
        decoded: Their sizes and orientations, by name.

    Returns:
        The images, none left out. The labels of an image with boxes are the classes of those that are not ignored.
    """
    curated, refused, doubtful = [], [], _Doubts()
    for image in images:
        if not image.boxes:
            curated.append(image)
            continue
        kept, own = _curate_image(image, decoded[image.image], doubtful)
        refused += own
        rejected = {id(row) for row, kind, _ in own if kind == "rejected"}
        rows = tuple(row for row in image.rows if id(row) not in rejected)
        names = {box.label for box in kept if not box.ignore}
        curated.append(replace(image, labels=tuple(sorted(names)), rows=rows, boxes=kept))
    clipped = [row for row, kind, _ in refused if kind == "clipped"]
    return Curated(tuple(curated), tuple(refused), tuple(doubtful.warnings(clipped)))


def refuse_unfit(images: Sequence[Labelled], task: str) -> tuple[list[Labelled], list[Refusal]]:
    """Refuse images whose boxes leave labels that an image of this task cannot have.

    Args:
        images: Images.
        task: What the labels mean.

    Returns:
        The remaining images, and the rows that are refused.
    """
    fault_of_labels = tasks.find(task).fault_of_labels
    fit: list[Labelled] = []
    refused: list[Refusal] = []
    for image in images:
        if reason := fault_of_labels(image.labels):
            refused += refuse(image, "rejected", reason)
        else:
            fit.append(image)
    return fit, refused


class _Doubts:
    """Rows that are used, and about which somebody should know."""

    def __init__(self) -> None:
        self.unsure: list[Row] = []
        self.small: list[Row] = []
        self.same: list[tuple[Row, Row]] = []

    def warnings(self, clipped: Sequence[Row]) -> Iterator[str]:
        if clipped:
            yield (
                f"{_boxes(clipped)} partly outside the picture, such as {clipped[0].where}; that part is cut "
                "off, and data/rejected.csv lists them"
            )
        if self.small:
            yield f"{_boxes(self.small)} less than {SMALL_PX:g} px wide or high, such as {self.small[0].where}"
        if self.unsure:
            yield (
                f"{_boxes(self.unsure)} in pictures that EXIF turns, and their labels do not show whether the "
                f"boxes are turned, too, such as {self.unsure[0].where}; they are used unchanged; if they look "
                "wrong, save these pictures turned"
            )
        if self.same:
            one, other = self.same[0]
            yield (
                f"{_boxes(self.same)} where a box of another class is, such as {other.where} and "
                f"{one.where}; both are kept; remove the wrong one of each pair"
            )


def _boxes(found: Sequence[object]) -> str:
    return "1 box is" if len(found) == 1 else f"{len(found)} boxes are"


def _curate_image(image: Labelled, picture: Decoded, doubts: _Doubts) -> tuple[tuple[Box, ...], list[Refusal]]:
    kept: list[Box] = []
    refused: list[Refusal] = []
    by_place: dict[Corners, list[Box]] = {}
    for box in image.boxes:
        try:
            corners, is_sure = place(box, picture)
            inside = clip(corners, picture.width_px, picture.height_px)
        except RefusedError as error:
            refused.append((box.row, "rejected", str(error)))
            continue
        found = replace(box, corners=inside)
        same = by_place.setdefault(inside, [])
        if repeated := [other for other in same if other.label == box.label]:
            refused.append((box.row, "rejected", f"it has class and corners of {repeated[0].row.where}"))
            continue
        if same:
            doubts.same.append((box.row, same[0].row))
        if max(abs(a - b) for a, b in zip(corners, inside, strict=True)) > ROUNDING_PX:
            reason = f"clipped to its picture of {_size(picture)}: {_listed(corners)} became {_listed(inside)}"
            refused.append((box.row, "clipped", reason))
        if min(inside[2] - inside[0], inside[3] - inside[1]) < SMALL_PX:
            doubts.small.append(box.row)
        if not is_sure:
            doubts.unsure.append(box.row)
        same.append(found)
        kept.append(found)
    return tuple(kept), refused


def place(box: Box, picture: Decoded) -> tuple[Corners, bool]:
    """Give the corners of a box in pixels of its picture after EXIF turning.

    Labels state the size of the picture as stored, or as turned. That tells whether the boxes are turned already,
    unless both sizes are equal. Shares are always of the turned picture, as in YOLO.

    Args:
        box: With the corners of its row.
        picture: What is known of the file.

    Returns:
        The corners, and whether it is sure that they are those of the turned picture.

    Raises:
        RefusedError: A coordinate is not finite, left is right of right, the box has no area, or the labels are of a
            picture of another size.
    """
    x0, y0, x1, y1 = box.corners
    if not all(map(math.isfinite, box.corners)):
        raise RefusedError(f"a coordinate is not a finite number: {_listed(box.corners)}")
    if x1 < x0 or y1 < y0:
        raise RefusedError(f"its corners are swapped: {_listed(box.corners)}; expected left, top, right, bottom")
    if x1 == x0 or y1 == y0:
        raise RefusedError(f"the box has no area: {_listed(box.corners)}")
    width, height = turned = (picture.width_px, picture.height_px)
    stored = turned[::-1] if picture.orientation >= 5 else turned
    stated = box.row.size_px
    if box.row.unit == "frac":
        return (x0 * width, y0 * height, x1 * width, y1 * height), True
    if stated is not None and stated not in (stored, turned):
        raise RefusedError(
            f"its labels are of a picture of {stated[0]} x {stated[1]} px, but the file has {_size(picture)}"
        )
    if stated is not None and stored != turned:
        return (box.corners if stated == turned else turn(box.corners, *stored, picture.orientation)), True
    return box.corners, picture.orientation == 1


def turn(corners: Corners, width_px: int, height_px: int, orientation: int) -> Corners:
    """Turn a box along with its picture.

    Args:
        corners: In the picture as stored.
        width_px: Of the picture as stored.
        height_px: Likewise.
        orientation: Of EXIF, 1 to 8.

    Example:
        >>> turn((1.0, 2.0, 4.0, 3.0), 10, 6, 6)
        (3.0, 1.0, 4.0, 4.0)
    """
    x0, y0, x1, y1 = corners
    if orientation in (2, 3, 7, 8):
        x0, x1 = width_px - x1, width_px - x0
    if orientation in (3, 4, 6, 7):
        y0, y1 = height_px - y1, height_px - y0
    return (y0, x0, y1, x1) if orientation >= 5 else (x0, y0, x1, y1)


def clip(corners: Corners, width_px: int, height_px: int) -> Corners:
    """Clip a box to its picture.

    Args:
        corners: Of a box with an area.
        width_px: Of the picture.
        height_px: Likewise.

    Returns:
        The corners, rounded to `DIGITS` decimals.

    Raises:
        RefusedError: The box is outside, more than half of it is, or nothing is left of it.

    Example:
        >>> clip((-1.0, 2.0, 3.0, 4.0), 10, 6)
        (0.0, 2.0, 3.0, 4.0)
    """
    x0, y0, x1, y1 = corners
    inside = (
        round(min(max(x0, 0.0), width_px), DIGITS),
        round(min(max(y0, 0.0), height_px), DIGITS),
        round(min(max(x1, 0.0), width_px), DIGITS),
        round(min(max(y1, 0.0), height_px), DIGITS),
    )
    if x1 - x0 < 10**-DIGITS or y1 - y0 < 10**-DIGITS:
        raise RefusedError(f"the box has no area: {_listed(corners)}")
    left = max(inside[2] - inside[0], 0.0) * max(inside[3] - inside[1], 0.0)
    of_picture = f"its picture of {width_px} x {height_px} px: {_listed(corners)}"
    if not left:
        raise RefusedError(f"the box is outside {of_picture}")
    if left < MIN_INSIDE * (x1 - x0) * (y1 - y0):
        raise RefusedError(f"more than half of the box is outside {of_picture}")
    return inside


def _size(picture: Decoded) -> str:
    return f"{picture.width_px} x {picture.height_px} px"


def _listed(corners: Corners) -> str:
    return f"({', '.join(f'{value:.10g}' for value in corners)})"
