"""The built default problem, dealt anew in memory: what the measurements beside this file share.

It composes the pure functions of the stages on stored features, and reads `data/` and `params.yaml`; it writes nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from counterpoise import config, labels
from counterpoise.artifacts import classes, features, manifest, splits, thumbnails
from counterpoise.config import Section
from counterpoise.dataset import inputs
from counterpoise.evaluation import scores
from counterpoise.networks import devices
from counterpoise.networks.network import rebuild
from counterpoise.stages import decide, oversample, predict, split, train
from counterpoise.training.examples import Examples

Floats = NDArray[np.float64]
Parts = dict[str, pd.DataFrame]
"""For each split, its index of tiles."""
P = TypeVar("P", bound=Section)


def changed(content: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Set parameters by their dotted names, as `dvc exp run -S` would."""
    result = copy.deepcopy(dict(content))
    for name, value in changes.items():
        *above, last = name.split(".")
        block = result
        for key in above:
            block = block[key]
        if last not in block:
            raise KeyError(f"{name} is no parameter")
        block[last] = value
    return result


def read(params: type[P], content: Mapping[str, Any]) -> P:
    """Take what one stage reads."""
    return config.validate(params, {key: content[key] for key in params.model_fields})


@dataclass(frozen=True)
class Problem:
    """A multiclass problem with one tile per image and a frozen backbone, as `dvc repro` built it."""

    root: Path

    @cached_property
    def content(self) -> dict[str, Any]:
        """What `params.yaml` says."""
        return config.load(self.root)

    @cached_property
    def found(self) -> classes.Classes:
        """The classes."""
        return classes.read(self.root)

    @cached_property
    def built(self) -> dict[str, str]:
        """The split of each image as it was built."""
        table = splits.read(self.root)
        return dict(zip(table["image_id"], table["split"], strict=True))

    @cached_property
    def stored(self) -> tuple[NDArray[np.float32], dict[str, int]]:
        """Features (m, d), and the row of each tile."""
        parts = [features.read(self.root, name) for name in splits.NAMES]
        values = np.concatenate([part.values for part in parts if part])
        tile_ids = (tile for part in parts if part for tile in part.index["tile_id"])
        return values, {tile: row for row, tile in enumerate(tile_ids)}

    @cached_property
    def test(self) -> pd.DataFrame:
        """Tiles of the test that was built."""
        table = manifest.read(self.root)
        return _tiles(table[[self.built[image] == "test" for image in table["image_id"]]])

    def deal(self, seed: int, *, keep_test: bool) -> Parts:
        """Deal images to splits anew, duplicates together.

        Args:
            seed: Decides who goes where.
            keep_test: Leave test as it was built, and deal train and val alone, in their proportions.
        """
        table, pictures = manifest.read(self.root), thumbnails.read(self.root)
        pool = ("train", "val") if keep_test else splits.NAMES
        rows = np.flatnonzero([self.built[image] in pool for image in table["image_id"]])
        table, pictures = table.iloc[rows].reset_index(drop=True), pictures[rows]
        params = read(split.Params, self.content).split
        if keep_test:
            val_frac = params.val_frac / (1 - params.test_frac)
            params = params.model_copy(update={"val_frac": val_frac, "test_frac": 0.0})
        units, crossing = split.find_units(table, pictures, params.duplicates)
        dealt = split.assign(table, self.found, units, crossing, np.arange(len(table)), params, seed).splits["split"]
        parts = {name: _tiles(table[(dealt == name).to_numpy()]) for name in splits.NAMES}
        return parts | ({"test": self.test} if keep_test else {})

    def features_and_targets(self, part: pd.DataFrame) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
        """Look up features (n, d) and classes (n,) of tiles."""
        values, place = self.stored
        rows = [place[tile] for tile in part["tile_id"]]
        return values[rows], labels.targets(part["labels"].tolist(), self.found.names)

    def _examples(self, part: pd.DataFrame, tile_ids: pd.Series) -> Examples:
        values, place = self.stored
        label = dict(zip(part["tile_id"], part["labels"], strict=True))
        rows = np.array([place[tile] for tile in tile_ids])
        targets = labels.targets([label[tile] for tile in tile_ids], self.found.names)
        return Examples(inputs.FeatureInputs(values, rows), torch.from_numpy(targets))

    def ways(
        self, parts: Parts, seed: int, changes: Mapping[str, Any]
    ) -> tuple[dict[str, scores.Variant], NDArray[np.int64]]:
        """Train and decide once.

        Args:
            parts: As `deal` returned them.
            seed: Decides draws, initialisation and order.
            changes: Parameters that differ from `params.yaml`.

        Returns:
            The three ways to use the logits of test, and its classes.
        """
        content = changed(self.content, changes)
        draws, opened = oversample.draw(parts["train"], self.found, read(oversample.Params, content).oversample, seed)
        every = {name: self._examples(part, part["tile_id"]) for name, part in parts.items()}
        settings = read(train.Params, content)
        settings = settings.model_copy(update={"train": settings.train.model_copy(update={"seed": seed})})
        learned = train.fit_member(
            self._examples(parts["train"], draws["tile_id"]), every["train"], every["val"], opened, settings
        )
        card = train.describe([learned], opened, settings, self.stored[0].shape[1])
        network, how = rebuild(card, learned.weights), read(predict.Params, content)
        compute = devices.pick(how.model.device, how.model.precision)
        val, test = (
            predict.fold(
                parts[name],
                inputs.infer(network, every[name].inputs, how.predict.batch_size, compute, "predict"),
                dict.fromkeys(parts[name]["image_id"], ""),
                self.found.names,
                "mean",
            )
            for name in ("val", "test")
        )
        deciding = read(decide.Params, content)
        chosen = decide.choose(val, opened, learned.ledger, deciding.decide, deciding.evaluate)
        return scores.variants(test.logits.astype(np.float64), chosen), labels.targets(test.labels, self.found.names)


def _tiles(table: pd.DataFrame) -> pd.DataFrame:
    return table[["image_id", "labels"]].assign(tile_id=table["image_id"]).reset_index(drop=True)
