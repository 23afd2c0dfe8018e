"""`data/prior.json`: class counts before and after resampling, and the first lines of the prior ledger."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from counterpoise import storage
from counterpoise.calibration import prior_ledger

PATH = "data/prior.json"
SUMS = "data/oversample.sums"


@dataclass(frozen=True)
class Prior:
    """The prior on its way from the labels to one epoch of training.

    Attributes:
        task: What the labels mean.
        classes: Class names in their order.
        natural_counts: Images per class in the manifest, before any balancing.
        train_counts: Tiles per class in train.
        drawn_counts: Draws per class in one epoch.
        natural_total: Images in the manifest; for multilabel, counts do not add up to it.
        train_total: Tiles in train.
        drawn_total: Draws in one epoch.
        ledger: What the split and the draws did to the prior.
        train_pairs: (c, c) tiles that have both classes, the diagonal 0; empty for `multiclass`.
        drawn_pairs: (c, c) draws that have both classes.
    """

    task: str
    classes: tuple[str, ...]
    natural_counts: tuple[int, ...]
    train_counts: tuple[int, ...]
    drawn_counts: tuple[int, ...]
    natural_total: int
    train_total: int
    drawn_total: int
    ledger: tuple[prior_ledger.Line, ...]
    train_pairs: tuple[tuple[int, ...], ...] = ()
    drawn_pairs: tuple[tuple[int, ...], ...] = ()


def write(root: Path, prior: Prior) -> None:
    """Check and write the prior."""
    _check(prior)
    storage.write_json(root / PATH, asdict(prior), root / SUMS)


def read(root: Path) -> Prior:
    """Read and check the prior.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    prior = storage.read_dataclass(root, PATH, Prior, SUMS)
    _check(prior)
    return prior


def _check(prior: Prior) -> None:
    lengths = {
        len(prior.classes),
        len(prior.natural_counts),
        len(prior.train_counts),
        len(prior.drawn_counts),
    }
    if prior.train_pairs or prior.drawn_pairs:
        lengths |= {len(prior.train_pairs), len(prior.drawn_pairs)}
    if len(lengths) != 1:
        raise storage.ArtifactError(f"{PATH}: counts do not belong to the classes {list(prior.classes)}")
