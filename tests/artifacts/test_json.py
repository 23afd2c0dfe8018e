"""What the artifacts in JSON check beyond their keys."""

import dataclasses
import json
import subprocess
from pathlib import Path

import numpy as np
import pytest

from counterpoise import storage
from counterpoise.artifacts import classes, decision, metrics, predictions, prior, unlabelled
from counterpoise.calibration import calibrators, prior_ledger
from counterpoise.storage import ArtifactError

DECISION = decision.Decision(
    task="multiclass",
    classes=("a", "b"),
    positive="b",
    positive_reason="as the rarest class",
    calibrator="none",
    pooled=(),
    scale=(1.0, 1.0),
    bias=(0.0, 0.0),
    ledger=(),
    natural=(0.5, 0.5),
    seen=(0.5, 0.5),
    val=(0.5, 0.5),
    target=(0.5, 0.5),
    val_offset=(0.0, 0.0),
    target_offset=(0.0, 0.0),
    rule="most_probable",
    gain=((1.0, 0.0), (0.0, 1.0)),
    thresholds=(),
    at_least=0,
    val_images=(3, 3),
    val_total=6,
    val_decided=((2, 1, 1, 2), (2, 1, 1, 2)),
    val_raw=((3, 1, 0, 2), (2, 0, 1, 3)),
    val_decided_effects=(1.5, 1.0),
    val_raw_effects=(1.0, 2.0),
    prevalences=(decision.Moved(0.1, (0.9, 0.1), (0.5, -1.6), ((1.0, 0.0), (0.0, 1.0)), ()),),
)


@pytest.mark.parametrize(
    ("names", "counts", "message"),
    [
        (("a", "a"), (1, 1), "repeat"),
        (("a|b", "c"), (1, 1), r"hold '\|'"),
        (("", "c"), (1, 1), "empty"),
        (("a", "b"), (1,), "a count of at least 1 for each class"),
        (("a", "b"), (1, 0), "a count of at least 1 for each class"),
        ((), (), "a count of at least 1 for each class"),
    ],
)
def test_classes_have_names_of_their_own_and_images(tmp_path, names, counts, message):
    with pytest.raises(ArtifactError, match=message):
        classes.write(tmp_path, classes.Classes(names, counts, 9))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        ({"names": [1, 2]}, "names.0 is 1; input should be a valid string"),
        ({"names": "ab"}, "names is 'ab'; input should be a valid array"),
        ({"counts": [9.5, 1]}, "counts.0 is 9.5; input should be a valid integer"),
        ({"images": "9"}, "images is '9'; input should be a valid integer"),
        ({"image": 9}, "missing keys .*, unknown keys \\['image'\\]"),
    ],
)
def test_classes_of_other_types_are_refused_by_the_reader(tmp_path, damage, message):
    path = tmp_path / classes.PATH
    path.parent.mkdir()
    content = {"names": ["a", "b"], "counts": [9, 1], "images": 10}
    path.write_text(json.dumps(content | damage))
    storage.record(path, tmp_path / classes.SUMS)
    with pytest.raises(ArtifactError, match=rf"data/classes\.json: damaged: {message}.*; run `dvc repro`"):
        classes.read(tmp_path)


def test_no_class_has_more_images_than_there_are(tmp_path):
    classes.write(tmp_path, classes.Classes(("a", "b"), (9, 9), 9))  # many labels
    with pytest.raises(ArtifactError, match="8 images are fewer than those of one class"):
        classes.write(tmp_path, classes.Classes(("a", "b"), (9, 9), 8))


@pytest.mark.parametrize(
    "name",
    ["scale", "bias", "natural", "val", "target", "seen", "val_offset", "gain", "val_images", "val_decided", "val_raw"],
)
def test_every_list_of_a_decision_has_an_entry_per_class(tmp_path, name):
    decision.write(tmp_path, DECISION)
    with pytest.raises(ArtifactError, match=f"{name} has 1 entries for 2 classes"):
        decision.write(tmp_path, dataclasses.replace(DECISION, **{name: getattr(DECISION, name)[:1]}))
    assert decision.read(tmp_path) == DECISION


def test_many_labels_have_a_threshold_each_and_one_class_a_gain(tmp_path):
    many = dataclasses.replace(DECISION, task="multilabel", gain=(), thresholds=(0.5, None), prevalences=())
    decision.write(tmp_path, many)
    assert decision.read(tmp_path) == many
    with pytest.raises(ArtifactError, match="thresholds has 0 entries for 2 classes"):
        decision.write(tmp_path, dataclasses.replace(many, thresholds=()))
    with pytest.raises(ArtifactError, match=r"gain\[1\] has 1 entries for 2 classes"):
        decision.write(tmp_path, dataclasses.replace(DECISION, gain=((1.0, 0.0), (1.0,))))


