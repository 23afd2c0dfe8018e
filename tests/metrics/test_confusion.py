"""Figures of a confusion matrix against scikit-learn, values by hand, and limiting cases."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as oracle

from counterpoise.metrics import confusion

Problem = Callable[[int], dict[str, Any]]
"""From a seed to targets, decisions, probabilities, tied scores and weights."""
ROOFS = np.array([[2615, 247], [15, 122]])
"""The test table of preset A: rows no-panel and panel, columns the decision."""
OF_A_TABLE: dict[str, Callable[[Any], Any]] = {
    "recall": confusion.recall,
    "f1": confusion.f1,
    "balanced_accuracy": confusion.balanced_accuracy,
    "macro_f1": confusion.macro_f1,
    "matthews": confusion.matthews,
}


@pytest.mark.parametrize("seed", range(5))
def test_confusion_equals_scikit_learn_with_truth_in_rows(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    for weights in (None, x["weights"]):
        expected = oracle.confusion_matrix(x["targets"], x["decisions"], labels=range(6), sample_weight=weights)
        np.testing.assert_allclose(confusion.confusion_matrix(x["targets"], x["decisions"], 6, weights), expected)


def test_confusion_tells_a_miss_from_a_false_alarm() -> None:
    miss = confusion.confusion_matrix(targets=[1], decisions=[0], class_count=2)
    assert miss.tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_rates_of_a_table_equal_scikit_learn(a_problem: Problem, seed: int) -> None:
    x = a_problem(seed)
    t, d, w = x["targets"], x["decisions"], x["weights"]
    table = confusion.confusion_matrix(t, d, 4, w)
    _, recall, f1, _ = oracle.precision_recall_fscore_support(
        t, d, sample_weight=w, labels=range(4), zero_division=np.nan
    )
    np.testing.assert_allclose(confusion.recall(table), recall)
    np.testing.assert_allclose(confusion.f1(table), f1)
    assert confusion.matthews(table) == pytest.approx(oracle.matthews_corrcoef(t, d, sample_weight=w))
    assert confusion.macro_f1(table) == pytest.approx(oracle.f1_score(t, d, sample_weight=w, average="macro"))
    assert confusion.balanced_accuracy(table) == pytest.approx(oracle.balanced_accuracy_score(t, d, sample_weight=w))


def test_macro_f1_equals_scikit_learn_restricted_to_the_classes_present() -> None:
    targets, decisions = [0, 0, 0, 1, 1, 2], [0, 0, 3, 1, 0, 0]
    table = confusion.confusion_matrix(targets, decisions, 5)
    expected = oracle.f1_score(targets, decisions, labels=[0, 1, 2], average="macro", zero_division=0)
    assert confusion.macro_f1(table) == pytest.approx(expected)


def test_preset_a_kept_recall_though_its_f1_is_low() -> None:
    assert confusion.recall(ROOFS)[1] == pytest.approx(122 / 137)
    assert confusion.f1(ROOFS)[1] == pytest.approx(2 * 122 / (137 + 369))
    assert confusion.balanced_accuracy(ROOFS) == pytest.approx((2615 / 2862 + 122 / 137) / 2)


@pytest.mark.parametrize("name", OF_A_TABLE)
def test_a_batch_of_tables_equals_a_loop_over_them(name: str) -> None:
    tables = np.random.default_rng(0).poisson(2, size=(6, 3, 3))
    tables[0] = 0
    expected = np.stack([OF_A_TABLE[name](table) for table in tables])
    np.testing.assert_array_equal(OF_A_TABLE[name](tables), expected)
    np.testing.assert_array_equal(
        OF_A_TABLE[name](tables.reshape(2, 3, 3, 3)), expected.reshape(2, 3, *expected.shape[1:])
    )


@pytest.mark.parametrize("name", OF_A_TABLE)
def test_an_empty_table_is_nan_and_nothing_warns(name: str) -> None:
    assert np.isnan(OF_A_TABLE[name](np.zeros((3, 3)))).all()


@pytest.mark.parametrize("name", OF_A_TABLE)
def test_the_perfect_table_scores_one(name: str) -> None:
    np.testing.assert_allclose(OF_A_TABLE[name](np.diag([7, 1, 3])), 1)


@pytest.mark.parametrize("name", OF_A_TABLE)
@pytest.mark.parametrize(
    ("table", "message"),
    [
        ([[1, 2]], r"found shape \(1, 2\); expected \(\.\.\., c, c\)"),
        ([1], r"found shape \(1,\)"),
        ([[1, -1], [0, 1]], "found values from -1.0 to 1.0; expected finite"),
        ([[1, np.nan], [0, 1]], "found values from nan"),
    ],
)
def test_what_is_no_table_is_refused(name: str, table: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        OF_A_TABLE[name](table)


def test_absent_classes_enter_no_mean() -> None:
    table = np.zeros((5, 5))
    table[:2, :2] = ROOFS
    assert confusion.balanced_accuracy(table) == pytest.approx(float(confusion.balanced_accuracy(ROOFS)))
    assert confusion.macro_f1(table) == pytest.approx(float(confusion.macro_f1(ROOFS)))
    assert np.isnan(confusion.recall(table)[2:]).all()


def test_a_class_never_decided_has_an_f1_of_zero() -> None:
    table = [[9, 0], [1, 0]]
    assert confusion.f1(table)[1] == 0
    assert confusion.macro_f1(table) == pytest.approx(18 / 19 / 2)


@pytest.mark.parametrize("table", [[[0.1, 0], [0.2, 0]], [[0.1, 0.7], [0, 0]], [[5, 0], [0, 0]]])
def test_matthews_is_zero_where_a_margin_degenerates(table: Any) -> None:
    assert confusion.matthews(table) == 0


def test_matthews_of_one_decided_class_is_zero_however_fractions_round() -> None:
    tables = np.zeros((500, 3, 3))
    tables[:, :, 1] = np.random.default_rng(0).exponential(size=(500, 3))
    assert not np.any(confusion.matthews(tables))
    assert not np.any(confusion.matthews(tables.swapaxes(1, 2)))


def test_matthews_of_a_minority_too_small_to_represent_is_zero_and_nothing_warns() -> None:
    assert confusion.matthews([[1e20, 0.0], [0.0, 1.0]]) == 0


def test_matthews_of_two_classes_is_phi() -> None:
    (tn, fp), (fn, tp) = ROOFS.tolist()
    phi = (tp * tn - fp * fn) / np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert confusion.matthews(ROOFS) == pytest.approx(phi)
    assert confusion.matthews(ROOFS[:, ::-1]) == pytest.approx(-phi)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 2], [0, 1], 2), "targets: found values from 0 to 2; expected 0 to 1"),
        (([0, 1], [-1, 1], 2), "decisions: found values from -1 to 1"),
        (([0, 1], [0], 2), r"decisions: found int64 of shape \(1,\); expected integers of shape \(2,\)"),
        (([0.0, 1.0], [0, 1], 2), "targets: found float64"),
        (([], [], 0), "class_count: found 0"),
    ],
)
def test_classes_out_of_range_are_refused(arguments: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        confusion.confusion_matrix(*arguments)
