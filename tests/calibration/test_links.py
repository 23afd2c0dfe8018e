"""What a logit means: every link against Bayes' rule, and the tensors against the arrays."""

from typing import Any

import numpy as np
import pytest
import torch

from counterpoise.calibration import label_shift, links

Array = np.ndarray[Any, Any]

LOGITS = np.random.default_rng(0).normal(size=(50, 3)) * 3
PRIORS = {
    "softmax": (np.array([0.6, 0.3, 0.1]), np.array([0.2, 0.3, 0.5])),
    "sigmoid": (np.array([0.6, 0.9, 0.1]), np.array([0.5, 0.05, 0.3])),
}

names = pytest.mark.parametrize("name", links.names())


@names
def test_tensors_give_the_probabilities_of_arrays(name: str) -> None:
    link = links.find(name)
    np.testing.assert_allclose(
        link.tensor_probabilities(torch.from_numpy(LOGITS)).numpy(), link.probabilities(LOGITS), rtol=1e-12
    )


@names
def test_the_average_of_logits_is_that_of_their_probabilities(name: str) -> None:
    link, other = links.find(name), LOGITS[::-1] * 0.5
    averaged = link.average(torch.from_numpy(np.stack([LOGITS, other]))).numpy()
    expected = (link.probabilities(LOGITS) + link.probabilities(other)) / 2
    np.testing.assert_allclose(link.probabilities(averaged), expected, rtol=1e-9)


def test_the_offset_of_softmax_is_bayes_rule_over_all_classes() -> None:
    link, (before, after) = links.find("softmax"), PRIORS["softmax"]
    moved = link.probabilities(LOGITS + link.offset(before, after))
    np.testing.assert_allclose(moved, label_shift.moved(link.probabilities(LOGITS), before, after), rtol=1e-9)


def test_the_offset_of_sigmoid_is_bayes_rule_label_by_label() -> None:
    link, (before, after) = links.find("sigmoid"), PRIORS["sigmoid"]
    moved, probs = link.probabilities(LOGITS + link.offset(before, after)), link.probabilities(LOGITS)
    for index in range(3):
        both = np.stack([1 - probs[:, index], probs[:, index]], axis=1)
        pair = [np.array([1 - prior[index], prior[index]]) for prior in (before, after)]
        np.testing.assert_allclose(moved[:, index], label_shift.moved(both, *pair)[:, 1], rtol=1e-9)


@names
def test_the_initial_logits_have_the_prior_as_probabilities(name: str) -> None:
    link = links.find(name)
    for prior in PRIORS[name]:
        initial = link.initial_logits(prior, held_by_loss=False)
        np.testing.assert_allclose(link.probabilities(initial[None])[0], prior)


def test_a_loss_that_holds_class_counts_begins_at_zero_and_one_of_labels_does_not() -> None:
    prior = np.array([0.6, 0.4])
    assert links.find("softmax").initial_logits(prior, held_by_loss=True).tolist() == [0, 0]
    initial = links.find("sigmoid").initial_logits(prior, held_by_loss=True)
    np.testing.assert_allclose(initial, np.log([1.5, 2 / 3]))


@names
def test_ratios_become_shares_again_and_stay_apart_from_the_prior(name: str) -> None:
    link, prior = links.find(name), PRIORS[name][0].copy()
    ratios = link.ratios(prior)
    np.testing.assert_allclose(link.shares(ratios), prior)
    ratios *= 0
    assert (prior == PRIORS[name][0]).all()


@pytest.mark.parametrize(
    ("name", "before", "message"),
    [
        ("softmax", [0.5, 0.4], "prior 'before' must be positive and sum to 1"),
        ("softmax", [1.0, 0.0], "prior 'before' must be positive and sum to 1"),
        ("sigmoid", [0.5, 1.0], "prior 'before' must lie between 0 and 1 for each label"),
    ],
)
def test_an_offset_from_no_prior_is_refused(name: str, before: list[float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        links.find(name).offset(before, [0.5, 0.5])


def test_truth_and_decisions_are_one_in_each_row_or_any_number() -> None:
    one, many = links.find("softmax"), links.find("sigmoid")
    probs = np.array([[0.5, 0.5], [0.1, 0.9]])
    assert one.most_probable(probs).tolist() == [[True, False], [False, True]]
    assert many.most_probable(probs).tolist() == [[True, True], [False, True]]
    assert one.truth(np.array([1, 0]), 2).tolist() == [[False, True], [True, False]]
    assert many.truth(np.array([[1, 1], [0, 0]]), 2).tolist() == [[True, True], [False, False]]


def test_confusion_is_one_table_of_classes_or_one_for_each_label_that_is_there() -> None:
    logits = np.array([[2.0, -1.0, -1.0], [-1.0, 1.0, -2.0]])
    one, many = links.find("softmax"), links.find("sigmoid")
    tables = one.confusion_tables(np.array([0, 0]), logits, one.probabilities(logits))
    assert [table.tolist() for table in tables] == [[[1, 1, 0], [0, 0, 0], [0, 0, 0]]]
    tables = many.confusion_tables(np.array([[1, 0, 0], [0, 1, 0]]), logits, many.probabilities(logits))
    assert [table.tolist() for table in tables] == [[[1, 0], [0, 1]]] * 2


def test_label_counts_leave_no_label_impossible_or_certain() -> None:
    assert links.find("sigmoid").prior_of_counts([0, 4, 1], 4).tolist() == [0.125, 0.875, 0.25]
    for counts, total in (([-1], 4), ([5], 4), ([0], 0)):
        with pytest.raises(ValueError, match="expected"):
            links.find("sigmoid").prior_of_counts(counts, total)


def test_stated_shares_are_completed_by_natural_ones_of_labels_alone() -> None:
    natural = np.array([0.9, 0.1])
    assert links.find("sigmoid").stated({"b": 0.5}, ("a", "b"), natural).tolist() == [0.9, 0.5]
    assert links.find("softmax").stated({"b": 0.25, "a": 0.75}, ("a", "b"), natural).tolist() == [0.75, 0.25]
    with pytest.raises(ValueError, match=r"states no share for class 'a'; state one for each of \['a', 'b'\]"):
        links.find("softmax").stated({"b": 0.5}, ("a", "b"), natural)
    for name in links.names():
        with pytest.raises(ValueError, match="must be shares between 0 and 1"):
            links.find(name).stated({"a": 1.0, "b": 0.5}, ("a", "b"), natural)


def test_an_unknown_link_is_refused() -> None:
    with pytest.raises(ValueError, match=r"link is 'probit'; expected one of \['sigmoid', 'softmax'\]"):
        links.find("probit")
