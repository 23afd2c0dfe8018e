"""Input batches of a network: stored features, or tiles that worker processes decode, augment and resize."""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset, default_collate

from counterpoise import images, seeds, storage
from counterpoise.artifacts.tiles import Tiles
from counterpoise.dataset import augmentation, cpus
from counterpoise.networks import backbones, inference
from counterpoise.networks.devices import Compute

SHARED_MEMORY = Path("/dev/shm")
"""Where processes hand over what they decoded."""
Indices = NDArray[np.int64]
PREFETCHED = 2
"""Batches that each worker prepares in advance. More use memory, and do not help if the network is the bottleneck."""


class Inputs(Protocol):
    """Network inputs, addressed by example number."""

    def __len__(self) -> int:
        """Count the examples."""

    def batches(self, order: Sequence[Indices], chance: Chance | None = None) -> Iterator[Tensor]:
        """Yield the inputs of each batch of example numbers, in the order given."""


@dataclass(frozen=True)
class Chance:
    """What decides the augmentation of the examples in one pass.

    Attributes:
        seed: Seed of the training.
        epoch: The epoch, from 0.
        drawn_before: For each batch, how often each of its examples occurred before in this epoch, in any process.
    """

    seed: int
    epoch: int
    drawn_before: Sequence[Indices]


@dataclass(frozen=True)
class FeatureInputs:
    """Features of a frozen backbone.

    Attributes:
        values: float32 (m, d).
        rows: (n,) row of `values` for each example.
    """

    values: NDArray[np.float32]
    rows: Indices

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    def batches(self, order: Sequence[Indices], chance: Chance | None = None) -> Iterator[Tensor]:
        """Yield float32 (b, d) for each batch. `chance` is ignored, since features are not augmented."""
        for numbers in order:
            yield torch.from_numpy(np.ascontiguousarray(self.values[self.rows[numbers]]))


@dataclass(frozen=True)
class TileInputs:
    """Tiles that are decoded when they are needed.

    Attributes:
        tiles: The stored tiles.
        rows: (n,) tile of each example.
        views: (n,) augmented view of each example; 0 for the unchanged tile.
        input_px: Side of the square input of the network, in pixels.
        policy: Augmentation policy of the views.
        seed: Seed of the views.
        on_the_fly: Augmentation policy that is applied after the view, differently in every epoch, if `chance` is
            given; `none` for no augmentation.
        backbone: Name of the backbone, which decides the normalisation of channels.
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

    def batches(self, order: Sequence[Indices], chance: Chance | None = None) -> Iterator[Tensor]:
        """Yield float32 (b, 3, s, s), normalised, channels last, for each batch; augmented if `chance` is given.

        The first pass starts the worker processes. They wait for the next pass as long as this object exists. A pass
        must end before the next one starts.
        """
        loader = self._loader(workers_for(order, 3 * self.input_px**2))
        mean, std = backbones.normalisation(self.backbone)
        for batch in loader.run(order, chance):
            yield backbones.normalise(batch.permute(0, 3, 1, 2), mean, std)

    def _loader(self, workers: int) -> Loader:
        if workers not in self._loaders:
            for policy in (self.policy if self.views.any() else "none", self.on_the_fly):
                augmentation.prepare(policy)  # once here, not in every forked worker
            self._loaders[workers] = Loader(replace(self), workers, default_collate)
        return self._loaders[workers]

    @cached_property
    def _loaders(self) -> dict[int, Loader]:
        return {}

    def example(self, number: int, draw: Draw | None) -> Tensor:
        """Decode one example, uint8 (input_px, input_px, 3)."""
        return torch.from_numpy(np.array(self.image(number, draw)))

    def image(self, number: int, draw: Draw | None = None) -> images.RGB:
        """Compute the image of one example, uint8 (input_px, input_px, 3), augmented if `draw` is given."""
        row, view = int(self.rows[number]), int(self.views[number])
        tile_id = self.tiles.table["tile_id"].iat[row]
        image = images.resize(images.decode(self.tiles.load(row)), self.input_px)
        if view:
            image = augmentation.apply(self.policy, image, seeds.derive(self.seed, "view", f"{tile_id}#{view}"))
        if self.on_the_fly != "none" and draw is not None:
            seed, epoch, before = draw
            again = f"#{before}" if before else ""
            own = seeds.derive(seed, "on the fly", f"{tile_id}#{number}#{epoch}{again}")
            image = augmentation.apply(self.on_the_fly, image, own)
        return image


Draw = tuple[int, int, int]
"""Seed of the training, epoch, and how often the example occurred before in that epoch."""
Key = tuple[int, Draw | None]
"""Number of an example, and what decides its augmentation."""


class Decoder(Protocol):
    """What worker processes decode: tiles, one for each example."""

    @property
    def tiles(self) -> Tiles:
        """The stored tiles."""

    @property
    def rows(self) -> Indices:
        """(n,) tile of each example."""

    def __len__(self) -> int:
        """Count the examples."""

    def example(self, number: int, draw: Draw | None) -> Any:  # noqa: ANN401 - what `collate` takes
        """Decode one example, augmented if `draw` is given."""


class Loader:
    """A `DataLoader` whose workers persist between epochs. The keys of its sampler say what to decode next."""

    def __init__(self, decoder: Decoder, workers: int, collate: Callable[[list[Any]], Any]) -> None:
        self.sampler = _Sampler()
        self.batches: DataLoader[Any] = DataLoader(
            _Decoded(decoder),
            batch_sampler=self.sampler,
            collate_fn=partial(_without_errors, collate),
            num_workers=workers,
            pin_memory=torch.cuda.is_available(),
            prefetch_factor=PREFETCHED if workers else None,
            persistent_workers=workers > 0,
            worker_init_fn=_leave_interrupts_to_the_parent,
        )

    def run(self, order: Sequence[Indices], chance: Chance | None) -> Iterator[Any]:
        """Yield the collated examples of each batch of example numbers. A pass must end before the next one starts."""
        keys = _keys(order, chance)
        self.sampler.keys = keys
        for batch in self.batches:
            if self.sampler.keys is not keys:
                break
            if isinstance(batch, Exception):
                raise batch
            yield batch
        if self.sampler.keys is not keys:
            raise RuntimeError("a new pass over these tiles started before the previous pass had ended")


class _Sampler:
    """The keys of each batch of the next pass."""

    def __init__(self) -> None:
        self.keys: list[list[Key]] = []

    def __iter__(self) -> Iterator[list[Key]]:
        return iter(self.keys)

    def __len__(self) -> int:
        return len(self.keys)


class _Decoded(Dataset[Any]):
    def __init__(self, decoder: Decoder) -> None:
        self.decoder = decoder

    def __len__(self) -> int:
        return len(self.decoder)

    def __getitem__(self, key: Key) -> Any:  # noqa: ANN401
        """Return an example, or what is wrong with it: raised here, it would carry the traceback of a worker."""
        try:
            return self.decoder.example(*key)
        except storage.ArtifactError as error:
            return error
        except images.ImageError as error:
            tile_id = self.decoder.tiles.table["tile_id"].iat[int(self.decoder.rows[key[0]])]
            return storage.ArtifactError(f"tile {tile_id!r} in {self.decoder.tiles.folder}: {error}; run `dvc repro`")


def _without_errors(collate: Callable[[list[Any]], Any], items: list[Any]) -> Any:  # noqa: ANN401
    """Collate the examples of a batch, or return the first error among them."""
    errors = [item for item in items if isinstance(item, Exception)]
    return errors[0] if errors else collate(items)


def _keys(order: Sequence[Indices], chance: Chance | None) -> list[list[Key]]:
    """Pair each example number with what decides its augmentation. Repeats of an example are augmented differently."""
    if chance is None:
        return [[(number, None) for number in numbers.tolist()] for numbers in order]
    keys: list[list[Key]] = []
    for numbers, times in zip(order, chance.drawn_before, strict=True):
        draws = [(chance.seed, chance.epoch, before) for before in times.tolist()]
        keys.append(list(zip(numbers.tolist(), draws, strict=True)))
    return keys


def _leave_interrupts_to_the_parent(worker: int) -> None:
    """Ignore Ctrl-C, which a terminal sends to all processes, so that the parent can stop its workers cleanly."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def workers_count() -> int:
    """Return the number of worker processes: one per core that this process may use, at most 8.

    Processes that `torchrun` started on the same machine share its cores. With a single core, 0: there this process
    decodes as fast itself.
    """
    cores = cpus.available() // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))
    return min(cores, 8) if cores > 1 else 0


