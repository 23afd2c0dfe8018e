"""Studies of images with several labels or none: verdicts on means over labels, and on single labels."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from counterpoise.config import InputError
from counterpoise.study import arms, cells, comparison, experiment, study
from counterpoise.study.results import Row
from counterpoise.study.verdicts import NoVerdict, Verdict

TEXT = """
seed: 0
folds: 3
repeats: 2
figure: mean_average_precision
view: calibrated
margin: 0.05
every:
  train.epochs: 8
arms:
  plain:
    loss: cross_entropy
  same:
    loss: cross_entropy
    control: plain
  nothing_learned:
    loss: cross_entropy
    control: plain
    params: {train.learning_rate: 1.0e-9}
"""
Multilabel = tuple[Path, dict[str, Any]]


def judged(multilabel: Multilabel, text: str = TEXT) -> dict[str, Row]:
    root, content = multilabel
    result = study.run(root, content, arms.parse(text, content), [], lambda function, jobs: map(function, jobs))
    return {row.name: row for row in result.rows}


@pytest.mark.parametrize("figure", ["mean_average_precision", "macro_f1"])
def test_labels_with_ten_units_have_verdicts_of_their_own(multilabel: Multilabel, figure: str) -> None:
    rows = judged(multilabel, TEXT.replace("mean_average_precision", figure))
    assert list(rows["same"].labels) == ["common", "frequent", "solar"], "`few` has 8 and `single` 3 units"
    assert {found.word for found in rows["same"].labels.values() if isinstance(found, Verdict)} == {"identical"}
    assert not rows["plain"].labels
    of_all, of_common = rows["nothing_learned"].found, rows["nothing_learned"].labels["common"]
    assert isinstance(of_all, Verdict)
    assert isinstance(of_common, Verdict)
    assert of_all.word == of_common.word == "worse"


def test_the_mean_counts_labels_with_five_units_and_the_rarest_of_them_gives_the_power(multilabel: Multilabel) -> None:
    root, content = multilabel
    images = comparison.images(experiment.read(root, cells.SPLITS))
    assert [images.names[label] for label in images.classes_of("macro_f1")] == ["common", "few", "frequent", "solar"]
    assert images.names[images.rarest("macro_f1")] == "few"
    row = judged(multilabel)["nothing_learned"]
    assert isinstance(row.found, NoVerdict) or row.found.units == 8


def test_intervals_of_single_labels_are_corrected_over_arms_and_labels(multilabel: Multilabel) -> None:
    """Twice as many declared arms widen the interval as much as twice as many labels would."""
    one = judged(multilabel)["nothing_learned"].labels["solar"]
    assert isinstance(one, Verdict)
    # the level of each of 2 x 3 comparisons, at the degrees of freedom of this one
    from scipy import stats

    half = stats.t.isf((1 - 0.95 ** (1 / 6)) / 2, one.df) * one.se
    assert np.isclose(one.high - one.difference, half)


def test_a_figure_of_one_class_has_no_verdicts_on_labels(multilabel: Multilabel) -> None:
    rows = judged(multilabel, TEXT.replace("mean_average_precision", "average_precision"))
    assert all(not row.labels for row in rows.values())


def test_balanced_accuracy_is_refused_for_several_labels(multilabel: Multilabel) -> None:
    with pytest.raises(InputError, match="set figure to one of"):
        judged(multilabel, TEXT.replace("mean_average_precision", "balanced_accuracy"))
