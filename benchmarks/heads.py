"""Which head is best on frozen features: ours by L-BFGS, ours by stochastic steps, or a tuned logistic regression?

Run `dvc repro`, then, from the top of the repository, `python benchmarks/heads.py`; it takes some minutes and writes
nothing. It measures on the built problem, and on generated features with 3, 12 and 43 classes, of very uneven scales.
Folders of other repositories with a built problem, such as clones with another preset as `params.yaml`, may follow
(`python benchmarks/heads.py . ../six_classes ../icons`); a folder without stored features is skipped with a message.

Each set is split into train, validation and test, near duplicates and groups together, once for each seed from 0 on;
`--splits` is their number, 20 by default. Three heads see the same features (`--solvers` chooses among ours):

- `lbfgs` and `adamw`: `train.solver` of this pipeline, with plain cross-entropy; `adamw` has a dropout of 0.5;
- `regression`: scikit-learn's `LogisticRegression` on features scaled by `StandardScaler`, with the C of ten, from
  10^-4 to 10^0.5, that has the least log loss on validation (for several labels, one regression each, and one C).

Printed are, for each figure on test, the mean of the regression, and the mean difference of the others to it with its
standard error over the splits: log loss, macro average precision, balanced accuracy by the largest logit (of labels at
0.5 or above), the same after dividing by the class shares of train, and the median of the seconds
that one core needs for fitting and choosing.
"""

from __future__ import annotations

import argparse
import csv
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_expit, log_softmax, logit, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, recall_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.preprocessing import StandardScaler
from tqdm import tqdm

from counterpoise import config, tasks
from counterpoise.artifacts import splits
from counterpoise.artifacts.prior import Prior
from counterpoise.config import InputError
from counterpoise.dataset.inputs import FeatureInputs, infer
from counterpoise.engine.threads import one_thread
from counterpoise.networks import devices
from counterpoise.storage import ArtifactError
from counterpoise.study import experiment, shuffle_split
from counterpoise.training import members
from counterpoise.training.examples import Examples
from counterpoise.training.settings import Settings

Floats = NDArray[np.float64]
SOLVERS = ("lbfgs", "adamw")
PENALTIES = np.logspace(-4, 0.5, 10)
FIGURES = ("log loss", "macro AP", "balanced accuracy, raw", "balanced accuracy, re-decided", "seconds")
PLAIN = {
    "loss": "cross_entropy",
    "losses.cross_entropy.label_smoothing": 0.0,
    "weighting.scheme": "none",
    "oversample.strategy": "none",
    "train.monitor": "loss",
}
DROPOUT = 0.5
"""Of the stochastic head, as its default was before there was another solver."""
GENERATED = {3: 1500, 12: 3000, 43: 4000}
"""Number of classes -> number of training examples."""
WIDTH, LATENT = 512, 48
"""Number of generated features, and of the directions in which the classes differ."""


@dataclass(frozen=True)
class Part:
    """The examples of one split: features float32 (n, d), and targets (n,) or (n, c)."""

    features: NDArray[np.float32]
    targets: NDArray[np.int64]


Deal = Mapping[str, Part]
"""`train`, `val` and `test`."""
Fit = Callable[[Deal, int], tuple[Floats, float]]
"""From a deal and a seed to logits on test (n, c), and seconds."""


def dealt(root: Path, count: int) -> Iterator[tuple[Deal, tuple[str, ...], str]]:
    """Split a built problem `count` times; yields the deal, the classes and the task.

    Raises:
        ArtifactError: The pipeline was not run.
        InputError: It stored no features.
    """
    content, data, images = config.load(root), experiment.read(root, splits.NAMES), shuffle_split.read(root)
    encode = tasks.find(content["task"]).encode
    for seed in range(count):
        split_of = shuffle_split.shuffle_split(images, data.classes, content, seed, keep_test=False)
        deal = {}
        for name, split in shuffle_split.resplit(data, split_of).splits.items():
            if split.features is None:
                raise InputError("there are no stored features, since model.freeze is not 'backbone'")
            first = np.flatnonzero(split.features.index["view"].to_numpy() == 0)
            targets = encode(split.tiles.table["labels"].tolist(), data.classes.names)
            deal[name] = Part(split.features.values[first], targets.astype(np.int64))
        yield deal, data.classes.names, content["task"]


