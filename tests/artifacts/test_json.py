"""What the artifacts in JSON check beyond their keys."""

import dataclasses
import json

import pytest

from counterpoise import priors
from counterpoise.artifacts import classes, decision, metrics, prior
from counterpoise.storage import ArtifactError

DECISION = decision.Decision(
    task="multiclass",
    classes=("a", "b"),
    positive="b",
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


@pytest.mark.parametrize("damage", [{"names": [1, 2]}, {"names": "ab"}, {"counts": [9.5, 1]}, {"images": "9"}])
def test_classes_of_other_types_are_refused_by_the_reader(tmp_path, damage):
    path = tmp_path / classes.PATH
    path.parent.mkdir()
    content = {"names": ["a", "b"], "counts": [9, 1], "images": 10}
    path.write_text(json.dumps(content | damage))
    with pytest.raises(ArtifactError, match=r"data/classes\.json: expected names"):
        classes.read(tmp_path)


def test_no_class_has_more_images_than_there_are(tmp_path):
    classes.write(tmp_path, classes.Classes(("a", "b"), (9, 9), 9))  # many labels
    with pytest.raises(ArtifactError, match="8 images are fewer than those of one class"):
        classes.write(tmp_path, classes.Classes(("a", "b"), (9, 9), 8))


@pytest.mark.parametrize(
    "name", ["scale", "bias", "natural", "val", "target", "seen", "val_offset", "gain", "val_images", "val_decided"]
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


def test_the_class_that_matters_is_a_class(tmp_path):
    with pytest.raises(ArtifactError, match="the class that matters, 'c', is no class"):
        decision.write(tmp_path, dataclasses.replace(DECISION, positive="c"))


def test_counts_of_the_prior_belong_to_the_classes(tmp_path):
    with pytest.raises(ArtifactError, match="do not belong to the classes"):
        prior.write(tmp_path, prior.Prior("multiclass", ("a", "b"), (1, 2), (1, 2), (1, 2, 3), 3, 3, 6, ()))


def test_an_unknown_line_of_the_ledger_stays_unknown(tmp_path):
    line = priors.Line("loss", "focal", None)
    prior.write(tmp_path, prior.Prior("multiclass", ("a", "b"), (1, 2), (1, 2), (1, 2), 3, 3, 3, (line,)))
    assert prior.read(tmp_path).ledger == (line,)


def test_figures_have_four_significant_digits_and_counts_all_of_them(tmp_path):
    metrics.write(tmp_path, metrics.Metrics({"a": 0.123456, "images": 123456}, {"a": (0.000123456, 1 / 3)}, ()))
    found = metrics.read(tmp_path)
    assert found.figures == {"a": 0.1235, "images": 123456}
    assert found.intervals == {"a": (0.0001235, 0.3333)}


def test_fifteen_figures_fit_a_diff_and_sixteen_do_not(tmp_path):
    figures = {f"figure_{number}": 0.5 for number in range(16)}
    with pytest.raises(ArtifactError, match="16 figures; at most 15 fit a diff"):
        metrics.write(tmp_path, metrics.Metrics(figures, {}, ()))
    del figures["figure_0"]
    metrics.write(tmp_path, metrics.Metrics(figures, {}, ()))


def test_an_interval_without_its_figure_and_a_figure_that_is_not_finite_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match=r"intervals without a figure: \['b'\]"):
        metrics.write(tmp_path, metrics.Metrics({"a": 1.0}, {"b": (0.0, 1.0)}, ()))
    with pytest.raises(ArtifactError, match="not finite"):
        metrics.write(tmp_path, metrics.Metrics({"a": float("nan")}, {}, ()))
