"""Batches of tiles that can be computed in portions, each by another process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Self

import numpy as np
from torch import Tensor

from counterpoise.artifacts.tiles import Tiles
from counterpoise.dataset.inputs import Indices, TileInputs


@dataclass(frozen=True)
class Batches:
    """Some batches of tiles, in order.

    Attributes:
        inputs: The tiles and how they are shown.
        order: The numbers of the examples in each batch.
        turn: Which view of test-time augmentation is computed, 0 for unchanged tiles.
    """

    inputs: TileInputs
    order: Sequence[Indices]
    turn: int = 0

    def __len__(self) -> int:
        """Count the batches."""
        return len(self.order)

    def __getitem__(self, portion: slice) -> Self:
        """Take some of the batches, with the rows of the table that they need, since the whole table may be large."""
        order, whole = self.order[portion], self.inputs
        numbers = np.concatenate([*order, np.empty(0, dtype=np.int64)])
        tiles, rows = np.unique(whole.rows[numbers], return_inverse=True)
        part = Tiles(whole.tiles.table.iloc[tiles].reset_index(drop=True), whole.tiles.folder)
        bounds = np.cumsum([0, *map(len, order)])
        own = [np.arange(begin, end) for begin, end in pairwise(bounds)]
        return replace(self, inputs=replace(whole, tiles=part, rows=rows, views=whole.views[numbers]), order=own)

    def decoded(self) -> Iterator[Tensor]:
        """Yield float32 (b, 3, s, s) for each batch."""
        return self.inputs.batches(self.order)
