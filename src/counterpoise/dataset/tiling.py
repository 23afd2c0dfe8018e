"""Windows that cover a large image."""

from __future__ import annotations

Window = tuple[int, int, int, int]


def windows(width_px: int, height_px: int, size_px: int, overlap_px: int) -> list[Window]:
    """Cover an image with square windows of equal size.

    The last window of a row or column ends at the border of the image, so it may overlap more.

    Args:
        width_px: Width of the image in pixels.
        height_px: Height of the image in pixels.
        size_px: Side of a window in pixels. An image that fits into one window is a single window of its size.
        overlap_px: Minimum overlap of neighbouring windows in pixels, in 0..size_px - 1.

    Returns:
        Windows (x0, y0, x1, y1) row by row, without the right and bottom edges x1 and y1.

    Raises:
        ValueError: A size is not positive, or the overlap is out of range.

    Example:
        >>> windows(5, 3, 3, 0)
        [(0, 0, 3, 3), (2, 0, 5, 3)]
    """
    if min(width_px, height_px, size_px) < 1:
        raise ValueError(
            f"found an image of {width_px} x {height_px} px and windows of {size_px} px; expected positive sizes"
        )
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
