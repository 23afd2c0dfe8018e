"""Whether images lie in a folder per class."""

from __future__ import annotations

import posixpath
import re
from collections import Counter
from collections.abc import Iterator

from counterpoise.planning.folder import Folder
from counterpoise.planning.formats.candidate import Candidate

LIKE_SPLIT = re.compile(r"(train|val|test|dev|eval|holdout)(?![a-df-z])", re.IGNORECASE)
"""How the names of folders of a split begin, such as `test_images` and `train2017`; if images lie in them, they are no
classes."""


def find(folder: Folder, refused: list[str]) -> Iterator[Candidate]:
    """List the folders that hold class folders, the one with most images first, and of equal ones the highest."""
    below: dict[str, set[str]] = {}
    counts: Counter[str] = Counter()
    direct: Counter[str] = Counter()
    for image in folder.images:
        parts = image.split("/")
        direct["/".join(parts[:-1])] += 1
        for depth in range(len(parts) - 1):
            above = "/".join(parts[:depth])
            below.setdefault(above, set()).add(parts[depth])
            counts[above] += 1
    for above in sorted(below, key=lambda name: (-counts[name], name.count("/"), name))[:5]:
        names = below[above]
        flat = all(direct[posixpath.join(above, name)] for name in names)
        if len(names) > 1 and not (flat and all(map(LIKE_SPLIT.match, names))):
            yield Candidate("folder", f"a folder per class in {above or 'the folder'}", {}, "multiclass", root=above)
