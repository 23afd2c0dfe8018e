"""`results/code/`: the files of code that each stage runs, with their checksums. Only DVC reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from counterpoise import storage

FOLDER = "results/code"


def write(root: Path, listed: Mapping[str, Sequence[Path]]) -> None:
    """Write `<stage>.txt` for each stage: a line for each of its files, with checksum and path.

    Args:
        root: The repository.
        listed: Stage -> files below the repository, in the order to write.
    """
    with storage.replacing(root / FOLDER, folder=True) as folder:
        for stage, files in listed.items():
            lines = [f"{storage.checksum_of(file)}  {file.relative_to(root).as_posix()}\n" for file in files]
            (folder / f"{stage}.txt").write_text("".join(lines), encoding="utf-8")
