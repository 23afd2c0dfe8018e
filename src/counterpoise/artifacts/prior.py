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


@dataclass(frozen=True)
class BoxPrior(Prior):
    """The prior where images have boxes.

    Attributes:
        natural_boxes: Boxes of each class in the data before any balancing, without the ignored ones.
        train_boxes: Boxes of each class in the tiles of train; a box that several tiles show counts in each.
        drawn_boxes: Boxes of each class in the draws of one epoch.
        drawn_empty: Draws of tiles without any class, the background.
    """

    natural_boxes: tuple[int, ...] = ()
    train_boxes: tuple[int, ...] = ()
    drawn_boxes: tuple[int, ...] = ()
    drawn_empty: int = 0


def write(root: Path, prior: Prior) -> None:
    """Check and write the prior."""
    _check(prior)
    storage.write_json(root / PATH, asdict(prior), root / SUMS)


def read(root: Path) -> Prior:
    """Read and check the prior.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / PATH, root / SUMS)
    kind = BoxPrior if isinstance(content, dict) and "natural_boxes" in content else Prior
    prior = storage.read_dataclass(root, PATH, kind, SUMS)
    _check(prior)
    return prior


def _check(prior: Prior) -> None:
    lengths = {
        len(prior.classes),
        len(prior.natural_counts),
        len(prior.train_counts),
        len(prior.drawn_counts),
    }
    if isinstance(prior, BoxPrior):
        lengths |= {len(prior.natural_boxes), len(prior.train_boxes), len(prior.drawn_boxes)}
    if prior.train_pairs or prior.drawn_pairs:
        lengths |= {len(prior.train_pairs), len(prior.drawn_pairs)}
    if len(lengths) != 1:
        raise storage.ArtifactError(f"{PATH}: counts do not belong to the classes {list(prior.classes)}")
