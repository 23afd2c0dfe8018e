"""Checks of the files that a command is to write, before it computes for long."""

from __future__ import annotations

import os
from pathlib import Path

from counterpoise.config import InputError


def check_new(option: str, path: Path, suffix: str) -> None:
    """Refuse a file that exists, whose name has another suffix, or that cannot be written.

    Args:
        option: The option that names it.
        path: The file.
        suffix: That its name must have.

    Raises:
        InputError: It cannot be made.
    """
    if path.is_dir():
        raise InputError(f"{option} {path} is a folder; name a file in it, such as {path / f'new{suffix}'}")
    if path.suffix != suffix:
        raise InputError(f"{option} {path}: expected a file name that ends in {suffix}")
    if path.exists() or path.is_symlink():
        raise InputError(
            f"{option} {path} already exists, perhaps with what somebody wrote into it; name another file with {option}"
        )
    above = next(folder for folder in path.absolute().parents if folder.exists())
    if not above.is_dir() or not os.access(above, os.W_OK | os.X_OK):
        raise InputError(f"{option} {path}: cannot be written, since {above} is no folder in which this user may write")
