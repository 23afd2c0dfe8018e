"""Learning curves on a small repository of features that the test draws, end to end."""

import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.artifacts import predictions
from counterpoise.config import InputError
from counterpoise.storage import ArtifactError
from counterpoise.study import dvc_lock, experiment, learning_curve
from counterpoise.study.learning_curve_report import LearningCurves

ROOT = Path(__file__).parents[2]
SIZES = (Fraction(1, 4), Fraction(1, 2), Fraction(1))


@pytest.fixture
def root(built: Path) -> Path:
    """Take away the test split, of which no file is read."""
    for folder in ("data/tiles/test", "data/features/test"):
        shutil.rmtree(built / folder)
    return built


def shipped(root: Path, **changes: Any) -> dict[str, Any]:
    return experiment.changed(config.load(root), {name.replace("__", "."): value for name, value in changes.items()})


def measured(root: Path, **changes: Any) -> LearningCurves:
    content = shipped(root, **changes)
    return learning_curve.measure(learning_curve.read(root, content), content, SIZES, 2)


def learned(root: Path, size: Fraction, **changes: Any) -> tuple[experiment.Draws, experiment.Outcome]:
    content = shipped(root, **changes)
    return learning_curve.learn(learning_curve.read(root, content), content, size, 0)


def test_more_labels_help_where_they_do_and_nothing_is_written(root: Path) -> None:
    before = sorted(path.as_posix() for path in root.rglob("*"))
    result = measured(root)
    assert sorted(path.as_posix() for path in root.rglob("*")) == before
    assert result.train_sizes == SIZES
    assert result.images == (40, 80, 160, 320)
    assert result.positives == (10, 20, 40, 80)
    assert result.positive == "solar"
    assert [curve.name for curve in result.curves] == ["balanced accuracy", "average precision of solar"]
    for curve in result.curves:
        assert curve.scores[0] < curve.scores[-1]
        assert all(low < score < high for score, (low, high, _) in zip(curve.scores, curve.intervals, strict=True))
        assert curve.gain_interval.low < curve.gain < curve.gain_interval.high


def test_it_is_the_same_twice_and_another_with_another_seed_of_training(root: Path) -> None:
    assert measured(root) == measured(root) != measured(root, train__seed=1)


def test_a_penalty_path_has_a_curve_with_intervals_too(root: Path) -> None:
    result = measured(root, train__solver="lbfgs")
    for curve in result.curves:
        assert all(low < score < high for score, (low, high, _) in zip(curve.scores, curve.intervals, strict=True))
    assert result.curves == measured(root, train__solver="lbfgs", train__epochs=50).curves
    several = measured(root, train__solver="lbfgs", train__members=2)
    assert several.curves != result.curves


def test_the_validation_scores_of_all_labels_are_those_of_the_stages(root: Path) -> None:
    from sklearn.metrics import average_precision_score, balanced_accuracy_score

    from counterpoise.decision import rules

    draws, outcome = learned(root, Fraction(1))
    val, decision = outcome.predictions["val"], outcome.decision
    assert isinstance(val, predictions.Predictions)
    assert learning_curve.count_images(draws.tiles.table, decision) == (160, 40)
    weights = np.ones((1, len(val.image_ids)), dtype=np.int32)
    scores = learning_curve.validation_scores(val, decision, weights)
    probs = rules.probabilities(decision, val.logits)
    truth = np.array([label == "solar" for label in val.labels])
    decided = rules.decided(decision, probs)[:, 1]
    expected = {
        "balanced accuracy": balanced_accuracy_score(truth, decided),
        "average precision of solar": average_precision_score(truth, probs[:, 1]),
    }
    for name, value in expected.items():
        assert scores[name].tolist() == pytest.approx([value, value])


