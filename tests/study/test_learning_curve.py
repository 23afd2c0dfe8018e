"""Learning curves on a small repository of features that the test draws, end to end."""

import io
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from PIL import Image

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.artifacts import classes, clusters, features, predictions, tiles
from counterpoise.storage import ArtifactError
from counterpoise.study import dvc_lock, learning_curve, learning_curve_report

ROOT = Path(__file__).parents[2]
COUNTS = {"train": (120, 40), "val": (90, 30)}
NAMES = ("plain", "solar")
SHARES = (Fraction(1, 4), Fraction(1, 2), Fraction(1))


def shipped(**changes: Any) -> dict[str, Any]:
    content = config.load(ROOT)
    content["evaluate"]["resamples"] = 100
    content["model"] |= {"device": "cpu", "precision": "float32", "dropout": 0.0, "input_px": 32}
    content["train"] |= {"epochs": 6, "learning_rate": 0.01, "patience": 50, "weight_decay": 0.0}
    for name, value in changes.items():
        section, _, key = name.partition("__")
        content[section][key] = value
    return content


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Write features in which solar lies a little apart, and one tile for each of them."""
    rng, buffer = np.random.default_rng(0), io.BytesIO()
    Image.new("RGB", (4, 4)).save(buffer, format="PNG")
    ids = []
    for split, counts in COUNTS.items():
        targets = np.repeat([0, 1], counts)
        own = [f"{split}{number:03d}" for number in range(len(targets))]
        with tiles.writing(tmp_path, split) as append:
            for tile_id, target in zip(own, targets, strict=True):
                append(tiles.Tile(tile_id, tile_id, NAMES[target], (0, 0, 4, 4), buffer.getvalue()))
        values = (rng.normal(size=(len(targets), 24)) + 1.2 * np.eye(24)[targets]).astype(np.float32)
        features.write(tmp_path, split, features.Features(pd.DataFrame({"tile_id": own, "view": 0}), values))
        ids += own
    table = pd.DataFrame({"image_id": sorted(ids), "unit": sorted(ids), "centre": sorted(ids)})
    clusters.write(tmp_path, table.assign(kind="single", correlation=1.0))
    classes.write(tmp_path, classes.Classes(NAMES, (900, 300), 1200))
    (tmp_path / config.PATH).write_text(yaml.safe_dump(shipped(), sort_keys=False))
    lock(tmp_path, shipped())
    return tmp_path


def lock(root: Path, content: dict[str, Any]) -> None:
    """Record, as DVC does, what the stages in front of training read."""
    stages = yaml.safe_load((ROOT / "dvc.yaml").read_text())["stages"]
    locked = {}
    for stage in ("ingest", "split", "tile", "embed"):
        params = {name: dvc_lock._look_up(content, name) for name in stages[stage]["params"]}
        locked[stage] = {"params": {config.PATH: params}}
    (root / dvc_lock.LOCK).write_text(yaml.safe_dump({"schema": "2.0", "stages": locked}))


def measured(root: Path, **changes: Any) -> learning_curve_report.Found:
    return learning_curve.measure(learning_curve.read(root, shipped(**changes)), SHARES, 2)


def test_more_labels_help_where_they_do_and_nothing_is_written(root: Path) -> None:
    before = sorted(path.as_posix() for path in root.rglob("*"))
    found = measured(root)
    assert sorted(path.as_posix() for path in root.rglob("*")) == before
    assert found.shares == SHARES
    assert found.images == (40, 80, 160, 320)
    assert found.borne == (10, 20, 40, 80)
    assert found.positive == "solar"
    assert [own.name for own in found.curves] == ["balanced accuracy", "average precision of solar"]
    for own in found.curves:
        assert own.values[0] < own.values[-1]
        assert all(low < value < high for value, (low, high, _) in zip(own.values, own.ranges, strict=True))
        assert own.range.low < own.gain < own.range.high


def test_it_is_the_same_twice_and_another_with_another_seed_of_training(root: Path) -> None:
    assert measured(root) == measured(root) != measured(root, train__seed=1)


def test_the_validation_figures_of_all_labels_are_those_of_the_stages(root: Path) -> None:
    from sklearn.metrics import average_precision_score, balanced_accuracy_score

    from counterpoise.decision import rules

    built = learning_curve.read(root, shipped())
    val, chosen, count = learning_curve.learn(built, Fraction(1), 0)
    assert isinstance(val, predictions.Predictions)
    assert count == (160, 40)
    weights = np.ones((1, len(val.image_ids)), dtype=np.int32)
    found = learning_curve.figures(val, chosen, weights)
    probs = rules.probabilities(chosen, val.logits)
    truth = np.array([label == "solar" for label in val.labels])
    decided = rules.decided(chosen, probs)[:, 1]
    expected = {
        "balanced accuracy": balanced_accuracy_score(truth, decided),
        "average precision of solar": average_precision_score(truth, probs[:, 1]),
    }
    for name, value in expected.items():
        assert found[name].tolist() == pytest.approx([value, value])


@pytest.mark.parametrize("share", [Fraction(1), Fraction(1, 2), Fraction(1, 4)])
def test_each_network_takes_as_many_steps(share: Fraction, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """160 examples in batches of 64 are 3 steps an epoch, 80 are 2, 40 are 1: 6 epochs of the whole, 18 steps."""
    plain, steps = torch.optim.AdamW.step, []

    def step(self: torch.optim.AdamW, closure: None = None) -> None:
        steps.append(1)
        plain(self, closure)

    monkeypatch.setattr(torch.optim.AdamW, "step", step)
    learning_curve.learn(learning_curve.read(root, shipped(train__batch_size=64)), share, 0)
    assert len(steps) == 18


def test_average_precision_is_stated_at_the_share_that_deployment_has(root: Path) -> None:
    from sklearn.metrics import average_precision_score

    from counterpoise.decision import rules

    target = {"plain": 0.98, "solar": 0.02}
    val, chosen, _ = learning_curve.learn(learning_curve.read(root, shipped(decide__target=target)), Fraction(1), 0)
    (_, found) = learning_curve.figures(val, chosen, np.ones((1, len(val.image_ids)), dtype=np.int32)).values()
    truth = np.array([label == "solar" for label in val.labels])
    weights = np.where(truth, 0.02 / truth.sum(), 0.98 / (~truth).sum())
    probs = rules.probabilities(chosen, val.logits)
    expected = average_precision_score(truth, probs[:, 1], sample_weight=weights)
    assert found.tolist() == pytest.approx([expected, expected])
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
        learning_curve.read(root, shipped(**changes))
    learning_curve.read(root, shipped(train__epochs=7))


@pytest.mark.parametrize("text", [None, "", "stages: {}", "- a"])
def test_without_a_record_of_how_it_was_built_the_way_to_one_is_named(text: str | None, root: Path) -> None:
    if text is None:
        (root / dvc_lock.LOCK).unlink()
    else:
        (root / dvc_lock.LOCK).write_text(text)
    with pytest.raises(ArtifactError, match=r"dvc\.lock does not say .*run `dvc repro`"):
        learning_curve.read(root, shipped())


def test_members_types_and_views_go_along(root: Path) -> None:
    plain = measured(root)
    for changes in ({"train__members": 2}, {"model__subclasses": {"solar": 2}}, {"weighting__scheme": "balanced"}):
        assert measured(root, **changes).curves != plain.curves


def test_many_labels_have_a_mean_over_labels(root: Path) -> None:
    many = shipped(decide__rule="balanced") | {"task": "multilabel"}
    lock(root, many)
    found = learning_curve.measure(learning_curve.read(root, many), SHARES, 2)
    assert [own.name for own in found.curves] == ["mean average precision", "average precision of solar"]


def test_the_command_prints_the_table_and_draws_a_picture_that_stands_alone(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from xml.etree import ElementTree

    monkeypatch.chdir(root)
    cli.main(["learning-curve", "--fractions", "1/4", "0.5", "1", "--replicates", "2", "--out", "curve.svg"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[:3] for line in lines[1:4]] == [["1/4", "40", "10"], ["1/2", "80", "20"], ["1", "160", "40"]]
    assert lines[5].startswith("Twice the labels (320 images, 80 of solar) would bring ")
    assert "of average precision of solar" in lines[5]
    drawn = ElementTree.parse(root / "curve.svg").getroot()
    assert "--s0" in "".join(drawn.itertext())
    assert "twice the labels, 320 images" in "".join(drawn.itertext())


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--fractions", "1/2", "1"], "--fractions: found 1/2, 1; expected at least three different ones"),
        (["--fractions", "1/2", "1", "2"], "--fractions: found 1/2, 1, 2; expected"),
        (["--fractions", "half", "1/0", "1"], "--fractions: found .*expected numbers such as 1/4"),
        (["--replicates", "1"], "--replicates: found 1; expected at least 2"),
        (["--out", "nowhere/curve.svg"], "--out: there is no folder nowhere"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    arguments: list[str], part: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    with pytest.raises(SystemExit, match=part):
        cli.main(["learning-curve", *arguments])


def test_without_a_built_repository_the_way_to_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["learning-curve"])
