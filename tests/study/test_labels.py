"""Studies of images with several labels or none: verdicts on means over labels, and on single labels."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from counterpoise.artifacts import positive
from counterpoise.config import InputError
from counterpoise.evaluation.scores import Variant
from counterpoise.study import arms, cells, comparison, experiment, figures, study, summary
from counterpoise.study.folds import assign
from counterpoise.study.results import Row
from counterpoise.study.tasks import multiclass
from counterpoise.study.verdicts import NoVerdict, Verdict, compare

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
FIGURE = "mean_average_precision"
Multilabel = tuple[Path, dict[str, Any]]
once = pytest.mark.usefixtures("cells_are_computed_once")


def judged(multilabel: Multilabel, text: str = TEXT) -> dict[str, Row]:
    root, content = multilabel
    result = study.run(root, content, arms.parse(text, content), [], lambda function, jobs: map(function, jobs))
    return {row.name: row for row in result.rows}


@pytest.mark.parametrize(("figure", "view"), [("mean_average_precision", "calibrated"), ("macro_f1", "decided")])
@once
def test_labels_with_ten_units_have_verdicts_of_their_own(multilabel: Multilabel, figure: str, view: str) -> None:
    rows = judged(multilabel, TEXT.replace("mean_average_precision", figure).replace("calibrated", view))
    assert list(rows["same"].labels) == ["common", "frequent", "solar"], "`few` has 8 and `single` 3 units"
    assert {found.word for found in rows["same"].labels.values() if isinstance(found, Verdict)} == {"identical"}
    assert not rows["plain"].labels
    of_all, of_common = rows["nothing_learned"].found, rows["nothing_learned"].labels["common"]
    assert isinstance(of_all, Verdict), "a mean over labels needs five units of each"
    assert isinstance(of_common, Verdict)
    assert max(of_all.difference, of_common.difference) < 0


@once
def test_the_mean_counts_labels_with_five_units_and_the_rarest_of_them_gives_the_power(multilabel: Multilabel) -> None:
    root, content = multilabel
    images = comparison.images(experiment.read(root, cells.SPLITS), content["task"])
    assert [images.names[label] for label in images.classes_of("macro_f1")] == ["common", "frequent", "few", "solar"]
    assert images.names[images.rarest("macro_f1")] == "few"
    found = judged(multilabel)["nothing_learned"].found
    assert isinstance(found, Verdict)
    assert found.units == 8


@once
def test_intervals_of_single_labels_are_corrected_over_arms_and_labels(multilabel: Multilabel) -> None:
    one = judged(multilabel)["nothing_learned"].labels["solar"]
    assert isinstance(one, Verdict)
    half = stats.t.isf((1 - 0.95 ** (1 / 6)) / 2, one.df) * one.se
    assert np.isclose(one.high - one.difference, half), "2 arms x 3 labels"


@once
def test_a_figure_of_one_class_has_no_verdicts_on_labels(multilabel: Multilabel) -> None:
    rows = judged(multilabel, TEXT.replace("mean_average_precision", "average_precision"))
    assert all(not row.labels for row in rows.values())


def test_labels_are_no_classes_even_where_each_image_happens_to_have_one(multilabel: Multilabel) -> None:
    """Deciding for all labels would have the best recall, and labels that are too rare do not count."""
    root, content = multilabel
    data = experiment.read(root, cells.SPLITS)
    for part in data.splits.values():
        part.tiles.table["labels"] = "common"
    images = comparison.images(data, content["task"])
    assert (images.truth.sum(axis=1) == 1).all()
    assert [images.names[label] for label in images.classes_of("macro_f1")] == ["common"]
    study = arms.parse(TEXT.replace("mean_average_precision", "balanced_accuracy"), content).study
    with pytest.raises(InputError, match="figure is 'balanced_accuracy', but images may have several labels or none"):
        comparison.assign(images, study, content["task"])


def test_a_label_of_which_a_fold_has_none_is_told_and_nothing_is_lost(multilabel: Multilabel) -> None:
    """The class that matters has 3 independent images, all in one fold of some repeat or other."""
    root, content = multilabel
    positive.write(root, positive.Positive("single", "as declared"))
    rows = judged((root, content))
    assert isinstance(rows["same"].found, Verdict), "the mean over labels leaves it out"
    rows = judged(
        (root, content), TEXT.replace("mean_average_precision", "average_precision").replace("folds: 3", "folds: 4")
    )
    assert rows["same"].found == NoVerdict("3 independent images of the class are too few; at least 10 are needed")
    said = json.loads((root / summary.JSON).read_text(encoding="utf-8"))
    assert said["arms"]["plain"]["figures"]["calibrated"]["average_precision"] is None, "a fold has none"
    assert "| n/a |" in (root / summary.LEADERBOARD).read_text(encoding="utf-8")


def test_a_mean_over_labels_that_are_all_too_rare_is_refused(multilabel: Multilabel) -> None:
    root, content = multilabel
    data = experiment.read(root, cells.SPLITS)
    for part in data.splits.values():
        few = np.arange(len(part.tiles.table)) < 2
        part.tiles.table["labels"] = np.where(few, "single", "")
    images = comparison.images(data, content["task"])
    study = arms.parse(TEXT, content).study
    with pytest.raises(InputError, match="no label has as many; label more of them, or set figure to 'average_prec"):
        comparison.assign(images, study, content["task"])
    assert images.classes_of("average_precision") == [images.names.index("solar")]


def test_balanced_accuracy_is_refused_for_several_labels(multilabel: Multilabel) -> None:
    with pytest.raises(InputError, match="set figure to one of"):
        judged(multilabel, TEXT.replace("mean_average_precision", "balanced_accuracy"))


def test_intervals_of_means_over_labels_cover_the_true_difference() -> None:
    """Arm and control have equally good scores for labels of 5 to 80 units, so that the true difference is 0.

    Of 40 intervals of 95 %, 34 or more cover: fewer would have a probability below 1 % if 95 % did.
    """
    rng = np.random.default_rng(0)
    assert sum(_covers(rng, (5, 6, 9, 15, 30, 80), 600, 5, 2) for _ in range(40)) >= 34


def _covers(rng: np.random.Generator, counts: tuple[int, ...], images: int, folds: int, repeats: int) -> bool:
    """Simulate a study of one arm, and say whether its interval holds 0."""
    truth = np.stack([rng.permutation(images) < count for count in counts], axis=1)
    difficulty, own = rng.normal(size=(2, *truth.shape))
    differences, phi = np.empty((repeats, folds)), np.zeros((repeats, images))
    fold_of = np.empty((repeats, images), dtype=np.int64)
    labels = list(range(len(counts)))
    for repeat in range(repeats):
        fold_of[repeat] = assign(truth, np.ones(images, dtype=np.int64), folds, 0, repeat, task="multilabel")
        noise = 0.3 * rng.normal(size=(2, *truth.shape))
        arm = np.sqrt(0.8) * difficulty + np.sqrt(0.2) * own + 1.5 * truth + noise[0]
        for fold in range(folds):
            tested = fold_of[repeat] == fold
            both = [Variant(score[tested], score[tested] > 1) for score in (arm, difficulty + 1.5 * truth + noise[1])]
            of_arm, of_control = (figures.value(FIGURE, truth[tested], one, labels) for one in both)
            differences[repeat, fold] = of_arm - of_control
            each = [figures.influences(FIGURE, truth[tested], one, labels) for one in both]
            phi[repeat, tested] = each[0] - each[1]
    found = compare(differences, phi, fold_of, truth[:, 0], comparisons=1, needed=multiclass.LEAST_POSITIVES)
    assert isinstance(found, Verdict)
    return found.low <= 0 <= found.high