def generated(classes: int, count: int) -> Iterator[tuple[Deal, tuple[str, ...], str]]:
    """Draw features of a long tail of classes, `count` times.

    Scales of features span five decades, and one in eight is constant but for a few examples, as pooled activations
    are. The rarest class has about a twentieth of the most frequent one.
    """
    for seed in range(count):
        rng = np.random.default_rng([classes, seed])
        shares = np.geomspace(1, 1 / 20, classes)
        centres = rng.normal(size=(classes, LATENT)) * 0.6
        mixing = rng.normal(size=(LATENT, WIDTH)) / LATENT**0.5
        scales, offsets = 10 ** rng.uniform(-4, 1, WIDTH), rng.normal(size=WIDTH)
        mostly_zero = rng.random(WIDTH) < 1 / 8

        def draw(
            size: int,
            rng: np.random.Generator = rng,
            shares: Floats = shares,
            centres: Floats = centres,
            mixing: Floats = mixing,
            scales: Floats = scales,
            offsets: Floats = offsets,
            mostly_zero: NDArray[np.bool_] = mostly_zero,
        ) -> Part:
            targets = rng.permutation(
                np.concatenate([np.arange(len(shares)), rng.choice(len(shares), size, p=shares / shares.sum())])
            )
            latent = centres[targets] + rng.normal(size=(len(targets), LATENT))
            values = latent @ mixing + rng.normal(size=(len(targets), WIDTH))
            values[:, mostly_zero] = np.maximum(values[:, mostly_zero] - 5, 0)
            return Part(((values + offsets) * scales).astype(np.float32), targets)

        size = GENERATED[classes]
        deal = {"train": draw(size), "val": draw(size // 3), "test": draw(size)}
        yield deal, tuple(f"c{number:02d}" for number in range(classes)), "multiclass"


def ours(content: Mapping[str, Any], solver: str, classes: tuple[str, ...], task: str) -> Fit:
    """Return the head of this pipeline, by one solver."""
    dropout = 0.0 if solver == "lbfgs" else DROPOUT
    changes = PLAIN | {"task": task, "train.solver": solver, "model.dropout": dropout, "model.head": "linear"}
    changed = experiment.changed(content, changes)
    settings = config.validate(Settings, {key: changed[key] for key in Settings.model_fields})

    def fit(deal: Deal, seed: int) -> tuple[Floats, float]:
        own = settings.model_copy(update={"train": settings.train.model_copy(update={"seed": seed})})
        train, val, test = (
            Examples(FeatureInputs(part.features, np.arange(len(part.targets))), torch.from_numpy(part.targets))
            for part in (deal["train"], deal["val"], deal["test"])
        )
        truth = deal["train"].targets
        counts = tuple(np.bincount(truth, minlength=len(classes)) if truth.ndim == 1 else truth.sum(axis=0))
        counts = tuple(map(int, counts))
        prior = Prior(task, classes, counts, counts, counts, len(truth), len(truth), len(truth), ())
        began_s = time.process_time()
        with one_thread():
            member = members.fit_member(train, train, val, prior, own)
        seconds = time.process_time() - began_s
        network = members.build(own.model, seed, len(classes), deal["train"].features.shape[1])
        network.load_state_dict(member.weights)
        compute = devices.pick("cpu", "float32")
        return infer(network, test.inputs, 1024, compute).astype(np.float64), seconds

    return fit


def regression(deal: Deal, seed: int) -> tuple[Floats, float]:
    """Fit scikit-learn's logistic regression with the C that is best on validation."""
    began_s = time.process_time()
    with one_thread(), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        scaler = StandardScaler().fit(deal["train"].features)
        train, val, test = (scaler.transform(deal[name].features) for name in ("train", "val", "test"))
        many = deal["train"].targets.ndim == 2
        best: tuple[float, Any] = (np.inf, None)
        for penalty in PENALTIES:
            model = LogisticRegression(C=penalty, max_iter=1000)
            model = OneVsRestClassifier(model) if many else model
            model.fit(train, deal["train"].targets)
            best = min(best, (log_loss(scores(model, val), deal["val"].targets), model), key=lambda pair: pair[0])
    seconds = time.process_time() - began_s
    return scores(best[1], test), seconds


def scores(model: LogisticRegression | OneVsRestClassifier, features: NDArray[np.float32]) -> Floats:
    """Compute logits (n, c); a regression of two classes gives their difference."""
    values = np.asarray(model.decision_function(features), dtype=np.float64)
    return np.stack([np.zeros_like(values), values], axis=1) if values.ndim == 1 else values


def log_loss(logits: Floats, targets: NDArray[np.int64]) -> float:
    """Average the log loss of the examples, or of the labels of all examples; no probability is clipped."""
    if targets.ndim == 2:
        return float(-log_expit(np.where(targets == 1, logits, -logits)).mean())
    return float(-log_softmax(logits, axis=1)[np.arange(len(targets)), targets].mean())


def figures(logits: Floats, deal: Deal) -> tuple[float, ...]:
    """Compute the figures on test, but for the seconds."""
    targets, learned = deal["test"].targets, deal["train"].targets
    if targets.ndim == 2:
        probs, prior = expit(logits), learned.mean(axis=0)
        truth, moved = targets == 1, logits - logit(prior)
        kept = truth.any(axis=0)

        def balanced(scores: Floats) -> float:
            found = scores >= 0
            return float(
                np.mean([recall_score(truth[:, k], found[:, k], average="macro") for k in np.flatnonzero(kept)])
            )
    else:
        probs, prior = softmax(logits, axis=1), np.bincount(learned, minlength=logits.shape[1]) / len(learned)
        truth, moved = np.arange(logits.shape[1]) == targets[:, None], logits - np.log(prior)
        kept = truth.any(axis=0)

        def balanced(scores: Floats) -> float:
            present = np.flatnonzero(kept)
            return float(recall_score(targets, scores.argmax(axis=1), labels=present, average="macro", zero_division=0))

    precision = float(np.mean([average_precision_score(truth[:, k], probs[:, k]) for k in np.flatnonzero(kept)]))
    return log_loss(logits, targets), precision, balanced(logits), balanced(moved)


def measure(
    name: str,
    deals: Iterator[tuple[Deal, tuple[str, ...], str]],
    splits: int,
    solvers: Sequence[str],
    content: Mapping[str, Any],
) -> list[list[str]]:
    """Fit the regression and our heads on every deal, and return a row for each figure."""
    values: dict[str, list[tuple[float, ...]]] = {head: [] for head in ("regression", *solvers)}
    count = 0
    for seed, (deal, classes, task) in enumerate(tqdm(deals, desc=name, total=splits, unit="split", file=sys.stderr)):
        count = len(classes)
        for head, own in values.items():
            fit = regression if head == "regression" else ours(content, head, classes, task)
            logits, seconds = fit(deal, seed)
            own.append((*figures(logits, deal), seconds))
    return rows(f"{name} ({count})", {head: np.array(own) for head, own in values.items()})


def rows(name: str, table: Mapping[str, Floats]) -> list[list[str]]:
    """Write a row for each figure: the mean of the regression, and of the others their mean difference to it.

    Of the seconds, it writes medians.

    Args:
        name: Of the data.
        table: Head -> its figures, (splits, figures).
    """
    written = []
    for index, figure in enumerate(FIGURES):
        usual = table["regression"][:, index]
        # The first split also pays for imports, so that a mean of seconds would measure those.
        row = [name, figure, f"{np.median(usual) if figure == 'seconds' else usual.mean():.3f}"]
        for head in SOLVERS:
            if head not in table:
                row += ["", ""]
                continue
            own = table[head][:, index]
            if figure == "seconds":
                row += [f"{np.median(own):.3f}", ""]
            else:
                difference = own - usual
                row += [f"{difference.mean():+.4f}", f"{difference.std(ddof=1) / np.sqrt(len(own)):.4f}"]
        written.append(row)
    return written


def main(arguments: list[str]) -> None:
    """Print a table in the form of `docs/measurements/heads.csv`."""
    parser = argparse.ArgumentParser(description="Compare heads on the same features.")
    parser.add_argument("folders", nargs="*", default=["."], help="repositories with a built problem")
    parser.add_argument("--splits", type=int, default=20, help="number of splits, at least 2")
    parser.add_argument("--solvers", nargs="+", choices=SOLVERS, default=SOLVERS, help="of our heads")
    options = parser.parse_args(arguments)
    if options.splits < 2:
        parser.error("--splits must be at least 2, since a standard error needs two splits")
    content = config.load(Path(__file__).parents[1])
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["data", "figure", "regression", "lbfgs", "lbfgs_se", "adamw", "adamw_se"])
    for folder in options.folders:
        name = Path(folder).absolute().name
        try:
            writer.writerows(
                measure(name, dealt(Path(folder), options.splits), options.splits, options.solvers, content)
            )
        except (ArtifactError, InputError) as error:
            print(f"{folder} is left out: {error}", file=sys.stderr)
        sys.stdout.flush()
    for classes in GENERATED:
        writer.writerows(
            measure("generated", generated(classes, options.splits), options.splits, options.solvers, content)
        )
        sys.stdout.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
