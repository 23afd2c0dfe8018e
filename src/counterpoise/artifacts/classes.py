"""`data/classes.json`: the classes in their order, with the number of images of each before any split."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from counterpoise import storage

PATH = "data/classes.json"


@dataclass(frozen=True)
class Classes:
    """The classes of the manifest, the most frequent first.

    Attributes:
        names: Class names; their order is the order of logits, counts and priors everywhere.
        counts: Images of each class in the manifest.
    """

    names: tuple[str, ...]
    counts: tuple[int, ...]

    @property
    def rarest(self) -> str:
        """Name of the class with the fewest images."""
        return self.names[min(range(len(self.names)), key=lambda index: (self.counts[index], -index))]


def write(root: Path, classes: Classes) -> None:
    """Check and write the classes.

    Raises:
        storage.ArtifactError: Names repeat or hold `|`, or counts do not belong to them.
    """
    _check(classes)
    storage.write_json(root / PATH, asdict(classes))


def read(root: Path) -> Classes:
    """Read and check the classes.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / PATH)
    try:
        classes = Classes(tuple(content["names"]), tuple(int(count) for count in content["counts"]))
    except (KeyError, TypeError, ValueError) as error:
        raise storage.ArtifactError(f"{PATH}: expected names and counts, found {content!r}") from error
    _check(classes)
    return classes


def _check(classes: Classes) -> None:
    if len(set(classes.names)) != len(classes.names) or any("|" in name or not name for name in classes.names):
        raise storage.ArtifactError(f"{PATH}: class names repeat, are empty or hold '|': {list(classes.names)}")
    if len(classes.counts) != len(classes.names) or min(classes.counts, default=0) < 1:
        raise storage.ArtifactError(f"{PATH}: expected a count of at least 1 for each class: {list(classes.counts)}")
