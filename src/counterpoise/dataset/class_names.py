"""What is suspicious about the names of classes: several spellings of one, missing values, control characters."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence

from counterpoise.config import PATH

MISSING = ("nan", "na", "n/a", "<na>", "#n/a", "nat", "null")
"""How programs write a missing value, in lower case; `none` or `missing` is often a class."""


def key(name: str) -> str:
    """Reduce a name to what its spellings share: without case, spaces, hyphens and underscores, in one Unicode form.

    Numbers of equal value are equal, and digits stay apart.

    Example:
        >>> key("Not_OK") == key("not ok "), key("1.0") == key("1"), key("1-2") == key("12")
        (True, True, False)
    """
    text = unicodedata.normalize("NFKC", name).casefold()
    text = "".join(character for character in text if unicodedata.category(character) != "Cf").strip()
    if re.fullmatch(r"[-+]?\d+(\.\d*)?", text):
        return repr(float(text))
    return re.sub(r"(?<!\d)[\s_-]+|[\s_-]+(?!\d)", "", text)


def spellings(counts: Mapping[str, int]) -> list[str]:
    """Warn of names that differ only in their spelling.

    Args:
        counts: Images of each class.

    Returns:
        One warning with the lines to set, or none.
    """
    same: dict[str, list[str]] = {}
    for name in sorted(counts, key=lambda name: (-counts[name], name)):
        same.setdefault(key(name), []).append(name)
    variants = [names for names in same.values() if len(names) > 1]
    if not variants:
        return []
    lines = [f"    {json.dumps(_tidied(names[0]), ensure_ascii=False)}: {_listed(names)}" for names in variants]
    listed = ", ".join(f"{name!r} ({counts[name]})" for name in variants[0])
    head = (
        f"{sum(map(len, variants))} class names differ only in case, spaces or Unicode form, or are equal numbers, "
        f"such as {listed}; if they are the same classes, set ingest.merge in {PATH} to:"
    )
    return ["\n".join([head, "  merge:", *lines])]


def _tidied(name: str) -> str:
    """Write single spaces, and letters in their usual Unicode form."""
    return " ".join(unicodedata.normalize("NFC", name).split())


def _listed(names: Sequence[str]) -> str:
    """Write a list in YAML, with escapes where names look alike."""
    shown = {unicodedata.normalize("NFKC", name) for name in names}
    alike = len(shown) < len(names) or not all(name.isprintable() for name in names)
    return json.dumps(names, ensure_ascii=alike)


def missing_values(counts: Mapping[str, int]) -> list[str]:
    """Warn of names that look like a missing value."""
    return [
        f"the class {name!r} has {counts[name]} image{'s' * (counts[name] > 1)}; if that is a missing value, leave it "
        f"out: ingest.exclude: [{json.dumps(name)}]"
        for name in sorted(counts)
        if name.casefold() in MISSING
    ]


def fault(name: str) -> str | None:
    r"""Say why no class can have this name.

    Example:
        >>> fault("a\rb")
        "class name 'a\\rb' contains a control character"
    """
    if any(unicodedata.category(character) in ("Cc", "Zl", "Zp") for character in name):
        return f"class name {name!r} contains a control character"
    return None
