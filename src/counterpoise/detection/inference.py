"""Boxes of every tile, from the members of a model and the views of test-time augmentation."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise.dataset.scene_detections import IN_TILES, SURE

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor, nn

    from counterpoise.dataset.box_inputs import Batch
    from counterpoise.networks.devices import Compute

FLIPS = ((), (-1,), (-2,), (-1, -2))
VIEWS: dict[str, tuple[tuple[tuple[int, ...], bool], ...]] = {
    "none": (((), False),),
    "flips": tuple((sides, False) for sides in FLIPS),
    "dihedral": tuple((sides, transposed) for transposed in (False, True) for sides in FLIPS),
}
"""Values of `predict.tta` -> for each view, the axes along which pictures are flipped, and whether they are transposed
first; the same views as `networks.tta.VIEWS`."""


@dataclass(frozen=True)
class TileBoxes:
    """Boxes found in tiles.

    Attributes:
        boxes: (n, 4) x0, y0, x1, y1 in pixels of their tile.
        scores: (n,) in (0, 1].
        labels: (n,) classes.
        tile: (n,) row of each one's tile.
    """

    boxes: NDArray[np.float64]
    scores: NDArray[np.float64]
    labels: NDArray[np.int64]
    tile: NDArray[np.int64]

    def chosen(self, rows: NDArray[np.bool_]) -> TileBoxes:
        """Take some of the boxes."""
        return TileBoxes(self.boxes[rows], self.scores[rows], self.labels[rows], self.tile[rows])

    def table(self, tile_ids: Sequence[str], names: Sequence[str]) -> pd.DataFrame:
        """Write them as rows with the columns `scene_detections.IN_TILES`."""
        import pandas as pd
        from scipy.special import logit

        columns = [
            [tile_ids[row] for row in self.tile],
            [names[label] for label in self.labels],
            *self.boxes.T,
            logit(np.clip(self.scores, SURE, 1 - SURE)),
        ]
        return pd.DataFrame(dict(zip(IN_TILES, columns, strict=True)))


class Batches(Protocol):
    """What gives the pictures, such as `dataset.box_inputs.BoxInputs`."""

    def __len__(self) -> int:
        """Count the tiles."""

    def batches(self, order: Sequence[np.ndarray[tuple[int], np.dtype[np.int64]]]) -> Iterable[Batch]:
        """Yield the pictures of each batch of tile numbers."""


def joined(parts: Sequence[TileBoxes]) -> TileBoxes:
    """Put the boxes of parts together; there is at least one part."""
    return TileBoxes(
        np.concatenate([part.boxes for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.tile for part in parts]),
    )


def find(
    detectors: Sequence[nn.Module], inputs: Batches, batch_size: int, tta: str, compute: Compute, label: str = ""
) -> TileBoxes:
    """Find the boxes of all tiles; arguments as those of `of_batches`."""
    return joined([found for _, found in of_batches(detectors, inputs, batch_size, tta, compute, label)])


def of_scenes(
    found: Iterable[tuple[NDArray[np.int64], TileBoxes]], scene: Sequence[str]
) -> Iterator[tuple[str, TileBoxes]]:
    """Yield each scene with its boxes as soon as its last tile was seen, so that they need not stay in memory.

    Args:
        found: Rows of tiles with their boxes, as `of_batches` yields them.
        scene: (n,) the scene of each tile.
    """
    left, waiting, names = Counter(scene), defaultdict[str, list[TileBoxes]](list), np.array(scene)
    for numbers, part in found:
        for name, count in Counter(names[numbers].tolist()).items():
            waiting[name].append(part.chosen(names[part.tile] == name))
            left[name] -= count
            if not left[name]:
                yield name, joined(waiting.pop(name))


def of_batches(
    detectors: Sequence[nn.Module], inputs: Batches, batch_size: int, tta: str, compute: Compute, label: str = ""
) -> Iterator[tuple[NDArray[np.int64], TileBoxes]]:
    """Find the boxes of tiles, batch by batch.

    Args:
        detectors: The members of a model.
        inputs: n tiles, unchanged.
        batch_size: Tiles per forward pass.
        tta: `predict.tta`; boxes of all views and members are returned, and merged later.
        compute: Device and precision.
        label: Label of the progress bar; empty for no bar.

    Yields:
        Rows of the tiles of a batch, and their boxes in pixels of the tiles of `data/tiles`.
    """
    import torch

    from counterpoise.dataset.inputs import in_order

    order = in_order(len(inputs), batch_size)
    for detector in detectors:
        detector.eval().to(compute.device)
    with tqdm(total=len(inputs), desc=label, unit="tile", delay=1, mininterval=1, disable=not label) as progress:
        for numbers, batch in zip(order, inputs.batches(order), strict=True):
            pictures, parts = batch.images.to(compute.device, non_blocking=True), []
            for detector in detectors:
                for view in VIEWS[tta]:
                    with torch.inference_mode(), compute.autocast():
                        found = detector(turned(pictures, view))
                    for number, factor, own in zip(numbers, batch.factors.tolist(), found, strict=True):
                        back = turned_back(own.boxes.float(), view, pictures.shape[-2:])
                        parts.append(
                            TileBoxes(
                                back.cpu().double().numpy() / factor,
                                own.scores.float().cpu().double().numpy(),
                                own.labels.cpu().numpy(),
                                np.full(len(own.labels), number, dtype=np.int64),
                            )
                        )
            yield numbers, joined(parts)
            progress.update(len(numbers))


def turned(pictures: Tensor, view: tuple[tuple[int, ...], bool]) -> Tensor:
    """Compute a view of pictures (n, 3, h, w)."""
    import torch

    sides, transposed = view
    if not sides and not transposed:
        return pictures
    changed = pictures.transpose(-1, -2) if transposed else pictures
    return changed.flip(sides).contiguous(memory_format=torch.channels_last)


def turned_back(boxes: Tensor, view: tuple[tuple[int, ...], bool], shape: Sequence[int]) -> Tensor:
    """Return where boxes (n, 4), found in a view of pictures of height and width `shape`, lie in the pictures.

    Example:
        >>> import torch
        >>> turned_back(torch.tensor([[1.0, 2.0, 3.0, 5.0]]), ((-1,), False), (10, 20))
        tensor([[17.,  2., 19.,  5.]])
    """
    import torch

    sides, transposed = view
    height, width = (shape[1], shape[0]) if transposed else (shape[0], shape[1])
    x0, y0, x1, y1 = boxes.unbind(dim=1)
    if -1 in sides:
        x0, x1 = width - x1, width - x0
    if -2 in sides:
        y0, y1 = height - y1, height - y0
    if transposed:
        x0, y0, x1, y1 = y0, x0, y1, x1
    return torch.stack([x0, y0, x1, y1], dim=1)
