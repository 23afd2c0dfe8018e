"""The metrics against scikit-learn, values by hand, limiting cases, and loops over single weightings."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sklearn.metrics as oracle

from counterpoise.metrics import averages, confusion, probability, ranking

Array = np.ndarray[Any, Any]

ROOFS = np.array([[2615, 247], [15, 122]])
"""The test table of preset A: rows no-panel and panel, columns the decision."""


def a_problem(seed: int, n: int = 60, c: int = 4) -> dict[str, Any]:
    """Random targets, decisions, probabilities, tied scores and weights, some of them 0."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(c, 0.7), size=n)
    targets = np.array([rng.choice(c, p=row) for row in probs])
    positives = targets == 0
    return {
        "targets": targets,
        "decisions": rng.integers(c, size=n),
        "probs": probs,
        "positives": positives,
        "scores": np.round(rng.normal(size=n) + positives, 1),
        "weights": rng.exponential(size=n) * (rng.random(n) < 0.8),
        "batch": rng.poisson(1, size=(7, n)),
    }


BATCHED: dict[str, Callable[[dict[str, Any], Any], Any]] = {
    "confusion": lambda x, w: confusion.confusion_matrix(x["targets"], x["decisions"], 4, w),
    "prevalence": lambda x, w: ranking.prevalence(x["positives"], w),
    "average_precision": lambda x, w: ranking.average_precision(x["positives"], x["scores"], w),
    "roc_auc": lambda x, w: ranking.roc_auc(x["positives"], x["scores"], w),
    "expected_calibration_error": lambda x, w: probability.expected_calibration_error(x["probs"], x["targets"], w),
    "reliability": lambda x, w: probability.reliability(x["probs"][:, 0], x["positives"], w, bins=5),
    "brier": lambda x, w: probability.brier(x["probs"], x["targets"], w),
    "log_loss": lambda x, w: probability.log_loss(x["probs"], x["targets"], w),
}
OF_A_TABLE: dict[str, Callable[[Any], Any]] = {
    "accuracy": confusion.accuracy,
    "recall": confusion.recall,
    "precision": confusion.precision,
    "f1": confusion.f1,
    "balanced_accuracy": confusion.balanced_accuracy,
    "macro_f1": confusion.macro_f1,
    "matthews": confusion.matthews,
}


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize("chunk", [1, 150, 10**6])
def test_a_batch_of_weights_equals_a_loop_over_its_rows(name: str, chunk: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(averages, "CHUNK_ELEMENTS", chunk)
    problem = a_problem(0)
    looped = [np.asarray(BATCHED[name](problem, row)) for row in problem["batch"]]
    batch = np.asarray(BATCHED[name](problem, problem["batch"]))
    if name == "reliability":  # three fields, each of them batched
        batch = np.moveaxis(batch, 0, 1)
    np.testing.assert_allclose(batch, np.stack(looped), rtol=1e-12)


@pytest.mark.parametrize("name", BATCHED)
def test_a_multiplicity_equals_a_repeated_example(name: str) -> None:
    problem = a_problem(1)
    times = problem["batch"][0]
    repeated = {key: np.repeat(value, times, axis=0) for key, value in problem.items() if key != "batch"}
    np.testing.assert_allclose(
        np.asarray(BATCHED[name](problem, times)), np.asarray(BATCHED[name](repeated, None)), rtol=1e-12
    )


@pytest.mark.parametrize("name", BATCHED)
def test_weights_of_one_equal_no_weights_and_their_scale_is_free(name: str) -> None:
    problem = a_problem(2)
    ones = np.ones(len(problem["targets"]))
    without = np.asarray(BATCHED[name](problem, None))
    np.testing.assert_allclose(np.asarray(BATCHED[name](problem, ones)), without)
    if name not in ("confusion", "reliability"):  # which count
        np.testing.assert_allclose(BATCHED[name](problem, 3.7 * ones), without)


@pytest.mark.parametrize("name", sorted(set(BATCHED) - {"confusion", "reliability"}))
def test_without_weight_a_metric_is_nan_and_nothing_warns(name: str) -> None:
    problem = a_problem(3)
    batch = problem["batch"]
    batch[1] = 0
    values = BATCHED[name](problem, batch)
    assert np.isnan(values).tolist() == [False, True, False, False, False, False, False]
    assert isinstance(BATCHED[name](problem, batch[1]), float)


@pytest.mark.parametrize("name", BATCHED)
@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (
            np.ones(59),
            r"weights: found float64 of shape \(59,\); expected numbers of shape \(60,\) or \(b, 60\)",
        ),
        (np.ones((60, 1)), r"shape \(60, 1\)"),
        (np.ones((0, 60)), r"shape \(0, 60\)"),
        (np.ones((1, 1, 60)), r"shape \(1, 1, 60\)"),
        (np.full(60, "1"), "weights: found <U1"),
        (
            np.r_[-1.0, np.ones(59)],
            "weights: found values from -1.0 to 1.0; expected finite, 0 or more",
        ),
        (np.r_[np.nan, np.ones(59)], "weights: found values from nan"),
        (np.r_[np.inf, np.ones(59)], "weights: found values from 1.0 to inf"),
    ],
)
def test_weights_that_do_not_fit_are_refused(name: str, weights: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BATCHED[name](a_problem(0), weights)


@pytest.mark.parametrize("seed", range(5))
def test_confusion_equals_scikit_learn_with_truth_in_rows(seed: int) -> None:
    x = a_problem(seed)
    for weights in (None, x["weights"]):
        expected = oracle.confusion_matrix(x["targets"], x["decisions"], labels=range(6), sample_weight=weights)
        np.testing.assert_allclose(confusion.confusion_matrix(x["targets"], x["decisions"], 6, weights), expected)


def test_confusion_tells_a_miss_from_a_false_alarm() -> None:
    miss = confusion.confusion_matrix(targets=[1], decisions=[0], class_count=2)
    assert miss.tolist() == [[0, 0], [1, 0]]


@pytest.mark.parametrize("seed", range(5))
def test_rates_of_a_table_equal_scikit_learn(seed: int) -> None:
    x = a_problem(seed)
    t, d, w = x["targets"], x["decisions"], x["weights"]
    table = confusion.confusion_matrix(t, d, 4, w)
    precision, recall, f1, _ = oracle.precision_recall_fscore_support(
        t, d, sample_weight=w, labels=range(4), zero_division=np.nan
    )
    np.testing.assert_allclose(confusion.precision(table), precision)
    np.testing.assert_allclose(confusion.recall(table), recall)
    np.testing.assert_allclose(confusion.f1(table), f1)
    assert confusion.accuracy(table) == pytest.approx(oracle.accuracy_score(t, d, sample_weight=w))
    assert confusion.matthews(table) == pytest.approx(oracle.matthews_corrcoef(t, d, sample_weight=w))
    assert confusion.macro_f1(table) == pytest.approx(oracle.f1_score(t, d, sample_weight=w, average="macro"))
    assert confusion.balanced_accuracy(table) == pytest.approx(oracle.balanced_accuracy_score(t, d, sample_weight=w))


def test_macro_f1_equals_scikit_learn_restricted_to_the_classes_present() -> None:
    targets, decisions = [0, 0, 0, 1, 1, 2], [0, 0, 3, 1, 0, 0]
    table = confusion.confusion_matrix(targets, decisions, 5)
    expected = oracle.f1_score(targets, decisions, labels=[0, 1, 2], average="macro", zero_division=0)
    assert confusion.macro_f1(table) == pytest.approx(expected)


def test_preset_a_lost_precision_and_not_recall() -> None:
    assert confusion.recall(ROOFS)[1] == pytest.approx(122 / 137)
    assert confusion.precision(ROOFS)[1] == pytest.approx(122 / 369)
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


def test_a_class_never_decided_has_no_precision_and_an_f1_of_zero() -> None:
    table = [[9, 0], [1, 0]]
    assert np.isnan(confusion.precision(table)[1])
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


@pytest.mark.parametrize("seed", range(10))
def test_rankings_equal_scikit_learn_with_ties_and_weights(seed: int) -> None:
    x = a_problem(seed)
    y, s = x["positives"], x["scores"]
    assert len(np.unique(s)) < len(s)
    for w in (None, x["weights"], x["batch"][0]):
        assert ranking.average_precision(y, s, w) == pytest.approx(
            oracle.average_precision_score(y, s, sample_weight=w), rel=1e-12
        )
        assert ranking.roc_auc(y, s, w) == pytest.approx(oracle.roc_auc_score(y, s, sample_weight=w), rel=1e-12)


def test_a_constant_score_has_no_skill() -> None:
    y = np.arange(20) < 3
    assert ranking.average_precision(y, np.zeros(20)) == ranking.prevalence(y) == 0.15
    assert ranking.roc_auc(y, np.zeros(20)) == 0.5


def test_the_perfect_and_the_worst_ranking() -> None:
    y = np.array([1, 0, 0, 0])
    assert ranking.average_precision(y, y) == ranking.roc_auc(y, y) == 1
    assert ranking.average_precision(y, -y) == 0.25
    assert ranking.roc_auc(y, -y) == 0


def test_fractional_weights_never_round_above_one() -> None:
    rng = np.random.default_rng(0)
    y, w = np.arange(300) < 150, rng.exponential(size=(200, 300))
    scores = y + rng.random(300) / 2
    assert np.max(ranking.average_precision(y, scores, w)) <= 1
    assert np.max(ranking.roc_auc(y, scores, w)) <= 1


def test_one_class_alone_leaves_rankings_undefined() -> None:
    s = [0.1, 0.2, 0.3]
    assert np.isnan(ranking.average_precision([0, 0, 0], s))
    assert np.isnan(ranking.roc_auc([0, 0, 0], s))
    assert np.isnan(ranking.roc_auc([1, 1, 1], s))
    assert ranking.average_precision([1, 1, 1], s) == 1
    np.testing.assert_array_equal(np.isnan(ranking.roc_auc([1, 0, 0], s, [[1, 1, 1], [0, 1, 1]])), [False, True])


def test_no_examples_leave_rankings_undefined() -> None:
    assert np.isnan(ranking.average_precision([], []))
    assert np.isnan(ranking.roc_auc([], []))
    assert np.isnan(ranking.prevalence([]))


@pytest.mark.parametrize("metric", [ranking.average_precision, ranking.roc_auc, ranking.precision_recall_curve])
@pytest.mark.parametrize(
    ("positives", "scores", "message"),
    [
        ([0, 2], [0.1, 0.2], "positives: found .* expected .* 0 and 1"),
        ([[0, 1]], [[0.1, 0.2]], r"positives: found shape \(1, 2\)"),
        ([0, 1], [0.1], r"scores: found shape \(1,\); expected \(2,\)"),
        ([0, 1], [0.1, np.nan], "scores: found 1 of 2 not finite"),
    ],
)
def test_rankings_of_what_cannot_be_ranked_are_refused(metric: Any, positives: Any, scores: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        metric(positives, scores)


@pytest.mark.parametrize("seed", range(3))
def test_the_curve_states_what_each_threshold_does(seed: int) -> None:
    x = a_problem(seed)
    y, s, w = x["positives"], x["scores"], x["weights"]
    curve = ranking.precision_recall_curve(y, s, w)
    assert len(curve.precision) == len(curve.recall) == len(curve.threshold)
    for precision, recall, threshold in zip(*curve, strict=True):
        table = confusion.confusion_matrix(y, s >= threshold, 2, w)
        assert precision == pytest.approx(confusion.precision(table)[1])
        assert recall == pytest.approx(confusion.recall(table)[1])


def test_average_precision_is_the_sum_of_the_steps_of_the_curve() -> None:
    x = a_problem(0)
    curve = ranking.precision_recall_curve(x["positives"], x["scores"])
    steps = curve.recall - np.append(curve.recall[1:], 0)
    expected = ranking.average_precision(x["positives"], x["scores"])
    assert (steps * curve.precision).sum() == pytest.approx(expected)


def test_a_curve_without_positives_is_empty() -> None:
    assert [len(field) for field in ranking.precision_recall_curve([0, 0], [0.1, 0.2])] == [0, 0, 0]
    assert [len(field) for field in ranking.precision_recall_curve([1, 0], [0.1, 0.2], [0, 1])] == [0, 0, 0]


def test_a_curve_of_resamples_is_refused() -> None:
    with pytest.raises(ValueError, match="resampled curves differ in length"):
        ranking.precision_recall_curve([0, 1], [0.1, 0.2], np.ones((3, 2)))


@pytest.mark.parametrize("seed", range(3))
def test_brier_and_log_loss_equal_scikit_learn(seed: int) -> None:
    x = a_problem(seed)
    p, t = x["probs"], x["targets"]
    for w in (None, x["weights"]):
        assert probability.log_loss(p, t, w) == pytest.approx(oracle.log_loss(t, p, sample_weight=w, labels=range(4)))
        two = np.stack([1 - p[:, 0], p[:, 0]], axis=1)
        assert probability.brier(two, t == 0, w) == pytest.approx(
            2 * oracle.brier_score_loss(t == 0, p[:, 0], sample_weight=w)
        )
        one_hot = np.eye(4)[t]
        assert probability.brier(p, t, w) == pytest.approx(np.average(((p - one_hot) ** 2).sum(1), weights=w))


def test_certainty_scores_best_when_right_and_worst_when_wrong() -> None:
    certain = [[1.0, 0.0]]
    assert probability.brier(certain, [0]) == probability.log_loss(certain, [0]) == 0
    assert probability.brier(certain, [1]) == 2
    assert probability.log_loss(certain, [1]) == pytest.approx(52 * np.log(2))  # the spacing of floats, 2^-52


def test_uniform_probabilities_cost_the_logarithm_of_the_number_of_classes() -> None:
    uniform = np.full((3, 5), 0.2)
    assert probability.log_loss(uniform, [0, 2, 4]) == pytest.approx(np.log(5))
    assert probability.brier(uniform, [0, 2, 4]) == pytest.approx(0.8**2 + 4 * 0.2**2)


@pytest.mark.parametrize("seed", range(3))
def test_calibration_error_equals_its_definition_summed_bin_by_bin(seed: int) -> None:
    x = a_problem(seed)
    confidence, right, w = x["probs"].max(1), x["probs"].argmax(1) == x["targets"], x["weights"]
    expected = 0.0
    for m in range(15):
        inside = (confidence > m / 15) & (confidence <= (m + 1) / 15)
        if w[inside].sum() > 0:
            gap = np.average(right[inside], weights=w[inside]) - np.average(confidence[inside], weights=w[inside])
            expected += w[inside].sum() / w.sum() * abs(gap)
    assert probability.expected_calibration_error(x["probs"], x["targets"], w) == pytest.approx(expected)


def test_one_bin_compares_mean_confidence_with_accuracy() -> None:
    probs, targets = [[0.9, 0.1], [0.7, 0.3], [0.4, 0.6], [0.2, 0.8]], [0, 1, 1, 1]
    error = probability.expected_calibration_error(probs, targets, bins=1)
    assert error == pytest.approx(abs((0.9 + 0.7 + 0.6 + 0.8) / 4 - 3 / 4))


def test_calibrated_forecasts_have_little_calibration_error_and_overconfident_ones_much() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000)
    targets = (rng.random(50_000) < p).astype(int)
    sharp = p**3 / (p**3 + (1 - p) ** 3)
    calibrated, overconfident = (
        probability.expected_calibration_error(np.stack([1 - q, q], axis=1), targets) for q in (p, sharp)
    )
    assert calibrated < 0.01
    assert overconfident > 0.05


def test_reliability_of_calibrated_forecasts_lies_on_the_diagonal() -> None:
    rng = np.random.default_rng(0)
    p = rng.random(50_000) ** 3
    for equal_count in (False, True):
        points = probability.reliability(p, rng.random(50_000) < p, bins=10, equal_count=equal_count)
        assert points.counts.sum() == 50_000
        np.testing.assert_allclose(points.observed, points.predicted, atol=0.05)
        assert (np.ptp(points.counts) <= 1) == equal_count


def test_an_empty_bin_is_nan_with_count_zero() -> None:
    points = probability.reliability([0.0, 0.5, 1.0], [0, 0, 1], bins=4)
    np.testing.assert_array_equal(points.counts, [1, 1, 0, 1])  # (0.25, 0.5] holds its upper end
    np.testing.assert_array_equal(points.predicted, [0, 0.5, np.nan, 1])
    np.testing.assert_array_equal(points.observed, [0, 0, np.nan, 1])


@pytest.mark.parametrize("metric", [probability.brier, probability.log_loss, probability.expected_calibration_error])
@pytest.mark.parametrize(
    ("probs", "targets", "message"),
    [
        (
            [[0.5, 0.5], [0.5, 0.4998]],
            [0, 1],
            r"probs: found 1 of 2 rows such as row 1, .*sum to 1 within 1e-4",
        ),
        ([[1.5, -0.5]], [0], "were logits passed"),
        ([[np.nan, 1.0]], [0], "probs: found 1 of 1 rows"),
        ([0.5, 0.5], [0, 1], r"probs: found shape \(2,\); expected \(n, c\)"),
        ([[0.5, 0.5]], [2], "targets: found values from 2 to 2; expected 0 to 1"),
        ([[0.5, 0.5]], [0, 1], r"targets: found int64 of shape \(2,\); expected integers of shape \(1,\)"),
    ],
)
def test_what_are_no_probabilities_of_the_targets_is_refused(
    metric: Any, probs: Any, targets: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        metric(probs, targets)


def test_single_precision_probabilities_are_accepted() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 300)).astype(np.float32)
    probs = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert probs.dtype == np.float32
    assert np.isfinite(probability.log_loss(probs, np.zeros(50, dtype=int)))


def test_bins_and_probabilities_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="bins: found 0; expected at least 1"):
        probability.expected_calibration_error([[1.0, 0.0]], [0], bins=0)
    with pytest.raises(ValueError, match=r"probs_of_class: found values from 0\.5 to 1\.5; expected 0 to 1"):
        probability.reliability([0.5, 1.5], [0, 1])
