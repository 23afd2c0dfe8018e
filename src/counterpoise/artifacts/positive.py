"""`data/positive.json`: the class that matters, and why it is this one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from counterpoise import storage

PATH = "data/positive.json"
SUMS = "data/split.sums"


@dataclass(frozen=True)
class Positive:
    """The class that matters, whose recall, precision and average precision are headline figures.

    Attributes:
        name: Its name.
        reason: Why it is this one, as words that follow "it matters".
    """

    name: str
    reason: str


def write(root: Path, positive: Positive) -> None:
    """Write the class that matters."""
    storage.write_json(root / PATH, asdict(positive), root / SUMS)


def read(root: Path) -> Positive:
    """Read the class that matters.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    return storage.read_dataclass(root, PATH, Positive, SUMS)
