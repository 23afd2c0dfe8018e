"""Every task of the open set has its page, and a third one needs a file and nothing else."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from counterpoise import config
from counterpoise.report import tasks

THIRD = """
from counterpoise.report.tasks.multiclass import (
    JUDGED_BY, WORDS, calibrated_sentence, decides_by_threshold, findings, headline_figures, moves_prior, parts,
    problem, unattainable, variants_caption,
)
"""


def facts(count: int, *, at_least: int = 0, **decision: Any) -> Any:
    """Stand-in for the facts of a run."""
    names = tuple(f"class {k}" for k in range(count))
    return SimpleNamespace(names=names, decision=SimpleNamespace(classes=names, at_least=at_least, **decision))


def test_a_common_factor_moves_the_prior_of_labels_and_not_that_of_classes() -> None:
    multiclass, multilabel = tasks.find("multiclass"), tasks.find("multilabel")
    assert not multiclass.moves_prior([2.0, 2.0])
    assert multilabel.moves_prior([2.0, 2.0])
    assert multilabel.moves_prior([1.0, 0.5])
    assert multiclass.moves_prior([1.0, 0.5])
    assert not multilabel.moves_prior([1.0, 1.04])


def test_a_decision_among_three_classes_is_no_threshold_and_one_of_a_label_is() -> None:
    multiclass, multilabel = tasks.find("multiclass"), tasks.find("multilabel")
    assert multiclass.decides_by_threshold(facts(2))
    assert not multiclass.decides_by_threshold(facts(3))
    assert multilabel.decides_by_threshold(facts(3))
    assert not multilabel.decides_by_threshold(facts(3, at_least=1))


def test_a_floor_out_of_reach_leaves_a_class_without_gain_and_a_label_without_threshold() -> None:
    classes = facts(2, rule="precision_floor", gain=((1.0, 0.0), (0.0, 0.0)))
    assert tasks.find("multiclass").unattainable(classes) == ["class 1"]
    labels = facts(2, rule="precision_floor", thresholds=(None, 0.3))
    assert tasks.find("multilabel").unattainable(labels) == ["class 0"]
    costs = facts(2, rule="least_cost", gain=((0.0, 0.0), (0.0, 0.0)))
    assert tasks.find("multiclass").unattainable(costs) == []


def test_an_unknown_task_is_refused_with_the_nearest() -> None:
    with pytest.raises(config.InputError, match=r"task is 'multiclas'; .* did you mean 'multiclass'"):
        tasks.find("multiclas")


def test_a_third_task_is_found_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "third.py").write_text(THIRD)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    assert tasks.names() == ["detection", "multiclass", "multilabel", "third"]
    required = {*tasks.Task.__annotations__, *(name for name in vars(tasks.Task) if not name.startswith("_"))}
    assert all(hasattr(tasks.find("third"), name) for name in required)