def test_a_decision_made_for_another_prevalence_keeps_all_else(tmp_path):
    other = DECISION.moved(0)
    assert (other.target, other.target_offset) == ((0.9, 0.1), (0.5, -1.6))
    assert dataclasses.replace(other, target=DECISION.target, target_offset=DECISION.target_offset) == DECISION


@pytest.mark.parametrize("calibrator", calibrators.WITH_BIAS)
def test_a_decision_that_corrects_the_prior_twice_can_neither_be_written_nor_read(tmp_path, calibrator):
    knots = (((0.0,), (0.5,)),) * 2 if calibrator == "isotonic" else ()
    once = dataclasses.replace(DECISION, calibrator=calibrator, bias=(0.3, 0.0), knots=knots)
    decision.write(tmp_path, once)
    message = f"calibrator '{calibrator}' learned the prior of validation itself; val_offset .* would correct it twice"
    with pytest.raises(ArtifactError, match=message):
        decision.write(tmp_path, dataclasses.replace(once, val_offset=(0.1, 0.0)))
    path = tmp_path / decision.PATH
    path.write_text(json.dumps(json.loads(path.read_text()) | {"val_offset": [0.1, 0.0]}))
    storage.record(path, tmp_path / decision.SUMS)
    with pytest.raises(ArtifactError, match=message):
        decision.read(tmp_path)


@pytest.mark.parametrize("calibrator", ["none", "temperature"])
def test_a_decision_that_does_not_correct_an_unknown_prior_is_refused(tmp_path, calibrator):
    with pytest.raises(ArtifactError, match="the prior seen is unknown, and calibrator"):
        decision.write(tmp_path, dataclasses.replace(DECISION, calibrator=calibrator, seen=None))
    with pytest.raises(ArtifactError, match="has neither bias nor knots, since val_offset corrects the prior"):
        decision.write(tmp_path, dataclasses.replace(DECISION, calibrator=calibrator, bias=(0.1, 0.0)))


@pytest.mark.parametrize(
    "curve", [((0.0, 0.0), (0.1, 0.2)), ((0.0, 1.0), (0.2, 0.1)), ((0.0,), (0.1, 0.2)), ((0.0,), (1.0,))]
)
def test_knots_rise_and_no_probability_is_0_or_1(tmp_path, curve):
    with pytest.raises(ArtifactError, match="the knots of 'b' must rise, with probabilities between 0 and 1"):
        decision.write(tmp_path, dataclasses.replace(DECISION, calibrator="isotonic", knots=(((), ()), curve)))
    with pytest.raises(ArtifactError, match="knots has 0 entries for 2 classes"):
        decision.write(tmp_path, dataclasses.replace(DECISION, calibrator="isotonic"))


def test_what_an_estimated_target_rests_on_survives_json(tmp_path):
    rests_on = decision.Estimated(120, (0.4, 0.3), (0.7, 0.6), 31, 0.5, 0.25, "Some changes stay unnoticed.")
    decision.write(tmp_path, dataclasses.replace(DECISION, estimated=rests_on))
    assert decision.read(tmp_path).estimated == rests_on
    with pytest.raises(ArtifactError, match=r"estimated\.low has 1 entries for 2 classes"):
        decision.write(tmp_path, dataclasses.replace(DECISION, estimated=dataclasses.replace(rests_on, low=(0.4,))))


def test_unlabelled_predictions_are_those_of_one_model_and_bear_no_labels(tmp_path):
    def write(name: str, *images: str, fingerprint: str = "f00d") -> None:
        logits = np.zeros((len(images), 2), dtype=np.float32)
        path = tmp_path / unlabelled.FOLDER / f"{name}.parquet"
        unlabelled.write(path, unlabelled.Unlabelled(images, ("a", "b"), logits, fingerprint))

    write("one", "x", "y")
    write("two", "z")
    assert unlabelled.read(tmp_path, unlabelled.FOLDER).image_ids == ("x", "y", "z")
    assert unlabelled.read(tmp_path, f"{unlabelled.FOLDER}/two.parquet").image_ids == ("z",)
    write("two", "x")
    with pytest.raises(ArtifactError, match="an image occurs twice"):
        unlabelled.read(tmp_path, unlabelled.FOLDER)
    write("two", "z", fingerprint="beef")
    with pytest.raises(ArtifactError, match="its files are of different models"):
        unlabelled.read(tmp_path, unlabelled.FOLDER)
    of_test = predictions.Predictions(("q",), ("q",), ("a",), ("a", "b"), np.zeros((1, 2), dtype=np.float32))
    predictions.write(tmp_path, "test", of_test)
    with pytest.raises(ArtifactError, match=r"unexpected columns .* and no labels"):
        unlabelled.read(tmp_path, predictions.path("test"))


def test_the_class_that_matters_is_a_class(tmp_path):
    with pytest.raises(ArtifactError, match="the class that matters, 'c', is no class"):
        decision.write(tmp_path, dataclasses.replace(DECISION, positive="c"))


