"""Detections of a perturbed truth, written as `predict` would: to decide, score and report without a detector."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from counterpoise.artifacts import boxes, classes, clusters, detections, model, predictions, prior, tiles, training
from counterpoise.boxes import geometry
from counterpoise.calibration import prior_ledger

LEAST = -4.6
"""Log-odds of the lowest score that a detector reports, 0.01."""


def write(root: Path, *, seed: int = 0, missed: float = 0.2, false_per_image: float = 3.0) -> None:
    """Write detections and predictions of validation and test, and a model's card.

    Objects are moved by a twelfth of their side, some are missed, others found twice or as another class; false alarms
    have lower scores.

    Args:
        root: A repository after `oversample`.
        seed: Of the noise.
        missed: Share of the objects that no box finds, in [0, 1).
        false_per_image: Mean number of boxes on nothing in an image.
    """
    names, labelled = classes.read(root).names, boxes.read(root)
    for number, split in enumerate(("val", "test")):
        rng, part = np.random.default_rng([seed, number]), tiles.read(root, split)
        ids = sorted(set(part.table["image_id"]))
        units = clusters.units(root, part)
        there = labelled[labelled["image_id"].isin(ids)]
        there = there.assign(group=there["image_id"].map(units), label=there["label"].replace("", names[0]))
        found = _found(there[there["ignore"] == 0], names, rng, missed)
        found = pd.concat([found, _false(part.table, there, names, rng, false_per_image)], ignore_index=True)
        tables = detections.Tables(found[list(detections.FOUND)], there[list(detections.THERE)])
        detections.write(root, split, tables)
        highest = found.groupby(["image_id", "label"])["logit"].max().unstack().reindex(index=ids, columns=list(names))
        shown = there[there["ignore"] == 0].groupby("image_id")["label"].agg(set)
        cells = tuple("|".join(name for name in names if name in shown.get(image, set())) for image in ids)
        logits = highest.fillna(LEAST).to_numpy(dtype=np.float32)
        groups = tuple(units[image] for image in ids)
        predictions.write(root, split, predictions.Predictions(tuple(ids), groups, cells, names, logits))
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
    sizes = table.groupby("image_id")[["x1_px", "y1_px"]].max()
    images = np.repeat(sizes.index.to_numpy(), rng.poisson(rate, len(sizes)))
    ends = sizes.loc[images].to_numpy(dtype=np.float64)
    drawn = there.iloc[rng.integers(0, len(there), len(images))]
    sides = (drawn[["x1_px", "y1_px"]].to_numpy() - drawn[["x0_px", "y0_px"]].to_numpy()).clip(4, None)
    first = rng.random((len(images), 2)) * (ends - 4)
    corners = geometry.clip(np.concatenate([first, first + sides], axis=1), 1e9, 1e9)
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
