"""Windows that cover a large image."""

from __future__ import annotations

Window = tuple[int, int, int, int]


def windows(width_px: int, height_px: int, size_px: int, overlap_px: int) -> list[Window]:
    """Cover an image with square windows of one size, the last of a row or column moved back inside.

    Args:
        width_px: Of the image.
        height_px: Of the image.
        size_px: Side of a window; an image that fits into one is a single window of its own size.
        overlap_px: Least overlap of neighbours, in 0..size_px - 1.

    Returns:
        (x0, y0, x1, y1), right and bottom exclusive, row by row.

    Raises:
        ValueError: A size is not positive, or the overlap is out of range.

    Example:
        >>> windows(5, 3, 3, 0)
        [(0, 0, 3, 3), (2, 0, 5, 3)]
    """
    if min(width_px, height_px, size_px) < 1:
        raise ValueError(f"sizes must be positive, found {width_px} x {height_px} px in windows of {size_px} px")
    if not 0 <= overlap_px < size_px:
        raise ValueError(f"overlap_px is {overlap_px}; expected 0..{size_px - 1}")
    return [
        (x0, y0, min(x0 + size_px, width_px), min(y0 + size_px, height_px))
        for y0 in _starts(height_px, size_px, overlap_px)
        for x0 in _starts(width_px, size_px, overlap_px)
    ]


def _starts(length_px: int, size_px: int, overlap_px: int) -> list[int]:
    if length_px <= size_px:
        return [0]
    last = length_px - size_px
    return [*range(0, last, size_px - overlap_px), last]
