"""The files below a folder of images."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path


def files_below(folder: Path, unlisted: Callable[[Path, OSError], None] | None = None) -> Iterator[str]:
    """Yield the paths below a folder, with `/` and in order, of all files that are not hidden, one at a time.

    Links are followed, but not into a folder that contains them. A link that leads nowhere is yielded as a file.

    Args:
        folder: The folder.
        unlisted: Told of each folder that cannot be listed, and why; by default such a folder is left out.
    """
    return _below(folder, "", (), unlisted)


def _below(
    folder: Path, prefix: str, above: tuple[str, ...], unlisted: Callable[[Path, OSError], None] | None
) -> Iterator[str]:
    here = os.path.realpath(folder)
    if here in above:
        return
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError as error:
        if unlisted:
            unlisted(folder, error)
        return
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and Path(entry.path).is_dir()):
            yield from _below(Path(entry.path), f"{prefix}{entry.name}/", (*above, here), unlisted)
        else:
            yield prefix + entry.name
