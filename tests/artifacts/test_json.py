"""What the artifacts in JSON check beyond their keys."""

import dataclasses

import pytest

from counterpoise import priors
from counterpoise.artifacts import classes, decision, metrics, prior
from counterpoise.storage import ArtifactError

DECISION = decision.Decision(
    task="multiclass",
    classes=("a", "b"),
    calibrator="none",
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
    val_images=(3, 3),
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
        classes.write(tmp_path, classes.Classes(names, counts))
    assert list(tmp_path.iterdir()) == []


def test_the_rarest_class_is_the_last_of_those_with_fewest_images():
    assert classes.Classes(("a", "b", "c", "d"), (9, 2, 5, 2)).rarest == "d"
    assert classes.Classes(("a", "b"), (1, 9)).rarest == "a"


@pytest.mark.parametrize("name", ["scale", "bias", "natural", "val", "target", "val_offset", "gain", "val_images"])
def test_every_list_of_a_decision_has_an_entry_per_class(tmp_path, name):
    decision.write(tmp_path, DECISION)
    with pytest.raises(ArtifactError, match=f"{name} has 1 entries for 2 classes"):
        decision.write(tmp_path, dataclasses.replace(DECISION, **{name: getattr(DECISION, name)[:1]}))
    assert decision.read(tmp_path) == DECISION


def test_counts_of_the_prior_belong_to_the_classes(tmp_path):
    with pytest.raises(ArtifactError, match="do not belong to the classes"):
        prior.write(tmp_path, prior.Prior(("a", "b"), (1, 2), (1, 2), (1, 2, 3), ()))


def test_an_unknown_line_of_the_ledger_stays_unknown(tmp_path):
    line = priors.Line("loss", "focal", None)
    prior.write(tmp_path, prior.Prior(("a", "b"), (1, 2), (1, 2), (1, 2), (line,)))
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
