"""Decision rules: by hand, by brute force, and in a simulation where the best rule is known."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm
from sklearn.metrics import accuracy_score, balanced_accuracy_score

from counterpoise.decision.boxes import OF_BOXES_ALONE
from counterpoise.decision.links import OF_VALIDATION, sigmoid, softmax
from counterpoise.decision.links.softmax import RULES, cost_matrix, decide, gain
from counterpoise.stages.decide import Decide

Array = np.ndarray[Any, Any]

PRIOR = np.array([0.9, 0.07, 0.03])


@pytest.fixture(scope="module")
def simulated() -> tuple[Array, Array]:
    """Targets and exact posteriors of three overlapping gaussians under `PRIOR`."""
    rng = np.random.default_rng(0)
    targets = rng.choice(3, size=60_000, p=PRIOR)
    x = np.array([0.0, 1.5, 3.0])[targets] + rng.normal(size=len(targets))
    joint = norm.pdf(x[:, None] - [0.0, 1.5, 3.0]) * PRIOR
    return targets, joint / joint.sum(axis=1, keepdims=True)


def test_most_probable_is_the_argmax(simulated):
    _, probs = simulated
    assert (decide(probs, gain("most_probable", PRIOR)) == probs.argmax(axis=1)).all()


def test_balanced_is_the_argmax_of_probability_over_prior(simulated):
    _, probs = simulated
    assert (decide(probs, gain("balanced", PRIOR)) == (probs / PRIOR).argmax(axis=1)).all()


def test_with_two_classes_balanced_is_the_threshold_at_the_prior():
    p = np.array([0.01, 0.045, 0.0461, 0.5])
    decided = decide(np.stack([1 - p, p], axis=1), gain("balanced", np.array([1 - 0.046, 0.046])))
    assert decided.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(("rule", "score"), [("most_probable", accuracy_score), ("balanced", balanced_accuracy_score)])
def test_no_other_weighting_of_the_classes_beats_a_rule_at_what_it_is_for(simulated, rule, score):
    targets, probs = simulated
    best = score(targets, decide(probs, gain(rule, PRIOR)))
    rng = np.random.default_rng(1)
    others = [1 / PRIOR, np.ones(3), 1 / np.sqrt(PRIOR), *np.exp(2 * rng.normal(size=(12, 3)))]
    # On 60,000 examples the best of 15 rules may lead by luck; 0.005 is about one standard error of balanced accuracy.
    assert best >= max(score(targets, decide(probs, np.diag(other))) for other in others) - 0.005


def test_least_cost_costs_least_in_the_simulation(simulated):
    targets, probs = simulated
    costs = np.array([[0, 1, 3], [5, 0, 1], [40, 10, 0]], dtype=np.float64)
    spent = costs[targets, decide(probs, gain("least_cost", PRIOR, costs))].mean()
    for rule in ("most_probable", "balanced"):
        assert spent < costs[targets, decide(probs, gain(rule, PRIOR))].mean()


@given(st.integers(2, 5).flatmap(lambda c: st.tuples(st.just(c), st.integers(0, 2**32))))
def test_least_cost_equals_brute_force(drawn):
    c, seed = drawn
    rng = np.random.default_rng(seed)
    probs, costs = rng.dirichlet(np.ones(c), size=6), rng.exponential(size=(c, c))
    expected = [
        min(range(c), key=lambda j, row=row: sum(row[k] * costs[k, j] for k in range(c)))  # type: ignore[misc]
        for row in probs
    ]
    assert decide(probs, gain("least_cost", np.ones(c) / c, costs)).tolist() == expected


def test_a_missed_defect_ten_times_as_dear_moves_the_threshold_to_1_in_11():
    costs = cost_matrix({"defective": {"functional": 10.0}}, ["functional", "defective"])
    p = np.array([0.09, 0.092])  # 1 / 11 = 0.0909
    assert decide(np.stack([1 - p, p], axis=1), gain("least_cost", np.array([0.5, 0.5]), costs)).tolist() == [0, 1]


def test_unstated_costs_are_the_most_probable_rule(simulated):
    _, probs = simulated
    costs = cost_matrix({}, ["a", "b", "c"])
    assert (decide(probs, gain("least_cost", PRIOR, costs)) == probs.argmax(axis=1)).all()


def test_of_equal_gains_the_first_class_is_decided():
    assert decide(np.array([[0.5, 0.5]]), np.eye(2)).tolist() == [0]


def test_the_parameter_offers_exactly_the_rules_there_are():
    assert Decide.model_json_schema()["properties"]["rule"]["enum"] == [*RULES, *OF_VALIDATION, *OF_BOXES_ALONE]


def test_unknown_rules_names_and_missing_costs_are_refused():
    with pytest.raises(ValueError, match=r"decide.rule is 'f1'; expected one of \['most_probable'"):
        gain("f1", PRIOR)
    with pytest.raises(ValueError, match=r"'least_cost' needs decide.costs"):
        gain("least_cost", PRIOR)
    for costs in ({"roof": {"solar": 2.0}}, {"solar": {"roof": 2.0}}):
        with pytest.raises(ValueError, match=r"decide.costs names 'roof', which is no class; expected one of"):
            cost_matrix(costs, ["plain", "solar"])


@pytest.mark.parametrize("positive", [0, 1])
@pytest.mark.parametrize("threshold", [0.0, 0.04, 0.5, 0.97])
def test_a_threshold_of_one_of_two_classes_is_a_gain(threshold, positive):
    p = np.array([0.01, 0.05, 0.3, 0.6, 0.99])
    probs = np.stack([1 - p, p] if positive else [p, 1 - p], axis=1)
    decided = softmax.decide(probs, softmax.gain_of_threshold(threshold, positive))
    assert ((decided == positive) == (p > threshold)).all()


def test_no_threshold_decides_never():
    assert softmax.decide(np.array([[0.0, 1.0]]), softmax.gain_of_threshold(None, 1)).tolist() == [0]


def test_labels_are_decided_from_their_threshold_on_and_none_without_one():
    probs = np.array([[0.5, 0.9, 0.9], [0.49, 0.1, 1.0]])
    assert sigmoid.decide_labels(probs, [0.5, 0.95, None]).tolist() == [[True, False, False], [False, False, False]]


def test_images_with_too_few_labels_get_the_most_probable_ones():
    probs = np.array([[0.5, 0.4, 0.3], [0.1, 0.2, 0.3], [0.9, 0.9, 0.9]])
    decided = sigmoid.decide_labels(probs, [0.45, 0.45, None], at_least=2)
    assert decided.tolist() == [[True, True, False], [False, True, True], [True, True, False]]


def test_costs_of_labels_are_thresholds():
    costs = {"a": {"missed": 3.0, "false_alarm": 1.0}, "b": {"false_alarm": 0.0}}
    assert sigmoid.cost_thresholds(costs, ["a", "b", "c"]) == [0.25, 0.0, 0.5]
    with pytest.raises(ValueError, match="names 'd', which is no class"):
        sigmoid.cost_thresholds({"d": {}}, ["a"])
    with pytest.raises(ValueError, match=r"decide.costs.a states 'miss'; expected 'missed' and 'false_alarm'"):
        sigmoid.cost_thresholds({"a": {"miss": 1.0}}, ["a"])
    with pytest.raises(ValueError, match="must not be negative, and not both 0"):
        sigmoid.cost_thresholds({"a": {"missed": 0.0, "false_alarm": 0.0}}, ["a"])
