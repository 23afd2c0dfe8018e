"""`data/classes.json`: the classes in their order, with the number of images of each before any split."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from counterpoise import storage

PATH = "data/classes.json"
SUMS = "data/ingest.sums"


@dataclass(frozen=True)
class Classes:
    """The classes of the manifest, the most frequent first.

    Attributes:
        names: Class names; their order is the order of logits, counts and priors everywhere.
        counts: Images of each class in the manifest.
        images: Images in the manifest; with many labels per image, counts do not add up to it.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]
    images: int


def write(root: Path, classes: Classes) -> None:
    """Check and write the classes.

    Raises:
        storage.ArtifactError: Names repeat or hold `|`, or counts do not belong to them or are no whole numbers.
    """
    _check(classes)
    storage.write_json(root / PATH, asdict(classes), root / SUMS)


def read(root: Path) -> Classes:
    """Read and check the classes.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    classes = storage.read_dataclass(root, PATH, Classes, SUMS)
    _check(classes)
    return classes


def _check(classes: Classes) -> None:
    typed = {str: classes.names, int: (*classes.counts, classes.images)}
    if any(type(value) is not kind for kind, values in typed.items() for value in values):
        raise storage.ArtifactError(f"{PATH}: expected names that are text, and whole numbers, found {classes}")
    if len(set(classes.names)) != len(classes.names) or any("|" in name or not name for name in classes.names):
        raise storage.ArtifactError(f"{PATH}: class names repeat, are empty or hold '|': {list(classes.names)}")
    if len(classes.counts) != len(classes.names) or min(classes.counts, default=0) < 1:
        raise storage.ArtifactError(f"{PATH}: expected a count of at least 1 for each class: {list(classes.counts)}")
    if classes.images < max(classes.counts, default=0):
        raise storage.ArtifactError(f"{PATH}: {classes.images} images are fewer than those of one class")
