"""Labels as text in tables (`a|b`) and as arrays."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence

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


_QUOTED = re.compile(r"""'((?:[^'\\]|\\.)*)'|"((?:[^"\\]|\\.)*)"|([^,\s'"][^,'"]*)""")
_LIST = re.compile(r"\[.*\]|\(.*[,'\"].*\)|\{.*[,'\"].*\}", re.DOTALL)
_CALL = re.compile(r"(?:array|frozenset|Index|list|set|tuple)\((.*?)(?:,\s*(?:dtype|name)=.*)?\)", re.DOTALL)
_EMPTY = ("()", "{}", "set()", "frozenset()", "list()", "tuple()")
PLAIN = ("|", ",", ";", "\t", "\n", " ", "/", "+", "&")
"""Separators of labels that a name seldom has."""
LISTING = (",", ";", "\t", "\n", "&")
"""Those of them that are seldom part of a name at all."""
DOUBTFUL = ("_", "-", ":", "#", "~", "\\", " and ")
"""Separators that a name often has."""


def parse(cell: str, separator: str) -> tuple[str, ...]:
    r"""Read one cell of a user's table.

    Args:
        cell: Labels between separators, or a list as Python, NumPy or JSON write it.
        separator: What separates labels; empty = the cell is one label, and no list.

    Returns:
        The labels, without spaces around them.

    Example:
        >>> parse("wind| solar", "|"), parse("['wind', 'solar']", "|"), parse("['wind']", "")
        (('wind', 'solar'), ('wind', 'solar'), ("['wind']",))
    """
    text = cell.strip()
    if separator and (call := _CALL.fullmatch(text)) and _LIST.fullmatch(call[1]):
        text = call[1]
    if separator and text in _EMPTY:
        return ()
    if separator and _LIST.fullmatch(text):
        inner = text[1:-1].strip()
        if re.fullmatch(r"[-+.\d]+(?:\s+[-+.\d]+)+", inner):  # NumPy writes numbers without commas
            return tuple(inner.split())
        found = ["".join(match).strip() for match in _QUOTED.findall(inner)]
        return tuple(re.sub(r"\\(.)", r"\1", name) for name in found if name)
    parts = text.split(separator) if separator else [text]
    return tuple(name for part in parts if (name := part.strip()))


def find_joined(names: Collection[str]) -> tuple[str, str, bool] | None:
    """Find names that seem to be several labels in one.

    A separator that a name seldom has, such as a comma, gives labels away as soon as a part also occurs alone, or where
    parts recur so that splitting gives fewer classes. A space or `/` does where most parts occur alone, or where
    names of different lengths would become half as many classes. Of `_`, `-` and the like, the latter counts, and a
    name of which every part occurs alone.

    Args:
        names: Every label as it was read, each once.

    Returns:
        An example, the separator, and whether it is sure (otherwise a person may be warned); `None` if there is none.

    Example:
        >>> find_joined({"ok", "bad", "bad,dirt"}), find_joined({"flat roof", "pitched roof", "roof"})
        (('bad,dirt', ',', True), None)
    """
    for separator in (*PLAIN, *DOUBTFUL):
        parts_of = {name: [part for raw in name.split(separator) if (part := raw.strip())] for name in names}
        joined = sorted(name for name, parts in parts_of.items() if len(set(parts)) > 1)
        if not joined:
            continue
        alone = {name for name in names if name not in joined}
        parts = {part for name in joined for part in parts_of[name]}
        fewer = len(alone | parts) < len(names)
        lengths = {len(found) for found in parts_of.values()}
        mostly_alone = separator in PLAIN and fewer and 2 * len(parts & alone) > len(parts)
        far_fewer = 2 * len(alone | parts) <= len(names) and len(lengths) > 1
        if separator == "|" or mostly_alone or far_fewer:
            return joined[0], separator, separator in PLAIN
        whole = [name for name in joined if separator in DOUBTFUL and alone.issuperset(parts_of[name])]
        if whole:
            return whole[0], separator, False
        if separator in PLAIN and separator not in " /" and (parts & alone or fewer):
            return joined[0], separator, True
    return None


def hold_separator(names: Collection[str]) -> tuple[str, str] | None:
    """Find a name that holds a character which separates labels more often than it belongs to a name.

    Returns:
        The first such name and the separator; `None` if there is none.

    Example:
        >>> hold_separator({"ok", "dust,scratch"}), hold_separator({"hot dog"})
        (('dust,scratch', ','), None)
    """
    for separator in LISTING:
        if found := sorted(name for name in names if separator in name.strip(separator)):
            return found[0], separator
    return None


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
