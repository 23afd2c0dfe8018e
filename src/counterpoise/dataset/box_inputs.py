"""Input batches of a detector: tiles and the boxes that they show, decoded and augmented by worker processes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from counterpoise import images
from counterpoise.artifacts.tiles import Tiles
from counterpoise.dataset import augmentation, box_examples
from counterpoise.dataset.box_examples import CORNERS, Example, Pasting, Views
from counterpoise.dataset.box_truth import Truth
from counterpoise.dataset.inputs import Chance, Draw, Indices, Loader, workers_for
from counterpoise.networks import backbones

if TYPE_CHECKING:
    import pandas as pd

LEAST_PX = 1.0
"""Boxes with a shorter side in the network's input are ignored: no anchor fits them, and they are no background."""


@dataclass(frozen=True)
class Batch:
    """Pictures of a batch.

    Attributes:
        images: float32 (b, 3, h, w), normalised, channels last; each lies in the upper left corner, the rest is the
            mean colour, and h and w are the least multiples of the padding that hold all.
        truth: What each shows.
        factors: (b,) pixels of the input per pixel of the tile.
    """

    images: Tensor
    truth: list[Truth]
    factors: Tensor


@dataclass(frozen=True)
class BoxInputs:
    """Tiles with their boxes.

    Attributes:
        tiles: The stored tiles.
        boxes: tile_id -> its rows of `boxes.csv`; tiles without boxes may be left out.
        names: The c classes in their order.
        rows: (n,) tile of each example.
        views: (n,) augmented view of each example; 0 for the unchanged tile.
        input_px: Longer side of a tile in the network's input.
        multiple_px: Height and width of a batch are multiples of it: the coarsest stride.
        policy: Augmentation policy of the views.
        seed: Seed of the views.
        on_the_fly: Augmentation policy that is applied after the view, differently in every epoch, if `chance` is
            given; `none` for no augmentation.
        backbone: Name of the backbone, which decides the normalisation of channels.
        min_visible: Boxes with less of their object in a view are ignored, in (0, 1].
        class_counts: (c,) boxes of each class in train; a crop keeps a box of the rarest.
        pasting: What is pasted onto views; `None` for nothing.
    """

    tiles: Tiles
    boxes: Mapping[str, pd.DataFrame]
    names: tuple[str, ...]
    rows: Indices
    views: Indices
    input_px: int
    multiple_px: int
    policy: str
    seed: int
    on_the_fly: str
    backbone: str
    min_visible: float
    class_counts: NDArray[np.int64]
    pasting: Pasting | None = None

    def __len__(self) -> int:
        """Count the examples."""
        return len(self.rows)

    def batches(self, order: Sequence[Indices], chance: Chance | None = None) -> Iterator[Batch]:
        """Yield each batch of example numbers; augmented if `chance` is given. A pass must end before the next starts.

        Raises:
            storage.ArtifactError: A tile is damaged.
        """
        loader = self._loader(workers_for(order, 3 * self.input_px**2))
        for parts in loader.run(order, chance):
            yield normalised(parts, self.backbone)

    def _loader(self, workers: int) -> Loader:
        if workers not in self._loaders:
            for policy in (self.policy if self.views.any() else "none", self.on_the_fly):
                augmentation.prepare(policy)  # once here, not in every forked worker
            self._loaders[workers] = Loader(replace(self), workers, partial(collate, self.multiple_px))
        return self._loaders[workers]

    @cached_property
    def _loaders(self) -> dict[int, Loader]:
        return {}

    def example(self, number: int, draw: Draw | None) -> Item:
        """Decode one example: the resized picture, what it shows, and its factor."""
        example, factor = fitted(self._augmented(number, draw), self.input_px)
        sides = example.boxes[:, 2:] - example.boxes[:, :2]
        ignored = example.ignore | (sides < LEAST_PX).any(axis=1)
        boxes = torch.tensor(example.boxes, dtype=torch.float32)
        places = boxes[torch.from_numpy(ignored)]
        kept = torch.from_numpy(~ignored)
        return example.image, Truth(boxes[kept], torch.tensor(example.labels)[kept], places), factor

    def _augmented(self, number: int, draw: Draw | None) -> Example:
        row, view = int(self.rows[number]), int(self.views[number])
        tile_id = str(self.tiles.table["tile_id"].iat[row])
        shown = self.boxes.get(tile_id)
        image = images.decode(self.tiles.load(row))
        tile = box_examples.of_tile(image, _no_rows() if shown is None else shown, self.names)
        views = Views(self.policy, self.seed, self.min_visible, self.class_counts, self.pasting)
        return box_examples.sample(tile, tile_id, (number, view), views, self.on_the_fly, draw)


