"""Unlabelled images with what a choice among them needs, whatever the task."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from counterpoise.images.listing import files_below
from counterpoise.sources import SUFFIXES

Say = Callable[[str], None]
"""Takes the reason why a file cannot be used."""


@dataclass(frozen=True)
class File:
    """An image file and the hash of its bytes."""

    path: Path
    sha256: str


@dataclass(frozen=True, eq=False)
class Candidate:
    """An unlabelled image.

    Attributes:
        path: Its file.
        sha256: Hash of the file.
        worth: How much its label is expected to tell of the class, at least 0; the larger, the more.
        prob: Probability that it has the class; of boxes, of the most probable box of the class.
        decided: Classes that the model decides for.
        features: (d,) what it looks like.
        thumbnail: uint8 (32, 32).
    """

    path: Path
    sha256: str
    worth: float
    prob: float
    decided: tuple[str, ...]
    features: NDArray[np.float32]
    thumbnail: NDArray[np.uint8]


def files(folder: Path, say: Say) -> Iterator[File]:
    """Yield the image files in a folder and below it, in order, one at a time.

    Args:
        folder: The folder. Hidden files are left out; links are followed, but not in a circle.
        say: Told of each file that cannot be read or whose name no table can hold.
    """

    def unlisted(place: Path, error: OSError) -> None:
        say(f"{place}: the folder cannot be listed: {error.strerror}")

    for below in files_below(folder, unlisted):
        if not below.lower().endswith(SUFFIXES):
            continue
        path = folder / below
        try:
            str(path).encode()
            if not path.is_file():  # a pipe would be waited for
                say(f"{path}: {'a link that leads nowhere' if path.is_symlink() else 'not a regular file'}")
                continue
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
        except UnicodeEncodeError:
            say(f"{os.fsencode(path)!r}: its name is not UTF-8; rename it")
        except OSError as error:
            say(f"{path}: the image cannot be read: {error.strerror}")
        else:
            yield File(path, digest)
