"""The scale of stored features is fixed before training, and no feature is blown up."""

import pytest
import torch

from counterpoise.networks.heads import Head, build_head, moments


def a_head(width: int) -> Head:
    head = build_head("linear", width, 3, 0.0, seed=0)
    assert isinstance(head, Head)
    return head


def test_the_scale_of_a_feature_is_its_variance_plus_the_mean_of_all():
    features = torch.tensor([[0.0, 10.0, 5.0], [2.0, 14.0, 5.0]])  # variances 1, 4, 0
    head = a_head(3)
    head.standardise(moments(features))
    mean, var, _ = head.statistics()
    assert mean.tolist() == pytest.approx([1.0, 12.0, 5.0])
    assert var.tolist() == pytest.approx([1 + 5 / 3, 4 + 5 / 3, 5 / 3])


def test_without_a_floor_a_constant_feature_has_the_scale_of_its_rounding():
    features = torch.tensor([[0.0, 5.0, 0.0], [2.0, 5.0, 0.0]])
    head = a_head(3)
    head.standardise(moments(features), floor=0.0)
    assert head.statistics()[1].tolist() == pytest.approx([1.0, 25e-12, 1.0])


@pytest.mark.parametrize(("floor", "scales_away"), [(1e-3, 300**0.5), (1e-6, 900**0.25), (0.0, 900**0.25)])
def test_with_a_low_floor_a_feature_that_one_example_has_is_scaled_by_its_fourth_moment(
    floor: float, scales_away: float
):
    features = torch.zeros(300, 2)
    features[0, 0] = 30.0
    features[:, 1] = torch.rand(300, generator=torch.Generator().manual_seed(0)) * 40  # no tails: as without
    found, head = moments(features), a_head(2)
    head.standardise(found, floor)
    mean, var, _ = head.statistics()
    added = floor * float(found.var.mean())
    assert (30 - float(mean[0])) / (float(var[0]) - added) ** 0.5 == pytest.approx(scales_away, rel=0.01)
    assert float(var[1]) - added == pytest.approx(float(found.var[1]))


def test_training_does_not_change_a_fixed_scale():
    features = torch.randn(50, 4, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 10.0, 0.1, 1.0])
    head, free = a_head(4), a_head(4)
    head.standardise(moments(features))
    before = [tensor.clone() for tensor in head.statistics()[:2]]
    for one in (head, free):
        one.train()(features[:10])
    assert all(torch.equal(tensor, now) for tensor, now in zip(before, head.statistics()[:2], strict=True))
    assert not torch.equal(free.statistics()[0], torch.zeros(4))
    assert head.training
    assert head[1].training


def test_moments_are_those_of_float64_however_many_examples_there_are():
    features = torch.randn(10_000, 6, generator=torch.Generator().manual_seed(0)) + 1000
    found = moments(features)
    torch.testing.assert_close(found.mean, features.double().mean(dim=0))
    torch.testing.assert_close(found.var, features.double().var(dim=0, correction=0))
    centred = features.double() - features.double().mean(dim=0)
    torch.testing.assert_close(found.fourth, centred.pow(4).mean(dim=0))
