"""Averages against scipy and by hand, what they do to a shift of the prior, and views that form a group."""

import numpy as np
import pytest
import torch
from scipy import special
from torch import Tensor, nn

from counterpoise.networks import ensembling
from counterpoise.networks.tta import VIEWS


def given(count: int = 3) -> list[Tensor]:
    rng = np.random.default_rng(0)
    return [torch.from_numpy(rng.normal(size=(20, 4)) * 3).float() for _ in range(count)]


def test_the_mean_of_probabilities_is_that_of_scipy() -> None:
    logits = given()
    classes = ensembling.average(logits, "probabilities", "multiclass")
    expected = np.mean([special.softmax(own.double().numpy(), axis=1) for own in logits], axis=0)
    np.testing.assert_allclose(classes.softmax(dim=1).numpy(), expected, rtol=1e-5)
    np.testing.assert_allclose(classes.numpy(), np.log(expected), rtol=1e-5, atol=1e-6)
    labels = ensembling.average(logits, "probabilities", "multilabel")
    expected = np.mean([special.expit(own.double().numpy()) for own in logits], axis=0)
    np.testing.assert_allclose(labels.numpy(), special.logit(expected), rtol=1e-4, atol=1e-5)


def test_the_mean_of_logits_is_the_normalised_geometric_mean_of_the_probabilities() -> None:
    logits = given()
    found = ensembling.average(logits, "logits", "multiclass").softmax(dim=1)
    geometric = torch.stack([own.softmax(dim=1) for own in logits]).log().mean(dim=0).exp()
    torch.testing.assert_close(found, geometric / geometric.sum(dim=1, keepdim=True))


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_shift_of_the_prior_passes_through_the_mean_of_logits_and_not_of_probabilities(task: str) -> None:
    logits, shift = given(), torch.tensor([2.0, 0.0, -1.0, 0.5])

    def distance(how: str) -> float:
        moved = ensembling.average([own + shift for own in logits], how, task)
        expected = ensembling.average(logits, how, task) + shift
        normalised = [z - z.logsumexp(dim=1, keepdim=True) if task == "multiclass" else z for z in (moved, expected)]
        return float((normalised[0] - normalised[1]).abs().max())

    assert distance("logits") < 1e-5
    assert distance("probabilities") > 0.1


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_certainty_stays_finite(task: str) -> None:
    sure = [torch.tensor([[1e4, -1e4]]), torch.tensor([[2e4, -3e4]])]
    assert ensembling.average(sure, "probabilities", task).isfinite().all()


@pytest.mark.parametrize("how", ["logits", "probabilities"])
def test_one_alone_is_left_as_it_is(how: str) -> None:
    (alone,) = given(1)
    assert ensembling.average([alone], how, "multiclass") is alone


def test_an_unknown_average_is_refused() -> None:
    with pytest.raises(ValueError, match=r"predict\.average is 'median'"):
        ensembling.average(given(), "median", "multiclass")


class Corner(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images[:, :2, 0, 0] * 3


@pytest.mark.parametrize("how", ["logits", "probabilities"])
@pytest.mark.parametrize("name", ["flips", "dihedral"])
def test_what_is_said_of_a_picture_is_said_of_each_of_its_views(name: str, how: str) -> None:
    images = torch.from_numpy(np.random.default_rng(0).normal(size=(4, 3, 6, 6))).float()
    network = ensembling.Averaged([Corner()], VIEWS[name], how, "multiclass")
    for view in VIEWS[name]:
        torch.testing.assert_close(network(view(images)), network(images))
    assert not torch.allclose(Corner()(images), network(images))
