"""Examples: inputs of a network and their targets."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from counterpoise import tasks
from counterpoise.artifacts import draws, features
from counterpoise.artifacts import prior as prior_file
from counterpoise.artifacts.features import Features
from counterpoise.artifacts.prior import Prior
from counterpoise.artifacts.tiles import Tiles
from counterpoise.dataset.batch_samplers import Batches
from counterpoise.dataset.inputs import Chance, FeatureInputs, Inputs, TileInputs
from counterpoise.imbalance import synthetic
from counterpoise.storage import ArtifactError, check_partners
from counterpoise.training.settings import Settings


class Taught(Protocol):
    """What the training loop needs of examples."""

    @property
    def inputs(self) -> Any:  # noqa: ANN401 - what `Teaching` takes
        """The inputs of n examples."""

    @property
    def targets(self) -> Tensor:
        """int64 (n,) class indices, or (n, c) in {0, 1}: which classes each shows."""

    def batches(
        self, order: Batches, device: torch.device, chance: Chance | None = None
    ) -> Iterator[tuple[Tensor, Any]]:
        """Yield inputs and targets of each batch of example numbers on a device, augmented if `chance` is given."""


@dataclass(frozen=True)
class Examples:
    """Training or validation examples.

    Attributes:
        inputs: n inputs.
        targets: int64: (n,) class indices, or for multilabel (n, c) in {0, 1}.
        tiles: (n,) number of the tile of each example; needed only for `model.subclasses`.
    """

    inputs: Inputs
    targets: Tensor
    tiles: NDArray[np.int64] | None = None

    def batches(
        self, order: Batches, device: torch.device, chance: Chance | None = None
    ) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield inputs and targets of each batch of example numbers on a device, augmented if `chance` is given."""
        for inputs, numbers in zip(self.inputs.batches(order, chance), order, strict=True):
            yield inputs.to(device, non_blocking=True), self.targets[torch.from_numpy(numbers)].to(device)


def from_tiles(
    part: Tiles,
    stored: Features | None,
    rows: NDArray[np.int64],
    views: NDArray[np.int64],
    prior: Prior,
    params: Settings,
    split: str,
) -> Examples:
    """Build examples from tiles.

    Args:
        part: The tiles of a split.
        stored: Their features if the backbone is frozen, otherwise `None`.
        rows: (n,) tile of each example.
        views: (n,) augmented view of each example; 0 for the unchanged tile.
        prior: Task and classes.
        params: All settings.
        split: Name of the split. Only `train` is augmented on the fly.

    Raises:
        ArtifactError: A tile has a label that is not a class, or a wanted view has no features.
    """
    try:
        encoded = tasks.find(prior.task).encode(part.table["labels"].tolist(), prior.classes)
    except ValueError as error:
        raise ArtifactError(f"{part.index}: {error} of {prior_file.PATH}; run `dvc repro`") from error
    targets = torch.from_numpy(encoded[rows].astype(np.int64))
    if stored is not None:
        keys = zip(stored.index["tile_id"], stored.index["view"], strict=True)
        place = {key: number for number, key in enumerate(keys)}
        tile_ids = part.table["tile_id"].to_numpy()[rows]
        wanted = list(zip(tile_ids, views, strict=True))
        if any(key not in place for key in wanted):
            _refuse_views(split, place, wanted)
        places = np.array([place[key] for key in wanted])
        return Examples(FeatureInputs(stored.values, places), targets, rows)
    inputs = TileInputs(
        tiles=part,
        rows=rows,
        views=views,
        input_px=params.model.input_px,
        policy=params.oversample.policy,
        seed=params.seed,
        on_the_fly=params.train.augment if split == "train" else "none",
        backbone=params.model.backbone,
    )
    return Examples(inputs, targets, rows)


def _refuse_views(split: str, stored: Collection[tuple[str, int]], wanted: Collection[tuple[str, int]]) -> None:
    """Say which of the wanted tiles and views have no features."""
    there, asked = ([f"{tile_id}, view {view}" for tile_id, view in keys] for keys in (stored, wanted))
    check_partners(Path(features.path(split)) / "rows.csv", there, Path(draws.PATH), asked)


def with_types(drawn: Examples, natural: Examples, types: NDArray[np.int64]) -> tuple[Examples, Examples]:
    """Replace class targets by subclass types. All views of a tile have the same type.

    Args:
        drawn: The samples of an epoch, after oversampling.
        natural: Every tile once.
        types: (n,) type of each example of `natural`.

    Returns:
        Both sets of examples, with types as targets.

    Raises:
        ValueError: The examples have no `tiles`.
    """
    if drawn.tiles is None or natural.tiles is None:
        raise ValueError("tiles is None; model.subclasses needs the tile of each example")
    of_tile = np.zeros(natural.tiles.max() + 1, dtype=np.int64)
    of_tile[natural.tiles] = types
    return (
        replace(drawn, targets=torch.from_numpy(of_tile[drawn.tiles])),
        replace(natural, targets=torch.from_numpy(types)),
    )


def with_synthetic(
    drawn: Examples, natural: Examples, kind: Literal["smote", "borderline_smote"], seed: int
) -> Examples:
    """Replace repeated samples by points between the features of their class; see `synthetic.synthesise`.

    Args:
        drawn: The samples of an epoch, after oversampling; their class counts stay the same.
        natural: Every tile once, as stored features of one class each.
        kind: How points are made.
        seed: Decides them.
    """
    assert isinstance(natural.inputs, FeatureInputs), "conflicts/ refuses synthetic samples of images"
    classes = int(natural.targets.max()) + 1
    values, targets = synthetic.synthesise(
        natural.inputs.values[natural.inputs.rows],
        natural.targets.numpy(),
        np.bincount(drawn.targets.numpy(), minlength=classes),
        kind,
        seed,
    )
    return Examples(FeatureInputs(values, np.arange(len(values))), torch.from_numpy(targets))


def feature_width(examples: Examples) -> int | None:
    """Count the stored features per example; `None` if the examples are images."""
    return examples.inputs.values.shape[1] if isinstance(examples.inputs, FeatureInputs) else None


def unaugmented(examples: Examples) -> Examples:
    """Return the same examples without augmentation on the fly."""
    if isinstance(examples.inputs, TileInputs):
        return replace(examples, inputs=replace(examples.inputs, on_the_fly="none"))
    return examples
