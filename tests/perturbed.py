"""Detections of a perturbed truth, written as `predict` would: to decide, score and report without a detector."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from counterpoise.artifacts import boxes, classes, clusters, detections, model, prior, splits, tiles, training
from counterpoise.boxes.scenes import Merging
from counterpoise.calibration import prior_ledger
from counterpoise.dataset import scene_detections, tile_labels
from counterpoise.stages import predict

MERGING = Merging("nms", "iou", 0.9, 2, 0.01)
"""Boxes of one object in several tiles are equal, so that only these are merged."""


def write(
    root: Path, *, seed: int = 0, missed: float = 0.2, false_per_image: float = 3.0, how: Merging = MERGING
) -> None:
    """Write detections and predictions of validation and test as `predict` would, and a model's card.

    Objects are moved by a twelfth of their side, some are missed, others found twice or as another class; false alarms
    have lower scores. Tiles show parts of these boxes, which come back to the scene.

    Args:
        root: A repository after `oversample`.
        seed: Of the noise.
        missed: Share of the objects that no box finds, in [0, 1).
        false_per_image: Mean number of boxes on nothing in an image.
        how: How boxes of tiles become those of scenes.
    """
    names, labelled, split_of = classes.read(root).names, boxes.read(root), splits.read(root)
    scene_ids = split_of["scene_id" if splits.has_blocks(split_of) else "image_id"]
    scene_of = dict(zip(split_of["image_id"], scene_ids, strict=True))
    for number, split in enumerate(("val", "test")):
        rng, part = np.random.default_rng([seed, number]), tiles.read(root, split)
        there = scene_detections.objects(labelled, part.table, scene_of, clusters.units(root, part))
        found = _found(there[there["ignore"] == 0], names, rng, missed)
        found = pd.concat([found, _false(part.table, there, names, rng, false_per_image)], ignore_index=True)
        merged = scene_detections.merged(in_tiles(found, part.table), part.table, names, how)
        predict.write_boxes(root, split, merged, part, names, how.min_score)
    known = prior.read(root)
    ledger = (prior_ledger.Line("oversample.strategy", "box_repeat_factor", None),)
    card = model.Card(
        known.task, "resnet18", "linear", 0.0, 160, True, "bundled", names, "cross_entropy", ledger,
        pool="avg", hidden=512, width=512,
    )  # fmt: skip
    training.write(
        root, [{"train/loss": 1.0, "val/loss": 1.0}, {"train/loss": 0.5, "val/loss": 0.8}], {"best_epoch": 1}
    )
    model.write(root, card, {"weight": torch.zeros(2, 2)})


def in_tiles(found: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Cut boxes of scenes at the edges of all tiles that show some of them.

    Args:
        found: Boxes in scenes, with the columns of `detections.parquet`.
        table: Index of the tiles.
    """
    parts = []
    of_image = dict(list(found.groupby("image_id")))
    for tile_id, image_id, *window in table[["tile_id", "image_id", *detections.CORNERS]].to_numpy().tolist():
        if (own := of_image.get(image_id)) is not None:
            inside, visible = tile_labels.cut(own[list(detections.CORNERS)].to_numpy(dtype=np.float64), tuple(window))
            part = own.assign(tile_id=tile_id, **dict(zip(detections.CORNERS, inside.T, strict=True)))
            parts.append(part.loc[visible > 0.05, list(scene_detections.IN_TILES)])
    return pd.concat(parts, ignore_index=True)


def _found(there: pd.DataFrame, names: tuple[str, ...], rng: np.random.Generator, missed: float) -> pd.DataFrame:
    times = rng.choice([0, 1, 2], size=len(there), p=[missed, 0.95 - missed, 0.05])
    found = there.loc[there.index.repeat(times)].reset_index(drop=True)
    corners = found[list(detections.CORNERS)].to_numpy(dtype=np.float64)
    sides = np.tile(corners[:, 2:] - corners[:, :2], 2)
    corners += np.clip(rng.normal(0, 1 / 12, corners.shape), -0.4, 0.4) * sides
    other = rng.random(len(found)) < 0.03
    label = np.where(other, rng.choice(names, len(found)), found["label"])
    return found.assign(
        label=label, logit=rng.normal(2, 1.5, len(found)), **dict(zip(detections.CORNERS, corners.T, strict=True))
    )


def _false(
    table: pd.DataFrame, there: pd.DataFrame, names: tuple[str, ...], rng: np.random.Generator, rate: float
) -> pd.DataFrame:
    areas = table.groupby("image_id").agg({"x0_px": "min", "y0_px": "min", "x1_px": "max", "y1_px": "max"})
    images = np.repeat(areas.index.to_numpy(), rng.poisson(rate, len(areas)))
    starts, ends = np.split(areas.loc[images].to_numpy(dtype=np.float64), 2, axis=1)
    drawn = there.iloc[rng.integers(0, len(there), len(images))]
    sides = (drawn[["x1_px", "y1_px"]].to_numpy() - drawn[["x0_px", "y0_px"]].to_numpy()).clip(4, None)
    first = starts + rng.random((len(images), 2)) * (ends - starts - 4)
    corners = np.concatenate([first, np.minimum(first + sides, ends)], axis=1)
    return pd.DataFrame(
        {
            "image_id": images,
            "label": rng.choice(names, len(images)),
            "logit": rng.normal(-1.5, 1.5, len(images)),
            **dict(zip(detections.CORNERS, corners.T, strict=True)),
        }
    )


if __name__ == "__main__":
    write(Path(sys.argv[1]))