Item = tuple[images.RGB, Truth, float]
"""A picture, what it shows, and its factor."""


def collate(multiple_px: int, items: Sequence[Item]) -> tuple[Tensor, Tensor, list[Truth], Tensor]:
    """Put the pictures of a batch into the corners of equal ones, and mark what is beside them.

    Args:
        multiple_px: Height and width of the result are multiples of it.
        items: b pictures.

    Returns:
        uint8 (b, h, w, 3), bool (b, h, w), what each shows, and the factors (b,).
    """
    shapes = [picture.shape[:2] for picture, _, _ in items]
    height, width = (-(-max(sides) // multiple_px) * multiple_px for sides in zip(*shapes, strict=True))
    pictures = np.zeros((len(items), height, width, 3), dtype=np.uint8)
    padded = np.ones((len(items), height, width), dtype=np.bool_)
    for number, (picture, _, _) in enumerate(items):
        pictures[number, : picture.shape[0], : picture.shape[1]] = picture
        padded[number, : picture.shape[0], : picture.shape[1]] = False
    truth, factors = [own for _, own, _ in items], torch.tensor([factor for _, _, factor in items])
    return torch.from_numpy(pictures), torch.from_numpy(padded), truth, factors


def normalised(parts: tuple[Tensor, Tensor, list[Truth], Tensor], backbone: str) -> Batch:
    """Make a batch for a backbone of what `collate` gives."""
    pictures, padded, truth, factors = parts
    values = backbones.normalise(pictures.permute(0, 3, 1, 2), *backbones.normalisation(backbone))
    return Batch(values.masked_fill_(padded[:, None], 0.0), truth, factors)


def scaled(image: images.RGB, side_px: int) -> tuple[images.RGB, float]:
    """Resize a picture so that its longer side has `side_px`, and return the factor too."""
    height, width = image.shape[:2]
    factor = side_px / max(height, width)
    if factor == 1:
        return image, 1.0
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BICUBIC)), factor


def fitted(example: Example, side_px: int) -> tuple[Example, float]:
    """Resize a picture with its boxes so that its longer side has `side_px`, and return the factor too.

    Example:
        >>> empty = np.zeros(0)
        >>> boxes = np.array([[10.0, 0, 30, 20]])
        >>> ones = np.ones(1)
        >>> example = Example(np.zeros((20, 40, 3), np.uint8), boxes, ones.astype(int), ones, ones > 1)
        >>> resized, factor = fitted(example, 80)
        >>> resized.image.shape, resized.boxes.tolist(), factor
        ((40, 80, 3), [[20.0, 0.0, 60.0, 40.0]], 2.0)
    """
    image, factor = scaled(example.image, side_px)
    limit = np.tile(np.array(image.shape[1::-1], dtype=np.float64), 2)
    return replace(example, image=image, boxes=np.minimum(example.boxes * factor, limit)), factor


def _no_rows() -> pd.DataFrame:
    import pandas as pd

    return pd.DataFrame({name: [] for name in ("label", *CORNERS, "visible_frac", "ignore")})


def unchanged(part: Tiles, names: tuple[str, ...], input_px: int, multiple_px: int, backbone: str) -> BoxInputs:
    """Return every tile of a split once, without boxes or augmentation, to predict."""
    count = len(part.table)
    return BoxInputs(
        tiles=part,
        boxes={},
        names=names,
        rows=np.arange(count),
        views=np.zeros(count, dtype=np.int64),
        input_px=input_px,
        multiple_px=multiple_px,
        policy="none",
        seed=0,
        on_the_fly="none",
        backbone=backbone,
        min_visible=1.0,
        class_counts=np.zeros(len(names), dtype=np.int64),
    )
