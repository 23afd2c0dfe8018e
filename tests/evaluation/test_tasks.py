"""Every task of the open set keeps what `Task` promises, and a third one needs a file and nothing else."""

import math
from pathlib import Path

import numpy as np
import pytest

from counterpoise import config
from counterpoise.artifacts import plots
from counterpoise.evaluation import tasks
from counterpoise.evaluation.scores import Truth, Variant
from counterpoise.evaluation.tables import calibration_table

NAMES = ("common", "rare")
THIRD = """
from counterpoise.evaluation.tasks.multiclass import (
    DEPEND_ON_SHARES, HEADLINES, MEANS_OVER_CLASSES, RAW, RAW_RULE,
    confusion_table, decision_influences, figures, forecasts, missed, no_skill, per_class, probability_influences,
)
"""


def a_problem() -> tuple[Variant, Truth]:
    """Return four images of one class each: the second is missed, the fourth wrongly called rare."""
    targets = np.array([[0, 1], [0, 1], [1, 0], [1, 0]], dtype=bool)
    decided = np.array([[0, 1], [1, 0], [1, 0], [0, 1]], dtype=bool)
    probs = np.array([[0.2, 0.8], [0.7, 0.3], [0.9, 0.1], [0.4, 0.6]])
    return Variant(probs, decided), Truth(targets, np.arange(4), positive=1, resamples=100, seed=0)


@pytest.mark.parametrize("name", tasks.names())
def test_what_a_task_names_is_among_its_figures(name: str) -> None:
    task = tasks.find(name)
    figures = task.figures(*a_problem())
    assert {*task.HEADLINES, task.RAW, *task.MEANS_OVER_CLASSES} <= set(figures)
    assert all(math.isfinite(value) for value, _ in figures.values())


@pytest.mark.parametrize("name", tasks.names())
def test_the_headline_of_a_task_fits_into_metrics_json(name: str) -> None:
    task, (_, truth) = tasks.find(name), a_problem()
    beside = ("raw", "recall", "precision", "no_skill_average_precision", "test_images", "test_positives")
    assert len(task.HEADLINES) + len(beside) + len(task.no_skill(truth)) <= 15


@pytest.mark.parametrize("name", tasks.names())
def test_the_tables_of_a_task_have_the_columns_of_the_plots(name: str) -> None:
    task, (variant, truth) = tasks.find(name), a_problem()
    assert list(task.per_class(variant, truth, NAMES)) == list(plots.COLUMNS["classes"])
    assert list(task.confusion_table(variant, truth, NAMES)) == list(plots.COLUMNS["confusion"])
    table = calibration_table({"raw": variant, "calibrated": variant}, truth, task.forecasts)
    assert list(table) == list(plots.COLUMNS["calibration"])
    assert (table.loc[table["units"] == 1, ["low", "high"]].isna()).to_numpy().all()
    several = table[table["units"] > 1]
    assert (several["low"] <= several["observed"]).all()
    assert (several["observed"] <= several["high"]).all()


def test_one_class_is_right_in_half_of_the_images_and_calibrated_by_image() -> None:
    task, (variant, truth) = tasks.find("multiclass"), a_problem()
    assert task.figures(variant, truth)["accuracy"][0] == 0.5
    assert task.confusion_table(variant, truth, NAMES).to_numpy().tolist() == [
        ["rare", "rare"],
        ["rare", "common"],
        ["common", "common"],
        ["common", "rare"],
    ]
    probs, right = task.forecasts(variant.probs, truth.targets)
    assert (probs.ravel().tolist(), right.ravel().tolist()) == ([0.8, 0.7, 0.9, 0.6], [True, False, True, False])
    assert task.no_skill(truth) == {}


def test_many_labels_are_confused_with_their_absence_and_calibrated_by_pair() -> None:
    task, (variant, truth) = tasks.find("multilabel"), a_problem()
    assert task.figures(variant, truth)["micro_f1"][0] == 0.5  # 4 of 8 pairs decided are right, 4 of 8 found
    assert set(task.confusion_table(variant, truth, NAMES)["actual"]) == {"rare", "not rare"}
    assert task.forecasts(variant.probs, truth.targets)[0].size == 8
    assert task.no_skill(truth) == {"no_skill_mean_average_precision": 0.5, "classes_present": 2}


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(config.InputError, match=r"task is 'multilable'; .* did you mean 'multilabel'"):
        tasks.find("multilable")


def test_a_third_task_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "third.py").write_text(THIRD)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert tasks.names() == ["detection", "multiclass", "multilabel", "third"]
    third, multiclass = tasks.find("third"), tasks.find("multiclass")
    assert third.figures(*a_problem()) == multiclass.figures(*a_problem())
