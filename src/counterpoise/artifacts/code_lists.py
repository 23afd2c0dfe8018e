"""`results/code/`: the files of code that each stage runs, with their checksums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from counterpoise import storage

FOLDER = "results/code"


def text(root: Path, files: Sequence[Path]) -> str:
    """Write a list: a line for each file, with checksum and path.

    Args:
        root: The repository.
        files: Files below it, in the order to write.
    """
    return "".join(f"{storage.checksum_of(file)}  {file.relative_to(root).as_posix()}\n" for file in files)


def path(stage: str) -> str:
    """Return where the list of a stage lies."""
    return f"{FOLDER}/{stage}.txt"


def write(root: Path, listed: Mapping[str, Sequence[Path]]) -> None:
    """Write the list of each stage.

    Args:
        root: The repository.
        listed: Stage -> files below the repository.
    """
    with storage.replacing(root / FOLDER, folder=True) as folder:
        for stage, files in listed.items():
            (folder / Path(path(stage)).name).write_text(text(root, files), encoding="utf-8", newline="\n")


def changed(root: Path, stage: str) -> list[str]:
    """List files that are not as in the list of a stage; none where there is no list.

    Args:
        root: The repository.
        stage: Name of the stage.
    """
    own = root / path(stage)
    lines = own.read_text(encoding="utf-8").splitlines() if own.is_file() else []
    listed = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
    return [
        name
        for name, checksum in listed.items()
        if not (root / name).is_file() or storage.checksum_of(root / name) != checksum
    ]
