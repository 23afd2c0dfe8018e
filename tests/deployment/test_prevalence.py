"""Another prevalence gives the decision that the pipeline makes for it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterpoise import config, labels
from counterpoise.artifacts import decision, predictions
from counterpoise.artifacts.positive import Positive
from counterpoise.artifacts.prior import Prior
from counterpoise.config import InputError
from counterpoise.deployment import prevalence
from counterpoise.stages import decide

ROOT = Path(__file__).parents[2]
SHARE = 0.02


def problem(root: Path, task: str, rule: str) -> tuple[dict[str, Any], decision.Decision]:
    """Write predictions of validation, and decide by the stage for `SHARE`, too."""
    rng = np.random.default_rng(0)
    classes = ("common", "rare")
    truth = rng.random((200, 2)) < 0.3
    if task == "multiclass":
        truth[:, 0] = ~truth[:, 1]
    logits = (truth * 2 + rng.normal(size=(200, 2))).astype(np.float32)
    cells = [labels.join(np.array(classes)[row]) for row in truth]
    ids = tuple(f"{number:03d}" for number in range(200))
    val = predictions.Predictions(ids, ids, tuple(cells), classes, logits)
    predictions.write(root, "val", val)
    content = config.load(ROOT)
    content["decide"] |= {"rule": rule, "floor": 0.2, "calibrator": "platt" if task == "multilabel" else "vector"}
    params = config.validate(decide.Decide, content["decide"], "decide")
    counts = tuple(int(count) for count in truth.sum(axis=0))
    prior = Prior(task, classes, counts, counts, counts, 200, 200, 200, ())
    matters = decide.Matters(Positive("rare", "it is stated"), (SHARE,))
    return content, decide.choose(val, prior, (), params, matters)


@pytest.mark.parametrize("rule", ["most_probable", "balanced", "f_beta", "precision_floor"])
@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_it_is_the_decision_that_the_stage_makes_for_that_share(task: str, rule: str, tmp_path: Path) -> None:
    content, chosen = problem(tmp_path, task, rule)
    found = prevalence.moved(tmp_path, content, chosen, prevalence.parse([str(SHARE)], chosen))
    expected = chosen.moved(0)
    assert found.target == pytest.approx(expected.target)
    assert found.target_offset == pytest.approx(expected.target_offset)
    assert (found.gain, found.thresholds) == (expected.gain, expected.thresholds)
    assert found != chosen


def test_each_label_has_its_own_share_and_classes_that_exclude_each_other_sum_to_one(tmp_path: Path) -> None:
    content, chosen = problem(tmp_path, "multilabel", "most_probable")
    shares = prevalence.parse(["common=0.5", "rare=0.01"], chosen)
    assert prevalence.moved(tmp_path, content, chosen, shares).target == pytest.approx((0.5, 0.01))
    content, chosen = problem(tmp_path, "multiclass", "most_probable")
    with pytest.raises(InputError, match="--prevalence must be shares that sum to 1"):
        prevalence.moved(tmp_path, content, chosen, shares)
    both = prevalence.parse(["common=0.9", "rare=0.1"], chosen)
    assert prevalence.moved(tmp_path, content, chosen, both).target == pytest.approx((0.9, 0.1))


@pytest.mark.parametrize(
    ("texts", "message"),
    [
        (["1"], "expected a share above 0 and below 1"),
        (["rare=often"], "expected a share above 0 and below 1"),
        (["nan"], "expected a share above 0 and below 1"),
        (["raer=0.1"], "names 'raer', which is no class; .*rare"),
        (["0.1", "rare=0.2"], "states the share of 'rare' twice"),
    ],
)
def test_a_share_that_makes_no_sense_is_refused(texts: list[str], message: str, tmp_path: Path) -> None:
    _, chosen = problem(tmp_path, "multiclass", "most_probable")
    with pytest.raises(InputError, match=message):
        prevalence.parse(texts, chosen)


def test_boxes_have_a_density_instead_and_changed_parameters_are_noticed(tmp_path: Path) -> None:
    content, chosen = problem(tmp_path, "multiclass", "f_beta")
    one = (1.0,)
    boxes = decision.Boxes(0.5, "platt", one, one, (), (False,), one, "f_beta", one, ((1, 0, 1),), 1)
    with pytest.raises(InputError, match=r"state how many there are in an image by decide\.density"):
        prevalence.parse(["0.1"], replace(chosen, boxes=boxes))
    content["decide"]["beta"] = 5.0
    with pytest.raises(InputError, match=r"the decision would no longer be that in models/decision\.json"):
        prevalence.moved(tmp_path, content, chosen, {"rare": 0.1})
