"""What more labels would bring: networks trained on parts of train, and a power law through what they reach.

It composes the pure functions of the stages on the repository that `dvc repro` built, in memory, and writes nothing
into it. Whether to label more is a choice, so that it is made on validation: no file of the test split is read.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from counterpoise import config, labels, seeds
from counterpoise.artifacts import classes, clusters, decision, features, predictions, tiles
from counterpoise.calibration import prevalence
from counterpoise.config import InputError, Section
from counterpoise.dataset import subsampling
from counterpoise.decision import rules
from counterpoise.metrics import confusion, intervals, multilabel, ranking
from counterpoise.networks import devices, network
from counterpoise.stages import decide, oversample, predict, train
from counterpoise.study import dvc_lock, learning_curve_report
from counterpoise.training.examples import Examples

FRACTIONS = (Fraction(1, 8), Fraction(1, 4), Fraction(1, 2), Fraction(1))
REPLICATES = 5
P = TypeVar("P", bound=Section)
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Built:
    """What the pipeline built, as far as learning curves need it.

    Attributes:
        content: Checked parameters.
        found: The classes.
        units: image_id -> what must not be separated.
        tiles: Those of train and val.
        features: Theirs; `None` where nothing is frozen.
    """

    content: Mapping[str, Any]
    found: classes.Classes
    units: Mapping[str, str]
    tiles: Mapping[str, tiles.Tiles]
    features: Mapping[str, features.Features | None]

    def params(self, params: type[P]) -> P:
        """Take what a stage reads."""
        return config.validate(params, {key: self.content[key] for key in params.model_fields})


def read(root: Path, content: Mapping[str, Any]) -> Built:
    """Read what the pipeline built.

    Raises:
        ArtifactError: It was not run yet, or with other parameters in front of training than `content` holds.
    """
    dvc_lock.check(root, content, ("ingest", "split", "tile", "embed"))
    if content["decide"]["target"] == "estimated":
        print(
            "decide.target is 'estimated', from images that these networks do not see; figures are of natural shares",
            file=sys.stderr,
        )
        content = {**content, "decide": content["decide"] | {"target": "natural"}}
    splits = ("train", "val")
    return Built(
        content,
        classes.read(root),
        clusters.units(root),
        {name: tiles.read(root, name) for name in splits},
        {name: features.read(root, name) for name in splits},
    )


def settings_of(built: Built, share: Fraction, replicate: int, draws: int) -> train.Params:
    """Return the settings of one training.

    Epochs, and all that is counted in them, are as many more as each has fewer steps, so that each network takes as
    many steps, but for rounding to whole epochs: else what few labels lack, and what few steps lack, could not be told
    apart.

    Args:
        built: What the pipeline built.
        share: Of train.
        replicate: Decides initialisation and order.
        draws: Examples in an epoch of this part of train.
    """
    settings = built.params(train.Params)
    own = settings.train
    steps, of_all = (-(-count // own.batch_size) for count in (draws, round(draws / share)))
    longer = of_all / steps
    changes = {
        "seed": seeds.derive(own.seed, "learning curve", replicate),
        "fraction": 1.0,  # the part is chosen here
        "epochs": round(own.epochs * longer),
        "patience": round(own.patience * longer),
        "step_epochs": round(own.step_epochs * longer),
        "warmup_epochs": own.warmup_epochs * longer,
    }
    return settings.model_copy(update={"train": own.model_copy(update=changes)})


def learn(
    built: Built, share: Fraction, replicate: int
) -> tuple[predictions.Predictions, decision.Decision, tuple[int, int]]:
    """Train on a part of train, predict validation, and decide on it.

    Args:
        built: What the pipeline built.
        share: Of train, in (0, 1].
        replicate: Decides which part, its draws, initialisation and order.

    Returns:
        Raw logits of validation, the decision, and how many images were learned from, how many of them with the class
        that matters.
    """
    chances = built.params(oversample.Params)
    seed = seeds.derive(chances.seed, "learning curve", replicate)
    part = built.tiles["train"]
    rows = subsampling.choose(part.table, built.units, float(share), seed)
    table = part.table.iloc[rows]
    drawn, opened = oversample.draw(table, built.found, chances.oversample, seed, task=chances.task)
    settings = settings_of(built, share, replicate, len(drawn))
    row = {tile_id: number for number, tile_id in enumerate(part.table["tile_id"])}

    def examples(split: str, rows: Sequence[int] | NDArray[np.int64], views: NDArray[np.int64]) -> Examples:
        own, frozen = built.tiles[split], built.features[split]
        return train.examples(own, frozen, np.asarray(rows), views, opened, settings, split)

    every_val = np.arange(len(built.tiles["val"].table))
    learned = train.fit_members(
        examples("train", [row[tile_id] for tile_id in drawn["tile_id"]], drawn["view"].to_numpy()),
        examples("train", rows, np.zeros_like(rows)),
        examples("val", every_val, np.zeros_like(every_val)),
        opened,
        settings,
    )
    frozen = built.features["train"]
    card = train.describe(learned, opened, settings, None if frozen is None else frozen.values.shape[1])
    members, how = [network.rebuild(card, own.weights) for own in learned], built.params(predict.Params)
    compute = devices.pick(how.model.device, how.model.precision)
    own = built.tiles["val"]
    logits = predict.logits_of(card, members, own, built.features["val"], how.predict, compute)
    val = predict.fold(own.table, logits, dict(built.units), card.classes, how.predict.fold)
    deciding = built.params(decide.Params)
    asked = deciding.evaluate.model_copy(update={"at_prevalence": ()})
    chosen = decide.choose(val, opened, card.ledger, deciding.decide, asked)
    images = table.drop_duplicates("image_id")
    borne = labels.indicators(images["labels"].tolist(), card.classes)[:, card.classes.index(chosen.positive)]
    return val, chosen, (len(images), int(borne.sum()))


def figures(val: predictions.Predictions, chosen: decision.Decision, weights: NDArray[np.int32]) -> dict[str, Floats]:
    """Compute the figures of validation.

    Args:
        val: Raw logits.
        chosen: The decision, made on the same images.
        weights: (b, n) how often each resample holds each image.

    Returns:
        Name -> (1 + b,), of the images as they are, then of each resample. Of one class per image balanced accuracy
        under the rule, of many labels mean average precision at validation's shares; then average precision of the
        class that matters, at its share in the target.
    """
    probs = rules.probabilities(chosen, val.logits)
    truth = labels.indicators(val.labels, val.classes)
    index = val.classes.index(chosen.positive)

    def both(figure: Callable[[NDArray[np.int32] | None], object]) -> Floats:
        return np.concatenate([np.atleast_1d(np.asarray(figure(given), dtype=np.float64)) for given in (None, weights)])

    if chosen.task == "multilabel":
        whole = both(lambda w: multilabel.mean_average_precision(truth, probs, w))
        first = {"mean average precision": whole}
    else:
        decided, targets = rules.decided(chosen, probs).argmax(axis=1), truth.argmax(axis=1)
        count = len(val.classes)
        whole = both(lambda w: confusion.balanced_accuracy(confusion.confusion_matrix(targets, decided, count, w)))
        first = {"balanced accuracy": whole}
    share = chosen.target[index]
    borne, scores = truth[:, index], probs[:, index]
    ranked = both(lambda w: ranking.average_precision(borne, scores, prevalence.importance(borne, share, w)))
    return first | {f"average precision of {chosen.positive}": ranked}


def measure(built: Built, shares: Sequence[Fraction], replicates: int) -> learning_curve_report.Found:
    """Train at each share as often as asked, and draw the curves.

    Args:
        built: What the pipeline built.
        shares: Of train; at least three different ones, in (0, 1].
        replicates: Trainings at each of them, at least 2.

    Raises:
        InputError: Shares or replicates are too few or out of range, or a training diverged.
    """
    shares = sorted(set(shares))
    if len(shares) < 3 or not 0 < shares[0] <= shares[-1] <= 1:
        raise InputError(f"--fractions: found {_listed(shares)}; expected at least three different ones, in (0, 1]")
    if replicates < 2:
        raise InputError(f"--replicates: found {replicates}; expected at least 2, whose differences are a measure")
    seed, resamples = built.content["seed"], built.content["evaluate"]["resamples"]
    weights, found, counts, begun = None, [], [], time.monotonic()
    for replicate in range(replicates):
        for share in reversed(shares):
            val, chosen, count = learn(built, share, replicate)
            if weights is None:
                rng = seeds.generator(seed, "resamples")
                weights = intervals.bootstrap_weights(val.groups, resamples=resamples, rng=rng)
                _announce(time.monotonic() - begun, replicates * len(shares) - 1)
            found.append(figures(val, chosen, weights))
            counts.append(count)
    order = (replicates, len(shares))
    rng = seeds.generator(seed, "replicates of the learning curve")
    curves = []
    for name in found[0]:
        values = np.array([own[name] for own in found]).reshape(*order, -1)[:, ::-1]
        curves.append(learning_curve_report.curve(name, shares, values, rng))
    images, borne = np.array(counts, dtype=np.float64).reshape(*order, 2)[:, ::-1].mean(axis=0).T.tolist()
    every = len(set(built.tiles["train"].table["image_id"]))
    index = built.found.names.index(chosen.positive)
    whole = built.tiles["train"].table.drop_duplicates("image_id")["labels"].tolist()
    bearing = int(labels.indicators(whole, built.found.names)[:, index].sum())
    return learning_curve_report.Found(
        tuple(shares),
        (*images, 2 * every),
        (*borne, 2 * bearing),
        chosen.positive,
        chosen.target[index],
        resamples,
        tuple(curves),
    )


def _announce(seconds: float, left: int) -> None:
    print(f"one training took {seconds:.1f} s; {left} more, about {seconds * left / 60:.1f} min", file=sys.stderr)


def _listed(shares: Sequence[Fraction]) -> str:
    return ", ".join(map(str, shares)) or "none"
