"""One training in memory, against what the stages write when they are run one after the other."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterpoise import config
from counterpoise.artifacts import decision, model, predictions
from counterpoise.artifacts.splits import NAMES
from counterpoise.metrics import confusion
from counterpoise.stages import decide, oversample, predict, train
from counterpoise.study import experiment

Content = dict[str, Any]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"train.members": 2, "predict.aggregate": "max"},
        {"train.fraction": 0.5, "oversample.strategy": "over", "train.seed": 3},
        {"task": "multilabel", "weighting.scheme": "inverse_share"},
    ],
)
def test_it_decides_as_the_stages_do(changes: Content, built: Path, content: Content) -> None:
    content = experiment.changed(content, changes)
    outcome = experiment.run(content, experiment.read(built, NAMES), content["seed"])
    for stage in (oversample, train, predict, decide):
        params = stage.Params
        stage.main(built, config.validate(params, {name: content[name] for name in params.model_fields}))
    assert outcome.card == model.read_card(built)
    assert outcome.decision == decision.read(built)
    assert list(outcome.predictions) == ["val", "test"]
    for split, logits in outcome.predictions.items():
        written = predictions.read(built, split)
        assert (logits.image_ids, logits.groups, logits.labels) == (written.image_ids, written.groups, written.labels)
        np.testing.assert_array_equal(logits.logits, written.logits)


def test_only_the_splits_that_are_named_are_read(built: Path) -> None:
    for folder in ("data/tiles/test", "data/features/test"):
        shutil.rmtree(built / folder)
    assert set(experiment.read(built, ("train", "val")).splits) == {"train", "val"}


def test_draws_and_training_have_seeds_of_their_own(built: Path, content: Content) -> None:
    data = experiment.read(built, ("train", "val"))
    half = experiment.changed(content, {"train.fraction": 0.5})
    one, other = (experiment.draw(half, data, seed) for seed in (0, 1))
    assert len(one.tiles.table) == len(other.tiles.table) == 80
    assert not one.tiles.table.equals(other.tiles.table)
    again = experiment.changed(half, {"train.seed": 1})
    assert experiment.draw(again, data, 0).table.equals(one.table)
    first, second = (experiment.learn(own, data, one).predictions["val"].logits for own in (half, again))
    assert not np.array_equal(first, second)


def test_raw_use_is_the_most_probable_class_of_the_logits(built: Path, content: Content) -> None:
    outcome = experiment.run(content, experiment.read(built, NAMES), 0)
    variants, targets = experiment.evaluate(outcome, "test")
    logits = outcome.predictions["test"].logits
    assert np.bincount(targets).tolist() == [45, 15]
    np.testing.assert_array_equal(variants["raw"].decided.argmax(axis=1), logits.argmax(axis=1))
    table = confusion.confusion_matrix(targets, variants["decided"].decided.argmax(axis=1), 2)
    assert float(confusion.balanced_accuracy(table)) > 0.75


def test_changes_leave_the_settings_alone_and_refuse_unknown_names(content: Content) -> None:
    before = content["train"]["epochs"]
    assert experiment.changed(content, {"train.epochs": 1, "loss": "focal"})["train"]["epochs"] == 1
    assert content["train"]["epochs"] == before
    with pytest.raises(KeyError, match=r"train\.epoch is no parameter"):
        experiment.changed(content, {"train.epoch": 1})