def test_counts_of_the_prior_belong_to_the_classes(tmp_path):
    with pytest.raises(ArtifactError, match="do not belong to the classes"):
        prior.write(tmp_path, prior.Prior("multiclass", ("a", "b"), (1, 2), (1, 2), (1, 2, 3), 3, 3, 6, ()))


def test_an_unknown_line_of_the_ledger_stays_unknown(tmp_path):
    line = prior_ledger.Line("loss", "focal", None)
    prior.write(tmp_path, prior.Prior("multiclass", ("a", "b"), (1, 2), (1, 2), (1, 2), 3, 3, 3, (line,)))
    assert prior.read(tmp_path).ledger == (line,)


def test_figures_have_four_significant_digits_and_counts_all_of_them(tmp_path):
    metrics.write(tmp_path, metrics.Metrics({"a": 0.123456, "images": 123456}, {"a": (0.000123456, 1 / 3)}, {}, ()))
    found = metrics.read(tmp_path)
    assert found.figures == {"a": 0.1235, "images": 123456}
    assert found.intervals == {"a": (0.0001235, 0.3333)}


def test_fifteen_figures_fit_a_diff_and_sixteen_do_not(tmp_path):
    figures = {f"figure_{number}": 0.5 for number in range(16)}
    with pytest.raises(ArtifactError, match="16 figures; at most 15 fit a diff"):
        metrics.write(tmp_path, metrics.Metrics(figures, {}, {}, ()))
    del figures["figure_0"]
    metrics.write(tmp_path, metrics.Metrics(figures, {}, {}, ()))


def test_an_interval_without_its_figure_and_a_figure_that_is_not_finite_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"intervals without a figure: \['b'\]"):
        metrics.write(tmp_path, metrics.Metrics({"a": 1.0}, {"b": (0.0, 1.0)}, {}, ()))
    with pytest.raises(ArtifactError, match="not finite"):
        metrics.write(tmp_path, metrics.Metrics({"a": float("nan")}, {}, {}, ()))


def commit(root: Path) -> None:
    identity = ["-c", "user.name=n", "-c", "user.email=e"]
    for command in (["init"], ["add", "."], [*identity, "commit", "-m", "figures"]):
        subprocess.run(["git", *command], cwd=root, check=True, capture_output=True)


def figures(images: int = 525, positives: int = 21) -> metrics.Metrics:
    return metrics.Metrics({"test_images": images, "test_positives": positives}, {}, {}, ())


def lock(root: Path, *, classes: str = "c", splits: str = "s", tiles: str = "t") -> None:
    found = {"data/classes.json": classes, "data/splits.csv": splits, "data/tiles/test": tiles}
    outs = "".join(f"    - path: {path}\n      md5: {md5}\n" for path, md5 in found.items())
    (root / "dvc.lock").write_text(f"schema: '2.0'\nstages:\n  all:\n    cmd: x\n    outs:\n{outs}")


def test_figures_of_other_test_images_than_those_of_the_last_commit_are_recognised(tmp_path):
    metrics.write(tmp_path, figures())
    commit(tmp_path)
    assert metrics.compare_with_commit(tmp_path, figures()) is None
    assert metrics.compare_with_commit(tmp_path, figures(60, 9)) == (
        "the last commit has figures of other test images: 525, of which 21 show the class that matters; now 60 and 9"
    )


@pytest.mark.parametrize(
    ("changes", "moved"),
    [
        ({}, False),
        ({"tiles": "other size"}, False),
        ({"splits": "other train"}, False),
        ({"splits": "seed", "tiles": "seed"}, True),
        ({"classes": "merged", "tiles": "merged"}, True),
    ],
)
def test_as_many_but_other_test_images_are_recognised_by_the_lock(tmp_path, changes, moved):
    metrics.write(tmp_path, figures())
    lock(tmp_path)
    commit(tmp_path)
    lock(tmp_path, **changes)
    assert (metrics.compare_with_commit(tmp_path, figures()) is not None) == moved
    for text in ("", "stages: 3", "stages: {a: {outs: [x]}}", "[", "stages: {a: {}}"):
        (tmp_path / "dvc.lock").write_text(text)
        assert metrics.compare_with_commit(tmp_path, figures()) is None


def test_without_git_a_commit_or_committed_figures_nothing_is_said(tmp_path, monkeypatch):
    assert metrics.compare_with_commit(tmp_path, figures()) is None
    (tmp_path / "other").touch()
    commit(tmp_path)
    metrics.write(tmp_path, figures())
    assert metrics.compare_with_commit(tmp_path, figures(60)) is None
    for text in ("", "[]", "{", "null"):
        (tmp_path / metrics.PATH).write_text(text)
        commit(tmp_path)
        assert metrics.compare_with_commit(tmp_path, figures(60)) is None
    monkeypatch.setenv("PATH", "")
    assert metrics.compare_with_commit(tmp_path, figures(60)) is None
