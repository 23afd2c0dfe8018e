"""How many wrong labels does `counterpoise suspects` find? On the built default problem, with labels flipped by chance.

Run `dvc repro` first, then, from the top of the repository, `python benchmarks/suspects.py`, which takes a minute. It
reads `data/` and writes nothing. For each of 10 seeds it gives 5 % of the images of train and validation another class
at random, fits heads on the stored features by folds of these labels, and asks each filter of cleanlab for suspects.

Printed, as means over the seeds with 95 % t intervals:

- how many suspects there are, precision (the share of them that were flipped), and recall (the share of the flipped
  labels that are in the list);
- precision among the first 50, and recall among the images that have the class that matters as their flipped label;
- of the labels of that class that were not flipped, the share in the list.

The labels of the default problem are judgements of experts, of which two classes say "probably". Some of its own labels
are doubtful, and count here as right: precision is a lower bound.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from counterpoise import config
from counterpoise.labelling import confident_learning, cross_fitting
from counterpoise.study import cells, experiment

SEEDS = 10
FLIPPED_FRAC = 0.05
FIRST = 50
FILTERS = ("low_normalized_margin", "prune_by_noise_rate", "prune_by_class", "both", "confident_learning")
FIGURES = ("suspects", "precision", "recall", "precision of 50", "recall, rare", "right, rare, listed")


def flip(data: experiment.Data, seed: int) -> tuple[experiment.Data, dict[str, str]]:
    """Give some images another class; return the data, and image_id -> its true class of those that were flipped."""
    rng = np.random.default_rng(seed)
    tables = [part.tiles.table[["image_id", "labels"]] for part in data.splits.values()]
    label_of = dict(sorted(row for table in tables for row in table.itertuples(index=False, name=None)))
    chosen = rng.choice(list(label_of), round(FLIPPED_FRAC * len(label_of)), replace=False).tolist()
    truth = {image: label_of[image] for image in chosen}
    label_of |= {
        image: str(rng.choice([name for name in data.classes.names if name != truth[image]])) for image in chosen
    }
    parts = {}
    for name, part in data.splits.items():
        table = part.tiles.table.assign(labels=[label_of[image] for image in part.tiles.table["image_id"]])
        parts[name] = replace(part, tiles=replace(part.tiles, table=table))
    return replace(data, splits=parts), truth


def figures(content: Mapping[str, Any], data: experiment.Data, seed: int) -> dict[str, list[float]]:
    """Compute the figures of all filters for one seed."""
    changed, truth = flip(data, seed)
    found = cross_fitting.fit({**content, "seed": seed}, changed)
    of = found.images
    flipped = np.isin(of.image_ids, list(truth))
    rare = of.truth[:, of.positive]
    result = {}
    for name in FILTERS:
        suspects = confident_learning.find(of.truth, found.probs, one_class=True, columns=[], by=name)
        rows = np.array([one.row for one in suspects], dtype=np.int64)
        listed = np.isin(np.arange(len(flipped)), rows)
        result[name] = [
            len(rows),
            flipped[rows].mean(),
            listed[flipped].mean(),
            flipped[rows[:FIRST]].mean(),
            listed[flipped & rare].mean(),
            listed[~flipped & rare].mean(),
        ]
    return result


def written(values: NDArray[np.float64]) -> str:
    """Write a mean with its 95 % t interval."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values))
    digits = 0 if values.mean() > 1 else 2
    return f"{values.mean():.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def main() -> None:
    """Print a line for each filter."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds (default: {SEEDS})")
    seeds = parser.parse_args().seeds
    root = Path.cwd()
    content, data = config.load(root), experiment.read(root, cells.SPLITS)
    found: dict[str, list[list[float]]] = {name: [] for name in FILTERS}
    for seed in tqdm(range(seeds), unit="seed", file=sys.stderr):
        for name, values in figures(content, data, seed).items():
            found[name].append(values)
    images = sum(len(part.tiles.table) for part in data.splits.values())
    flipped = round(FLIPPED_FRAC * images)
    print(f"{seeds} seeds: {flipped} of {images} labels flipped, {FLIPPED_FRAC:.0%}; rare: {data.positive.name!r}")
    print(f"{'filter':22s} " + " ".join(f"{name:>21s}" for name in FIGURES))
    for name, rows in found.items():
        print(f"{name:22s} " + " ".join(f"{written(column):>21s}" for column in np.array(rows).T))


if __name__ == "__main__":
    main()