def workers_that_fit(workers: int, batch_bytes: int) -> int:
    """Say how many processes can hand over their batches through shared memory, of which Docker gives 64 MB.

    Args:
        workers: How many there would be otherwise.
        batch_bytes: Size of a decoded batch, before it is normalised.

    Returns:
        At most `workers`; 0 decodes in this process. Where it is fewer, a line on standard error says how to get more.
    """
    if not SHARED_MEMORY.is_dir():  # macOS has no such limit
        return workers
    needed = (PREFETCHED + 1) * max(batch_bytes, 1)
    fitting = min(workers, int(shutil.disk_usage(SHARED_MEMORY).free * 0.8) // needed)
    if fitting < workers:
        print(
            f"{SHARED_MEMORY} has room for {fitting} of {workers} processes that decode images, "
            f"{needed / 2**20:.0f} MiB each, which is slower; start Docker with `--shm-size 2g`, or set a smaller "
            "batch_size",
            file=sys.stderr,
        )
    return fitting


def workers_for(order: Sequence[Indices], example_bytes: int) -> int:
    """Return how many processes decode a pass: one per core, as far as shared memory has room for their batches."""
    largest = max((len(numbers) for numbers in order), default=0)
    return min(len(order), workers_that_fit(workers_count(), largest * example_bytes))


def in_order(count: int, batch_size: int) -> list[Indices]:
    """Split 0..count-1 into batches of nearly equal size, in order."""
    return list(np.array_split(np.arange(count), max(1, -(-count // batch_size))))


def infer(
    network: nn.Module, inputs: Inputs, batch_size: int, compute: Compute, label: str = ""
) -> NDArray[np.float32]:
    """Compute the outputs of a network for all inputs, without gradients.

    Args:
        network: The network; moved to the device and set to evaluation mode.
        inputs: n examples.
        batch_size: Examples per forward pass.
        compute: Device and precision.
        label: Label of the progress bar; empty for no bar.

    Returns:
        float32 (n, ...).
    """
    batches = inputs.batches(in_order(len(inputs), batch_size))
    values: NDArray[np.float32] = inference.outputs(network, batches, compute, total=len(inputs), label=label).numpy()
    return values
