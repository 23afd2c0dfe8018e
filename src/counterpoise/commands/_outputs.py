"""Checks of the files and folders that a command is to write, before it computes for long."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path

from counterpoise.config import InputError


def check_file(option: str, path: Path, suffixes: Sequence[str] = (), *, new: bool) -> None:
    """Refuse a file that cannot be made.

    Args:
        option: What names it, such as `--out`.
        path: The file.
        suffixes: Its name must end in one of them; empty for any end.
        new: Whether a file that exists is refused, too.

    Raises:
        InputError: It cannot be made.
    """
    _check_place(option, path)
    if path.is_dir():
        inside = path / f"new{suffixes[0] if suffixes else ''}"
        raise InputError(f"{option} {path} is a folder; name a file in it, such as {inside}")
    if suffixes and path.suffix not in suffixes:
        *others, last = suffixes
        wanted = f"{', '.join(others)} or {last}" if others else last
        raise InputError(f"{option} {path}: expected a file name that ends in {wanted}")
    if path.exists() and not os.access(path, os.W_OK):
        raise InputError(f"{option} {path} must not be changed by this user; name another file")
    if new and (path.exists() or path.is_symlink()):
        raise InputError(f"{option} {path} already exists, and is left unchanged; name another file, or move it away")


def check_folder(option: str, path: Path) -> None:
    """Refuse a folder that cannot be made, or in which something lies.

    Raises:
        InputError: It cannot be made.
    """
    _check_place(option, path)
    if path.is_symlink() or (path.exists() and (not path.is_dir() or any(path.iterdir()))):
        raise InputError(f"{option} {path} already exists; name a new folder, so that nothing is overwritten")


def _check_place(option: str, path: Path) -> None:
    """Make a file for a moment in the lowest folder that exists, since permissions do not tell all."""
    above = path.absolute().parent
    try:
        path.exists()  # raises where the name is too long
        above = next(folder for folder in path.absolute().parents if folder.exists())
        with tempfile.NamedTemporaryFile(dir=above, prefix=".counterpoise."):
            pass
    except OSError as error:
        raise InputError(
            f"{option} {path}: cannot be written in {above} ({error.strerror}); name a place where this user may write"
        ) from error
