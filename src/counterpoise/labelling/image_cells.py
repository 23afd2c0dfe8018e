"""How a table names an image: in one column, or in the columns of a pattern of paths."""

from __future__ import annotations

import posixpath
import re

from counterpoise.sources import SUFFIXES, columns_in


def of_path(pattern: str, path: str) -> dict[str, str] | None:
    """Find the cells that `sources.filled` turns into a path.

    Args:
        pattern: As `image_column` of a source: the name of a column, or a pattern of paths.
        path: Path of an image, below the folder that patterns start from.

    Returns:
        Column -> cell; `None` where the pattern does not fit.

    Example:
        >>> of_path("photos/{id}", "photos/17.png"), of_path("image", "new/a.png"), of_path("photos/{id}", "new/a.png")
        ({'id': '17'}, {'image': 'new/a.png'}, None)
    """
    columns = columns_in(pattern)
    if columns == [pattern]:
        return {pattern: path}
    named = path if pattern.lower().endswith(SUFFIXES) else posixpath.splitext(path)[0]
    parts = re.split(r"\{[^{}]+\}", pattern)
    found = re.fullmatch("(.+)".join(map(re.escape, parts)), named)
    if found is None:
        return None
    cells = dict(zip(columns, found.groups(), strict=True))
    return cells if all(cells[name] == cell for name, cell in zip(columns, found.groups(), strict=True)) else None
