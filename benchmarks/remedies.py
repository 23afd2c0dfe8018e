"""Which remedy helps on the default problem? Every loss, or every other remedy, on five deals of train and validation.

Run `dvc repro` first, then, from the top of the repository, `python benchmarks/remedies.py losses` or `python
benchmarks/remedies.py others`; both take some minutes and write nothing. Test stays as it was built. Each deal gives
the other images to train and validation anew and trains one head for each remedy on the stored features, so that
remedies are compared deal by deal. Printed are mean and standard error over the deals of

- balanced accuracy of the most probable class by the raw logits;
- balanced accuracy re-decided: probabilities calibrated, moved to the natural prior, rule `balanced`;
- the difference of the latter to plain cross-entropy on the same deals;
- average precision of the rarest class, and expected calibration error, of the calibrated probabilities.

The standard error holds what the choice of training images does, and nothing of the choice of test images, which are
the same in every row.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from counterpoise import config, losses
from counterpoise.artifacts import splits
from counterpoise.evaluation.scores import BINS, Variant
from counterpoise.metrics import confusion, probability, ranking
from counterpoise.study import experiment, shuffle_split

Floats = NDArray[np.float64]
DEALS = 5
DECIDED = {"decide.rule": "balanced", "decide.calibrator": "auto", "decide.target": "natural"}
STEPS = {"train.solver": "adamw", "model.dropout": 0.5}
"""Many of these remedies act on steps, batches or epochs. So all of them, and plain cross-entropy, take steps of AdamW:
between solvers, figures may differ by more than a remedy changes."""
Changes = Mapping[str, Any]
PRETRAINING = 0.2
"""Share of the epochs that a ranking begins with plain cross-entropy."""
LATE = 0.5
"""What is deferred begins after half of the epochs, while the rate is half of what it was: Cao et al. (2019) take 160
of 200, of which the cosine schedule leaves hardly any rate."""
EVEN = {"train.monitor": "balanced_accuracy"}
"""For remedies that end with even classes: the least loss on validation, which has the natural shares, would keep the
first epochs of that phase."""


def of_losses() -> dict[str, Changes]:
    """Name every loss for one class per image, with its block as it ships, and the head that it needs.

    Beside it `ldam` with the published margin, 0.5 in cosine at their scale of 30.
    """
    arms: dict[str, Changes] = {}
    for name in losses.names():
        if losses.refuses_task(name, "multiclass") is None:
            head = "linear" if losses.refuses_head(name, "linear") is None else "cosine"
            first = PRETRAINING if losses.ranks(name) else 0.0
            arms[name] = {"loss": name, "model.head": head, "train.pretrain_frac": first}
    arms["ldam, margin 15"] = arms["ldam"] | {"losses.ldam.max_margin": 15.0}
    return arms


def of_others() -> dict[str, Changes]:
    """Name every other remedy that a head on frozen features can have, with plain cross-entropy."""
    arms: list[Changes] = [{}]
    arms += [{"weighting.scheme": name} for name in ("balanced", "square_root", "effective_number", "one_minus_share")]
    arms += [{"weighting.scheme": "balanced", "weighting.defer_frac": LATE, **EVEN}]
    arms += [{"oversample.strategy": name} for name in ("over", "under", "square_root", "repeat_factor")]
    arms += [{"oversample.strategy": "over", "oversample.synthetic": kind} for kind in ("smote", "borderline_smote")]
    arms += [{"oversample.strategy": "over", "oversample.defer_frac": LATE, **EVEN}]
    arms += [
        {"train.sampler": "progressive", **EVEN},
        {"train.mix": "mixup"},
        {"train.classifier": "tau_normalised"},
    ]
    return {
        ", ".join(f"{key}={value}" for key, value in arm.items()) or "none": {"loss": "cross_entropy", **arm}
        for arm in arms
    }


def scores(variants: Mapping[str, Variant], targets: NDArray[np.int64], rarest: int) -> tuple[float, ...]:
    """Compute the four columns of one training: raw, re-decided, average precision, calibration error."""

    def balanced(variant: Variant) -> float:
        table = confusion.confusion_matrix(targets, variant.decided.argmax(axis=1), variant.probs.shape[1])
        return float(confusion.balanced_accuracy(table))

    probs = variants["calibrated"].probs
    return (
        balanced(variants["raw"]),
        balanced(variants["decided"]),
        float(ranking.average_precision(targets == rarest, probs[:, rarest])),
        float(probability.expected_calibration_error(probs, targets, None, BINS)),
    )


def mean_and_error(values: Floats) -> str:
    """Write a mean and its standard error."""
    return f"{values.mean():.3f} ± {values.std(ddof=1) / np.sqrt(len(values)):.3f}"


def measure(arms: Mapping[str, Changes]) -> tuple[dict[str, Floats], str]:
    """Train every arm on every deal.

    Args:
        arms: Name -> parameters that differ.

    Returns:
        Name -> (deals, 4) scores, and the name of the rarest class.
    """
    root = Path.cwd()
    content, data, images = config.load(root), experiment.read(root, splits.NAMES), shuffle_split.read(root)
    rarest = int(np.argmin(data.classes.counts))
    rows: dict[str, list[tuple[float, ...]]] = {name: [] for name in arms}
    with tqdm(total=DEALS * len(arms), unit="training", file=sys.stderr) as progress:
        for seed in range(DEALS):
            split_of = shuffle_split.shuffle_split(images, data.classes, content, seed, keep_test=True)
            dealt = shuffle_split.resplit(data, split_of)
            for name, changes in arms.items():
                settings = experiment.changed(content, DECIDED | STEPS | dict(changes) | {"train.seed": seed})
                outcome = experiment.run(settings, dealt, seed)
                rows[name].append(scores(*experiment.evaluate(outcome, "test"), rarest))
                progress.update()
    return {name: np.array(own) for name, own in rows.items()}, data.classes.names[rarest]


def main(arms: Mapping[str, Changes], control: str) -> None:
    """Print the table.

    Args:
        arms: Name -> parameters that differ.
        control: The arm that the others are compared with.
    """
    table, rarest = measure(arms)
    print(f"{DEALS} deals of train and validation; the rarest class is {rarest!r}")
    print("| remedy | balanced accuracy, raw | re-decided | difference | AP of the rarest | ECE |")
    print("|---|---|---|---|---|---|")
    for name, rows in table.items():
        raw, decided, precision, error = rows.T
        difference = "" if name == control else mean_and_error(decided - table[control][:, 1])
        cells = [mean_and_error(raw), mean_and_error(decided), difference, mean_and_error(precision)]
        print(f"| `{name}` | " + " | ".join([*cells, mean_and_error(error)]) + " |")


if __name__ == "__main__":
    choices = {"losses": (of_losses, "cross_entropy"), "others": (of_others, "none")}
    if len(sys.argv) != 2 or sys.argv[1] not in choices:
        sys.exit(f"usage: python benchmarks/remedies.py {' | '.join(choices)}")
    make, first = choices[sys.argv[1]]
    main(make(), first)