@pytest.mark.parametrize("size", [Fraction(1), Fraction(1, 2), Fraction(1, 4)])
def test_each_network_takes_as_many_steps(size: Fraction, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """160 examples in batches of 64 are 3 steps an epoch, 80 are 2, 40 are 1: 6 epochs of the whole, 18 steps."""
    plain, steps = torch.optim.AdamW.step, []

    def step(self: torch.optim.AdamW, closure: None = None) -> None:
        steps.append(1)
        plain(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    learned(root, size, train__batch_size=64)
    assert len(steps) == 18


def test_average_precision_is_stated_at_the_share_that_deployment_has(root: Path) -> None:
    from sklearn.metrics import average_precision_score

    from counterpoise.decision import rules

    target = {"plain": 0.98, "solar": 0.02}
    _, outcome = learned(root, Fraction(1), decide__target=target)
    val, decision = outcome.predictions["val"], outcome.decision
    weights = np.ones((1, len(val.image_ids)), dtype=np.int32)
    (_, scores) = learning_curve.validation_scores(val, decision, weights).values()
    truth = np.array([label == "solar" for label in val.labels])
    shares = np.where(truth, 0.02 / truth.sum(), 0.98 / (~truth).sum())
    probs = rules.probabilities(decision, val.logits)
    expected = average_precision_score(truth, probs[:, 1], sample_weight=shares)
    assert scores.tolist() == pytest.approx([expected, expected])
    assert expected < average_precision_score(truth, probs[:, 1]) - 0.05
    assert measured(root, decide__target=target).prevalence == 0.02


def test_a_target_that_is_estimated_from_other_images_gives_way_to_the_natural_one(root: Path) -> None:
    assert measured(root, decide__target="estimated") == measured(root)


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"model__backbone": "resnet18"}, "model.backbone is 'resnet18', but stage 'embed' was run with"),
        ({"model__freeze": "none"}, "model.freeze is 'none', but stage 'embed' was run with 'backbone'"),
        ({"tile__overlap_px": 3}, "tile.overlap_px is 3, but stage 'tile' was run with 64; run `dvc repro`"),
    ],
)
def test_what_was_built_with_other_parameters_is_refused(changes: dict[str, Any], part: str, root: Path) -> None:
    with pytest.raises(ArtifactError, match=part):
        learning_curve.read(root, shipped(root, **changes))
    learning_curve.read(root, shipped(root, train__epochs=7))


@pytest.mark.parametrize("text", [None, "", "stages: {}", "- a"])
def test_without_a_record_of_how_it_was_built_the_way_to_one_is_named(text: str | None, root: Path) -> None:
    if text is None:
        (root / dvc_lock.LOCK).unlink()
    else:
        (root / dvc_lock.LOCK).write_text(text)
    with pytest.raises(ArtifactError, match=r"dvc\.lock does not say .*run `dvc repro`"):
        learning_curve.read(root, shipped(root))


def test_boxes_are_refused_with_the_reason_and_what_to_do_instead(root: Path) -> None:
    scenes = config.parse((Path(__file__).parents[2] / "presets/scenes.yaml").read_text(encoding="utf-8"))
    with pytest.raises(InputError, match=r"is of scores of whole images, and not of boxes; .*half_of_labels"):
        learning_curve.read(root, scenes)


def test_members_types_and_views_go_along(root: Path) -> None:
    plain = measured(root)
    for changes in ({"train__members": 2}, {"model__subclasses": {"solar": 2}}, {"weighting__scheme": "balanced"}):
        assert measured(root, **changes).curves != plain.curves


def test_many_labels_have_a_mean_over_labels(root: Path) -> None:
    content = shipped(root, task="multilabel", decide__rule="balanced")
    result = learning_curve.measure(experiment.read(root, ("train", "val")), content, SIZES, 2)
    assert [curve.name for curve in result.curves] == ["mean average precision", "average precision of solar"]


def test_the_command_prints_the_table_and_draws_a_picture_that_stands_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from xml.etree import ElementTree

    monkeypatch.chdir(root)
    cli.main(["learning-curve", "--fractions", "1/4", "0.5", "1", "--replicates", "2", "--out", "curve.svg"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [["1/4", "40", "10"], ["1/2", "80", "20"], ["1", "160", "40"]]
    assert lines[5].startswith("Twice the labels (320 images, 80 of solar) would change ")
    assert "would change average precision of solar by" in lines[5]
    svg = ElementTree.parse(root / "curve.svg").getroot()
    assert "var(--" not in (root / "curve.svg").read_text(encoding="utf-8")  # colours of its own, without the page's
    assert "twice the labels, 320 images" in "".join(svg.itertext())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--fractions", "1/2", "1"], "--fractions: found 1/2, 1; expected at least three different numbers"),
        (["--fractions", "1/2", "1", "2"], "--fractions: found 1/2, 1, 2; expected"),
        (["--replicates", "1"], "--replicates: found 1; expected at least 2"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], part: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit, match=part):
        cli.main(["learning-curve", *arguments])
