"""Which images should be labelled next? Strategies on the built default problem, against picking at random.

Run `dvc repro` first, then, from the top of the repository, `python benchmarks/suggest_labels.py [--n N]`, which takes
five minutes of one core. It reads `data/` and writes nothing. For each of 20 seeds it gives the images new splits,
hides the labels of three quarters of train, fits and decides a head on the rest and on validation, lets each strategy
choose N hidden images (200), and counts those of the class that matters. Then it fits again with their labels, and
compares the average precision on test.

- `random`: any images.
- `threshold`: closest to where the decision for the class changes (uncertainty sampling, Lewis and Gale 1994, at the
  deployed decision).
- `entropy`: highest entropy over all classes (Settles 2009, Active Learning Literature Survey).
- `likely`: highest probability of the class (Warmuth et al. 2003, Active Learning with Support Vector Machines in the
  Drug Discovery Process).
- `core-set`: k-centre greedy in feature space, without the model (Sener and Savarese 2018).
- `badge`: k-means++ on gradients of the last layer (Ash et al. 2020).
- `likely, spread`: what `counterpoise suggest-labels` does: no near duplicates, then k-means++ among the 3 N most
  likely images, weighted by the squared probability.

Printed are means over the seeds, and differences from `random` on the same seeds with 95 % t intervals. They say how
sure the means over splits of these images are, not what other images would give.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from counterpoise import config, labels
from counterpoise.artifacts import splits
from counterpoise.artifacts.decision import Decision
from counterpoise.dataset import subsampling
from counterpoise.decision import rules
from counterpoise.labelling import selection
from counterpoise.metrics import ranking
from counterpoise.study import experiment, shuffle_split

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
SEEDS = 20
LABELLED_FRAC = 0.25


@dataclass(frozen=True)
class Pool:
    """The hidden images as a strategy sees them.

    Attributes:
        probs: (n, c) probabilities.
        margin: (n,) in nats, above 0 where the class is decided for.
        positive: Column of the class.
        features: (n, d), scaled.
        labelled: (m, d) of the labelled images, scaled alike.
        apart: Rows without near duplicates, the most likely first.
        seed: Of draws.
    """

    probs: Floats
    margin: Floats
    positive: int
    features: Floats
    labelled: Floats
    apart: Ints
    seed: int


def margins(decision: Decision, probs: Floats, column: int) -> Floats:
    """Say by how many nats the log-odds of a class lie above the point where the decision for it changes."""
    if not decision.gain:
        limit = decision.thresholds[column]
        edge = np.inf if limit is None else np.log(limit) - np.log1p(-limit)
        return np.asarray(np.log(probs[:, column]) - np.log1p(-probs[:, column]) - edge)
    gain = np.array(decision.gain)
    own = probs[:, [column]] * gain[column]
    others = probs @ gain - own
    needed = np.delete(others - others[:, [column]], column, 1) / np.delete(own[:, [column]] - own, column, 1)
    return np.asarray(-np.log(np.clip(needed.max(axis=1), 1e-12, 1e12)))


def random(pool: Pool, count: int) -> Ints:
    return np.random.default_rng(pool.seed).permutation(len(pool.probs))[:count]


def threshold(pool: Pool, count: int) -> Ints:
    return np.argsort(np.abs(pool.margin), kind="stable")[:count]


def entropy(pool: Pool, count: int) -> Ints:
    return np.argsort((pool.probs * np.log(np.clip(pool.probs, 1e-12, 1))).sum(axis=1), kind="stable")[:count]


def likely(pool: Pool, count: int) -> Ints:
    return np.argsort(-pool.probs[:, pool.positive], kind="stable")[:count]


def core_set(pool: Pool, count: int) -> Ints:
    nearest = np.full(len(pool.features), np.inf)
    for other in pool.labelled:
        nearest = np.minimum(nearest, ((pool.features - other) ** 2).sum(axis=1))
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(int(np.argmax(nearest)))
        nearest = np.minimum(nearest, ((pool.features - pool.features[chosen[-1]]) ** 2).sum(axis=1))
    return np.array(chosen)


def badge(pool: Pool, count: int) -> Ints:
    rng = np.random.default_rng(pool.seed)
    error = pool.probs - np.eye(pool.probs.shape[1])[pool.probs.argmax(axis=1)]
    length = (error**2).sum(axis=1) * (pool.features**2).sum(axis=1)
    nearest, chosen = np.full(len(length), np.inf), [int(np.argmax(length))]
    while len(chosen) < count:
        last = chosen[-1]
        products = (pool.features @ pool.features[last]) * (error @ error[last])
        nearest = np.minimum(nearest, np.maximum(length + length[last] - 2 * products, 0))
        nearest[chosen] = 0
        chosen.append(int(rng.choice(len(nearest), p=nearest / nearest.sum())))
    return np.array(chosen)


def likely_spread(pool: Pool, count: int) -> Ints:
    among = pool.apart[: selection.SPREAD_AMONG * count]
    weights = pool.probs[among, pool.positive] ** 2
    return among[selection.spread(pool.features[among], weights, count, pool.seed)]


STRATEGIES = {
    "random": random,
    "threshold": threshold,
    "entropy": entropy,
    "likely": likely,
    "core-set": core_set,
    "badge": badge,
    "likely, spread": likely_spread,
}


class Trial:
    """One deal of the images, of which a quarter of train is labelled."""

    def __init__(
        self, content: Mapping[str, Any], data: experiment.Data, images: shuffle_split.Images, seed: int
    ) -> None:
        split_of = shuffle_split.shuffle_split(images, data.classes, content, seed, keep_test=False)
        self.data, self.content, self.seed = shuffle_split.resplit(data, split_of), content, seed
        self.table = self.data.splits["train"].tiles.table
        if self.table["image_id"].duplicated().any() or self.data.splits["train"].features is None:
            raise SystemExit("expected one tile per image and stored features, as in the default problem")
        self.positive = data.classes.names.index(data.positive.name)
        self.labelled = subsampling.choose(self.table, self.data.units, LABELLED_FRAC, seed)
        self.hidden = np.setdiff1d(np.arange(len(self.table)), self.labelled)
        truth = labels.indicators(self.table["labels"].tolist(), data.classes.names)
        self.is_positive = truth[self.hidden, self.positive]
        outcome, self.before = self.fit(self.labelled)
        self.pool = self._pool(outcome, images)

    def fit(self, rows: Ints) -> tuple[experiment.Outcome, float]:
        """Train on rows of train, and return the average precision on test."""
        image_ids = self.table["image_id"].to_numpy()
        names = {name: self.data.splits[name].tiles.table["image_id"] for name in ("val", "test")}
        split_of = {image: name for name, own in names.items() for image in own}
        part = shuffle_split.resplit(self.data, split_of | dict.fromkeys(image_ids[rows], "train"))
        hidden = shuffle_split.resplit(self.data, dict.fromkeys(image_ids[self.hidden], "test")).splits["test"]
        data = replace(part, splits={**part.splits, "hidden": hidden})
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            outcome = experiment.run(self.content, data, self.seed)
        test = outcome.predictions["test"]
        truth = labels.indicators(test.labels, test.classes)[:, self.positive]
        probs = rules.probabilities(outcome.decision, test.logits)[:, self.positive]
        return outcome, float(ranking.average_precision(truth, probs))

    def _pool(self, outcome: experiment.Outcome, images: shuffle_split.Images) -> Pool:
        stored = self.data.splits["train"].features
        assert stored is not None
        values = stored.values[stored.index["view"].to_numpy() == 0].astype(np.float64)
        centre, variance = values[self.labelled].mean(axis=0), values[self.labelled].var(axis=0)
        scaled = (values - centre) / np.sqrt(variance + variance.mean())
        ids = self.table["image_id"].to_numpy()[self.hidden]
        predicted = outcome.predictions["hidden"]
        place = {image: row for row, image in enumerate(predicted.image_ids)}
        probs = rules.probabilities(outcome.decision, predicted.logits[[place[image] for image in ids]])
        margin = margins(outcome.decision, probs, self.positive)
        order = np.argsort(-probs[:, self.positive], kind="stable")
        row_of = {image: row for row, image in enumerate(images.manifest["image_id"])}
        own = [row_of[image] for image in ids[order]]
        others = [row_of[image] for image in self.table["image_id"].to_numpy()[self.labelled]]
        sha256 = images.manifest["sha256"].to_numpy().astype(str)
        kept, _ = selection.without_duplicates(
            images.thumbnails[own],
            sha256[own],
            images.thumbnails[others],
            sha256[others],
            **self.content["split"]["duplicates"],
        )
        features, labelled = scaled[self.hidden], scaled[self.labelled]
        return Pool(probs, margin, self.positive, features, labelled, order[kept], self.seed)


def compared(values: Floats) -> str:
    """Write the mean of paired differences with its 95 % t interval."""
    low, high = stats.t.interval(0.95, len(values) - 1, values.mean(), stats.sem(values)) if values.any() else (0, 0)
    return f"{values.mean():+7.3f} [{low:+7.3f}, {high:+7.3f}]"


def main() -> None:
    """Print a line for each strategy."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=200, help="images to choose (default: 200)")
    parser.add_argument("--seeds", type=int, default=SEEDS, help=f"seeds (default: {SEEDS})")
    given = parser.parse_args()
    root = Path.cwd()
    content, data, images = config.load(root), experiment.read(root, splits.NAMES), shuffle_split.read(root)
    found = {name: np.zeros((given.seeds, 2)) for name in STRATEGIES}
    sizes = np.zeros((given.seeds, 4))
    for seed in tqdm(range(given.seeds), unit="seed", file=sys.stderr):
        trial = Trial(content, data, images, seed)
        sizes[seed] = len(trial.labelled), len(trial.hidden), trial.is_positive.sum(), trial.before
        for name, strategy in STRATEGIES.items():
            chosen = strategy(trial.pool, given.n)
            assert len(np.unique(chosen)) == given.n
            after = trial.fit(np.sort(np.concatenate([trial.labelled, trial.hidden[chosen]])))[1]
            found[name][seed] = trial.is_positive[chosen].sum(), after - trial.before
    labelled, hidden, positives, before = sizes.mean(axis=0)
    print(
        f"{given.seeds} seeds: {labelled:.0f} images labelled, {hidden:.0f} hidden, {positives:.1f} of them "
        f"{data.positive.name!r}; average precision before {before:.3f}"
    )
    print(f"{given.n} chosen       found  more than random, 95 %          gain of AP  more than random, 95 %")
    for name, values in found.items():
        more = values - found["random"]
        means = values.mean(axis=0)
        print(f"{name:16s} {means[0]:7.2f}  {compared(more[:, 0])}   {means[1]:+7.3f}   {compared(more[:, 1])}")


if __name__ == "__main__":
    main()
