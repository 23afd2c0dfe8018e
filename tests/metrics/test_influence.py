"""Influence values against finite differences of weighted figures, of `metrics` and of scikit-learn, and by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as oracle

from counterpoise.metrics import confusion, influence, multilabel, probability, ranking

Array = np.ndarray[Any, Any]
Problem = Callable[[int], dict[str, Any]]
"""From a seed to targets, decisions, probabilities, tied scores and weights."""
STEP = 1e-6
C = 4


def derivative(figure: Callable[[Array], Any], n: int) -> Array:
    """Differentiate a figure by each weight at weights 1."""
    moved = STEP * np.eye(n)
    return np.array([(float(figure(1 + row)) - float(figure(1 - row))) / (2 * STEP) for row in moved])


def labels_of(x: dict[str, Any]) -> tuple[Array, Array, Array]:
    """Make (n, c) labels, scores with ties, and decisions of a problem; some examples have no label."""
    probs = np.round(x["probs"], 1)
    truth = x["probs"] + np.random.default_rng(0).random(x["probs"].shape) > 1
    truth[:, -1] = False
    return truth, probs, probs >= 0.3


def of_classes(x: dict[str, Any]) -> dict[str, tuple[Array, Callable[[Array], Any]]]:
    """Influence values and weighted figure of what has one class per example."""
    t, d, p, y, s = (x[name] for name in ("targets", "decisions", "probs", "positives", "scores"))
    says = d == 0

    def of_table(figure: Callable[..., Any]) -> Callable[[Array], Any]:
        return lambda w: figure(confusion.confusion_matrix(t, d, C, w))

    return {
        "average precision": (influence.average_precision(y, s), lambda w: ranking.average_precision(y, s, w)),
        "roc auc": (influence.roc_auc(y, s), lambda w: ranking.roc_auc(y, s, w)),
        "accuracy": (influence.accuracy(t, d), lambda w: oracle.accuracy_score(t, d, sample_weight=w)),
        "balanced accuracy": (influence.balanced_accuracy(t, d, C), of_table(confusion.balanced_accuracy)),
        "macro f1": (influence.macro_f1(t, d, C), of_table(confusion.macro_f1)),
        "matthews": (influence.matthews(t, d, C), of_table(confusion.matthews)),
        "precision": (influence.precision(y, says), lambda w: oracle.precision_score(y, says, sample_weight=w)),
        "recall": (influence.recall(y, says), lambda w: oracle.recall_score(y, says, sample_weight=w)),
        "f1": (influence.f1(y, says), lambda w: oracle.f1_score(y, says, sample_weight=w)),
        "brier": (influence.brier(p, t), lambda w: probability.brier(p, t, w)),
    }


def of_labels(x: dict[str, Any]) -> dict[str, tuple[Array, Callable[[Array], Any]]]:
    """Influence values and weighted figure of what has any number of labels per example."""
    t, p, d = labels_of(x)
    return {
        "mean average precision": (
            influence.mean_average_precision(t, p),
            lambda w: multilabel.mean_average_precision(t, p, w),
        ),
        "macro f1": (influence.multilabel_macro_f1(t, d), lambda w: multilabel.macro_f1(t, d, w)),
        "micro f1": (influence.micro_f1(t, d), lambda w: multilabel.micro_f1(t, d, w)),
        "exact match": (influence.exact_match(t, d), lambda w: np.average((t == d).all(1), weights=w)),
        "coverage": (influence.coverage(t, p), lambda w: multilabel.coverage(t, p, w)),
        "brier": (influence.multilabel_brier(t, p), lambda w: multilabel.brier(t, p, w)),
    }


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", [of_classes, of_labels])
def test_influence_values_are_derivatives_by_the_weights(a_problem: Problem, kind: Any, seed: int) -> None:
    x = a_problem(seed)
    for name, (values, figure) in kind(x).items():
        assert values.shape == x["targets"].shape, name
        np.testing.assert_allclose(values, derivative(figure, len(values)), atol=1e-8, err_msg=name)
        assert values.sum() == pytest.approx(0, abs=1e-12), name


@pytest.mark.parametrize("seed", range(2))
def test_they_are_those_of_scikit_learn_too(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    t, d, y, s = (x[name] for name in ("targets", "decisions", "positives", "scores"))
    cases: tuple[tuple[Array, Callable[..., Any], tuple[Array, Array]], ...] = (
        (influence.average_precision(y, s), oracle.average_precision_score, (y, s)),
        (influence.roc_auc(y, s), oracle.roc_auc_score, (y, s)),
        (influence.balanced_accuracy(t, d, C), oracle.balanced_accuracy_score, (t, d)),
        (influence.matthews(t, d, C), oracle.matthews_corrcoef, (t, d)),
    )
    for values, figure, arguments in cases:
        weighted = derivative(lambda w: figure(*arguments, sample_weight=w), len(t))  # noqa: B023
        np.testing.assert_allclose(values, weighted, atol=1e-8)


def test_absent_and_undecided_classes_move_nothing() -> None:
    t, d = np.array([0, 0, 1, 1, 1]), np.array([0, 2, 1, 1, 0])
    for of, figure in (
        (influence.balanced_accuracy, confusion.balanced_accuracy),
        (influence.macro_f1, confusion.macro_f1),
    ):
        weighted = derivative(lambda w: figure(confusion.confusion_matrix(t, d, C, w)), 5)  # noqa: B023
        np.testing.assert_allclose(of(t, d, C), weighted, atol=1e-8)
    assert not influence.matthews([0, 0, 0], [0, 1, 0], 2).any()


def test_figures_that_are_undefined_have_no_influence_values() -> None:
    none, s = np.zeros(3, dtype=bool), [0.1, 0.2, 0.3]
    for values in (
        influence.average_precision(none, s),
        influence.roc_auc(none, s),
        influence.roc_auc(~none, s),
        influence.precision(~none, none),
        influence.recall(none, ~none),
        influence.mean_average_precision(none[:, None], np.zeros((3, 1))),
    ):
        assert np.isnan(values).all()


def test_the_variance_of_a_mean_is_that_of_the_textbook() -> None:
    x = np.random.default_rng(0).normal(size=40)
    assert influence.unit_variance(influence.mean(x), np.arange(40)) == pytest.approx(x.var(ddof=1) / 40)


def test_the_variance_of_auc_is_delongs() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(50) < 15
    s = np.round(rng.normal(size=50) + y, 1)
    wins = (s[y][:, None] > s[~y]) + (s[y][:, None] == s[~y]) / 2
    delong = wins.mean(1).var(ddof=0) / 15 + wins.mean(0).var(ddof=0) / 35
    assert influence.unit_variance(influence.roc_auc(y, s), np.arange(50)) == pytest.approx(delong * 50 / 49)


def test_copies_of_an_example_in_one_unit_leave_the_variance_as_it_was(a_problem: Problem) -> None:
    x = a_problem(0)
    y, s = x["positives"], x["scores"]
    once = influence.unit_variance(influence.average_precision(y, s), np.arange(60))
    copies = influence.average_precision(np.repeat(y, 3), np.repeat(s, 3))
    assert influence.unit_variance(copies, np.repeat(np.arange(60), 3)) == pytest.approx(once)


def test_the_variance_of_average_precision_is_near_that_of_many_samples() -> None:
    rng, figures, variances = np.random.default_rng(0), [], []
    for _ in range(400):
        y = rng.random(600) < 1 / 6
        s = rng.normal(size=600) + 1.5 * y
        figures.append(ranking.average_precision(y, s))
        variances.append(influence.unit_variance(influence.average_precision(y, s), np.arange(600)))
    assert np.mean(variances) == pytest.approx(np.var(figures), rel=0.2)


def test_fewer_than_two_units_have_no_variance() -> None:
    assert np.isnan(influence.unit_variance(np.array([1.0, -1.0]), ["a", "a"]))
    assert np.isnan(influence.unit_variance(np.array([]), []))


@pytest.mark.parametrize("units", [["a"], [["a", "b"]]])
def test_units_of_another_number_are_refused(units: Any) -> None:
    with pytest.raises(ValueError, match=r"units: found shape .*; expected \("):
        influence.unit_variance(np.zeros(2), units)
