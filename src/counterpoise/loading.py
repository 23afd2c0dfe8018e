"""Batches for a network: rows of a feature array, or tiles decoded, augmented and resized in worker processes."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from counterpoise import augment, images, models, seeds
from counterpoise.artifacts.tiles import Tiles

Indices = NDArray[np.int64]


class Inputs(Protocol):
    """Examples that a network can be fed with, by their number."""

    def __len__(self) -> int:
        """Count the examples."""

    def batches(self, order: Sequence[Indices], epoch: int) -> Iterator[Tensor]:
        """Yield the inputs of each batch of example numbers, in the order given."""


@dataclass(frozen=True)
class FeatureInputs:
    """Features of a frozen backbone.

    Attributes:
        values: float32 (m, d).
        rows: (n,) the row of `values` that each example shows.
    """

    values: NDArray[np.float32]
    rows: Indices

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    def batches(self, order: Sequence[Indices], epoch: int) -> Iterator[Tensor]:
        """Yield float32 (b, d) for each batch; epochs do not differ."""
        for numbers in order:
            yield torch.from_numpy(np.ascontiguousarray(self.values[self.rows[numbers]]))


@dataclass(frozen=True)
class TileInputs:
    """Tiles, decoded when they are needed.

    Attributes:
        tiles: Where they lie.
        rows: (n,) the tile that each example shows.
        views: (n,) 0 for the tile as it is, else the number of its augmented view.
        input_px: Side of the square that the network sees.
        policy: Augmentation policy of the views.
        seed: Decides the views.
        on_the_fly: Policy that is applied anew in every epoch, after the view; `none` for nothing.
        backbone: Name of the network, which decides how channels are normalised.
    """

    tiles: Tiles
    rows: Indices
    views: Indices
    input_px: int
    policy: str
    seed: int
    on_the_fly: str
    backbone: str

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    def batches(self, order: Sequence[Indices], epoch: int) -> Iterator[Tensor]:
        """Yield float32 (b, 3, s, s), normalised, channels last, for each batch."""
        workers = min(len(order), workers_count())
        loader: DataLoader[Tensor] = DataLoader(
            _Decoded(self, epoch),
            batch_sampler=[numbers.tolist() for numbers in order],
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=4 if workers else None,
            worker_init_fn=_leave_interrupts_to_the_parent,
        )
        mean, std = models.normalisation(self.backbone)
        for batch in loader:
            yield models.normalise(batch.permute(0, 3, 1, 2), mean, std)

    def image(self, number: int, epoch: int) -> images.RGB:
        """Make the picture of one example, uint8 (input_px, input_px, 3)."""
        row, view = int(self.rows[number]), int(self.views[number])
        tile_id = self.tiles.table["tile_id"].iat[row]
        image = images.resize(images.decode(self.tiles.load(row)), self.input_px)
        if view:
            image = augment.apply(self.policy, image, seeds.derive(self.seed, "view", f"{tile_id}#{view}"))
        if self.on_the_fly != "none":
            seed = seeds.derive(self.seed, "on the fly", f"{tile_id}#{number}#{epoch}")
            image = augment.apply(self.on_the_fly, image, seed)
        return image


class _Decoded(Dataset[Tensor]):
    def __init__(self, inputs: TileInputs, epoch: int) -> None:
        self.inputs = inputs
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self.inputs)

    def __getitem__(self, number: int) -> Tensor:
        return torch.from_numpy(np.array(self.inputs.image(number, self.epoch)))


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """Ignore Ctrl-C, which a terminal sends to every process: the parent ends its workers in order."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def workers_count() -> int:
    """Say how many processes decode: one per core that this process may use, at most 8."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    return min(cores, 8)


def in_order(count: int, batch_size: int) -> list[Indices]:
    """Cut 0..count-1 into batches of nearly equal size, in order."""
    return list(np.array_split(np.arange(count), max(1, -(-count // batch_size))))


def shuffled(count: int, batch_size: int, rng: np.random.Generator) -> list[Indices]:
    """Cut a permutation of 0..count-1 into batches of nearly equal size.

    No batch is a small rest: one example alone would stop a batch norm, and would count as much as a full batch.

    Example:
        >>> [len(batch) for batch in shuffled(9, 4, np.random.default_rng(0))]
        [3, 3, 3]
    """
    return list(np.array_split(rng.permutation(count), max(1, -(-count // batch_size))))


def stratified(targets: NDArray[np.int64], batch_size: int, rng: np.random.Generator) -> list[Indices]:
    """Cut a permutation into batches of nearly equal size in which classes have nearly equal shares.

    Examples are laid out by class, in random order within each, and dealt to the batches in turn: with b batches, each
    gets n_k / b examples of class k, rounded up or down. Of many labels they are laid out by the set that they bear, so
    that sets which stand beside each other differ in frequent labels rather than in rare ones (in the order of a Gray
    code): the two rarest labels are rounded as classes are, of others a batch may get a few more or less.

    Args:
        targets: (n,) class indices, or (n, c) in {0, 1}.
        batch_size: At most so many examples in a batch.
        rng: Decides who goes with whom, and the order of the batches.

    Returns:
        As many batches as `shuffled` would cut. A class with fewer examples than there are batches is missing in some.

    Example:
        >>> targets = np.array([0, 0, 0, 0, 0, 0, 1, 1])
        >>> [int(targets[batch].sum()) for batch in stratified(targets, 4, np.random.default_rng(0))]
        [1, 1]
    """
    order = rng.permutation(len(targets))
    if targets.ndim == 2:
        rarest_first = targets[:, np.argsort(targets.sum(axis=0), kind="stable")]
        place = np.packbits(np.cumsum(rarest_first, axis=1) % 2 == 1, axis=1)
        key = np.unique(place, axis=0, return_inverse=True)[1].ravel()
    else:
        key = targets
    order = order[np.argsort(key[order], kind="stable")]
    count = max(1, -(-len(order) // batch_size))
    return [order[start::count] for start in rng.permutation(count)]
