"""Labels as text in tables (`a|b`) and as arrays."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

SEPARATOR = "|"


def join(names: Iterable[str]) -> str:
    """Write labels as one cell of a table: sorted, each once, joined by `|`.

    Example:
        >>> join(["wind", "solar"])
        'solar|wind'
    """
    return SEPARATOR.join(sorted(set(names)))


def split(cell: str) -> tuple[str, ...]:
    """Read one cell of a table; an empty cell holds no label.

    Example:
        >>> split("solar|wind"), split("")
        (('solar', 'wind'), ())
    """
    return tuple(cell.split(SEPARATOR)) if cell else ()


def targets(cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Turn cells with exactly one label each into class indices.

    Args:
        cells: n cells.
        classes: The c class names in their order.

    Returns:
        (n,) indices in 0..c-1.

    Raises:
        ValueError: A cell is no class name.

    Example:
        >>> targets(["b", "a"], ["a", "b"])
        array([1, 0])
    """
    index = {name: number for number, name in enumerate(classes)}
    unknown = sorted({cell for cell in cells if cell not in index})
    if unknown:
        raise ValueError(f"labels {unknown[:5]} are not among the classes {list(classes)}")
    return np.array([index[cell] for cell in cells], dtype=np.int64)


def indicators(cells: Sequence[str], classes: Sequence[str]) -> NDArray[np.bool_]:
    """Say which classes each cell has.

    Args:
        cells: n cells with any number of labels.
        classes: The c class names in their order.

    Returns:
        (n, c) booleans.

    Raises:
        ValueError: A cell has a label that is no class.

    Example:
        >>> indicators(["b", "a|b", ""], ["a", "b"]).astype(int).tolist()
        [[0, 1], [1, 1], [0, 0]]
    """
    index = {name: number for number, name in enumerate(classes)}
    result = np.zeros((len(cells), len(classes)), dtype=np.bool_)
    for row, cell in enumerate(cells):
        for name in split(cell):
            if name not in index:
                raise ValueError(f"label {name!r} is not among the classes {list(classes)}")
            result[row, index[name]] = True
    return result


def counts(cells: Iterable[str], classes: Sequence[str]) -> NDArray[np.int64]:
    """Count how many cells have each class.

    Example:
        >>> counts(["b", "a|b", ""], ["a", "b"])
        array([1, 2])
    """
    index = {name: number for number, name in enumerate(classes)}
    result = np.zeros(len(classes), dtype=np.int64)
    for cell in cells:
        for name in split(cell):
            result[index[name]] += 1
    return result
