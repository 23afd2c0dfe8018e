"""A folder in the place of a commit."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path


def copied(root: Path, without: tuple[str, ...] = ()) -> Callable[..., dict[str, str]]:
    """Fetch from a folder, as from a commit, all but some paths."""

    def fetch(_: Path, __: str | None, folder: Path, paths: tuple[str, ...]) -> dict[str, str]:
        missing = {}
        for path in paths:
            if path in without or not (root / path).exists():
                missing[path] = "no such file"
                continue
            (folder / path).parent.mkdir(parents=True, exist_ok=True)
            copy = shutil.copytree if (root / path).is_dir() else shutil.copyfile
            copy(root / path, folder / path)
        return missing

    return fetch
