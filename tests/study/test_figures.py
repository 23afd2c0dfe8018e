import numpy as np
import pytest

from counterpoise.config import InputError
from counterpoise.evaluation.scores import Variant
from counterpoise.metrics import confusion, influence, ranking
from counterpoise.study import figures

RNG = np.random.default_rng(0)
PROBS = RNG.dirichlet(np.ones(3), 80)
TARGETS = RNG.integers(0, 3, 80)
ONE = np.eye(3, dtype=np.bool_)[TARGETS]
DECIDED = PROBS.argmax(axis=1)
VARIANT = Variant(PROBS, np.eye(3, dtype=np.bool_)[DECIDED])
MANY = RNG.random((80, 3)) < 0.4


def test_figures_of_one_class_per_image_are_those_of_the_report() -> None:
    table = confusion.confusion_matrix(TARGETS, DECIDED, 3)
    assert figures.value("balanced_accuracy", ONE, VARIANT, [0, 1, 2]) == pytest.approx(
        float(confusion.balanced_accuracy(table))
    )
    assert figures.value("macro_f1", ONE, VARIANT, [0, 1, 2]) == pytest.approx(confusion.f1(table).mean())
    expected = influence.balanced_accuracy(TARGETS, DECIDED, 3)
    assert figures.influences("balanced_accuracy", ONE, VARIANT, [0, 1, 2]) == pytest.approx(expected)
    assert figures.influences("macro_f1", ONE, VARIANT, [0, 1, 2]) == pytest.approx(
        influence.macro_f1(TARGETS, DECIDED, 3)
    )


def test_figures_of_labels_are_those_of_the_report() -> None:
    variant = Variant(PROBS, PROBS > 0.3)
    hits, positives, decided = (MANY & variant.decided).sum(axis=0), MANY.sum(axis=0), variant.decided.sum(axis=0)
    expected = np.mean(2 * hits / (positives + decided))
    assert figures.value("macro_f1", MANY, variant, [0, 1, 2]) == pytest.approx(expected)
    assert figures.value("average_precision", MANY, variant, [2]) == ranking.average_precision(MANY[:, 2], PROBS[:, 2])
    assert figures.influences("mean_average_precision", MANY, variant, [0, 1, 2]) == pytest.approx(
        influence.mean_average_precision(MANY, PROBS)
    )


@pytest.mark.parametrize("name", figures.FIGURES)
def test_influence_values_are_the_derivative_by_the_weight_of_an_image(name: str) -> None:
    """A copy of all images with one of them twice: the difference per unit of weight, in the limit of many copies."""
    copies, image = 400, 7
    rows = np.append(np.tile(np.arange(80), copies), image)
    more = figures.value(name, ONE[rows], Variant(PROBS[rows], VARIANT.decided[rows]), [0, 1, 2])
    change = (more - figures.value(name, ONE, VARIANT, [0, 1, 2])) * copies
    assert change == pytest.approx(figures.influences(name, ONE, VARIANT, [0, 1, 2])[image], abs=2e-4)


@pytest.mark.parametrize("name", figures.FIGURES)
def test_a_class_without_an_image_leaves_a_figure_undefined(name: str) -> None:
    truth = ONE.copy()
    truth[:, 1] = False
    assert np.isnan(figures.value(name, truth, VARIANT, [0, 1]))
    assert np.isnan(figures.influences(name, truth, VARIANT, [0, 1])).all()
    assert np.isfinite(figures.value(name, truth, VARIANT, [0, 2]))


def test_balanced_accuracy_of_several_labels_is_refused() -> None:
    figures.check("balanced_accuracy", one_class=True)
    figures.check("macro_f1", one_class=False)
    with pytest.raises(InputError, match=r"set figure to one of \['macro_f1', 'average_precision'"):
        figures.check("balanced_accuracy", one_class=False)
