"""`data/prior.json`: class counts before and after resampling, and the first lines of the prior ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from counterpoise import priors, storage

PATH = "data/prior.json"


@dataclass(frozen=True)
class Prior:
    """The prior on its way from the labels to one epoch of training.

    Attributes:
        classes: Class names in their order.
        natural_counts: Images per class in the manifest, before any balancing.
        train_counts: Tiles per class in train.
        drawn_counts: Draws per class in one epoch.
        ledger: What the split and the draws did to the prior.
    """

    classes: tuple[str, ...]
    natural_counts: tuple[int, ...]
    train_counts: tuple[int, ...]
    drawn_counts: tuple[int, ...]
    ledger: tuple[priors.Line, ...]


def write(root: Path, prior: Prior) -> None:
    """Check and write the prior."""
    _check(prior)
    storage.write_json(root / PATH, asdict(prior))


def read(root: Path) -> Prior:
    """Read and check the prior.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / PATH)
    try:
        prior = Prior(
            tuple(content["classes"]),
            tuple(content["natural_counts"]),
            tuple(content["train_counts"]),
            tuple(content["drawn_counts"]),
            tuple(priors.Line.from_json(line) for line in content["ledger"]),
        )
    except (KeyError, TypeError) as error:
        raise storage.ArtifactError(f"{PATH}: damaged: {error!r} is missing or wrong") from error
    _check(prior)
    return prior


def _check(prior: Prior) -> None:
    lengths = {
        len(prior.classes),
        len(prior.natural_counts),
        len(prior.train_counts),
        len(prior.drawn_counts),
    }
    if len(lengths) != 1:
        raise storage.ArtifactError(f"{PATH}: counts do not belong to the classes {list(prior.classes)}")
