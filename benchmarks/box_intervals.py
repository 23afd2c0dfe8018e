"""How often intervals of figures of boxes contain the truth: the jackknife over scenes, and percentiles of resamples.

Run `python benchmarks/box_intervals.py`. It takes one minute. Scenes differ in how many objects they have and in how
hard these are; the truth is the mean of two samples of 4,000 scenes.
"""

from __future__ import annotations

import argparse

import numpy as np
from numpy.typing import NDArray

from counterpoise.boxes import localization_recall_precision as lrp
from counterpoise.boxes.average_precision import Curve, average_precision
from counterpoise.metrics.intervals import logit_t, percentile

CELLS = ((5, 6.0, 1.0), (10, 6.0, 1.0), (10, 1.0, 1.0), (20, 6.0, 1.0), (20, 0.5, 1.0))
CELLS += ((60, 6.0, 1.0), (60, 0.3, 1.0), (60, 0.3, 0.0), (150, 2.0, 1.0))
"""Scenes, objects per scene, and how well objects are recognised."""
RESAMPLES = 400


def draw(rng: np.random.Generator, scenes: int, density: float, skill: float) -> Curve:
    """Draw the detections of a class, and the objects of each scene."""
    objects = rng.poisson(density * rng.gamma(1, 1, scenes))
    image = np.repeat(np.arange(scenes), objects)
    quality = skill + rng.normal(0, 0.8, scenes)[image] + rng.normal(0, 1, len(image))
    seen = quality > -0.3
    false = rng.poisson(2 * density * rng.gamma(1, 1, scenes))
    overlap = 0.5 + 0.5 * rng.beta(2 + np.clip(quality[seen], 0, 3), 2)
    scores = np.concatenate([quality[seen] + rng.normal(0, 0.5, seen.sum()), rng.normal(-0.3, 1, false.sum())])
    hit = np.repeat([True, False], [seen.sum(), false.sum()])
    order = np.argsort(-scores)
    return Curve(
        hit[order],
        np.concatenate([image[seen], np.repeat(np.arange(scenes), false)])[order],
        scores[order],
        np.concatenate([overlap, np.zeros(false.sum())])[order],
        objects,
    )


def figures(of: Curve, weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Compute average precision and LRP, (2, b), for b weightings of the scenes."""
    return np.stack([np.atleast_1d(average_precision(of, weights)), np.atleast_1d(lrp.optimal_error(of, 0.5, weights))])


def intervals_of(of: Curve, rng: np.random.Generator) -> NDArray[np.float64]:
    """Compute the ends of both intervals of both figures, (2 figures, 2 methods, 2 ends)."""
    scenes = len(of.objects)
    value = figures(of, np.ones((1, scenes)))[:, 0]
    resampled = figures(of, rng.multinomial(scenes, np.ones(scenes) / scenes, RESAMPLES).astype(float))
    without = figures(of, 1 - np.eye(scenes))
    ends = np.empty((2, 2, 2))
    for row in range(2):
        parts = without[row][~np.isnan(without[row])]
        variance = (len(parts) - 1) / len(parts) * float(((parts - parts.mean()) ** 2).sum())
        inside = 0 < value[row] < 1 and variance > 0
        freedom = int((of.objects > 0).sum()) - 1
        ends[row, 0] = logit_t(float(value[row]), variance, freedom)[:2] if inside else (0, 1)
        ends[row, 1] = percentile(resampled[row])[:2]
    return ends


def main() -> None:
    """Print the coverage, and the mean width, of each cell."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repetitions", type=int, default=250)
    repetitions = parser.parse_args().repetitions
    print("scenes  objects  skill | AP: jackknife, percentiles | LRP: jackknife, percentiles (coverage in %, width)")
    for scenes, density, skill in CELLS:
        rng = np.random.default_rng(0)
        large = [draw(rng, 4000, density, skill) for _ in range(2)]
        truth = np.mean([figures(of, np.ones((1, 4000)))[:, 0] for of in large], axis=0)[:, None]
        found = [draw(rng, scenes, density, skill) for _ in range(repetitions)]
        ends = np.array([intervals_of(of, rng) for of in found if (of.objects > 0).sum() > 1])
        inside = ((ends[..., 0] <= truth) & (truth <= ends[..., 1])).mean(axis=0)
        width = (ends[..., 1] - ends[..., 0]).mean(axis=0)
        cells = [f"{100 * inside[i, j]:3.0f} ({width[i, j]:.2f})" for i in range(2) for j in range(2)]
        print(f"{scenes:6d} {density:8.1f} {skill:6.1f} | {cells[0]}  {cells[1]} | {cells[2]}  {cells[3]}", flush=True)


if __name__ == "__main__":
    main()
