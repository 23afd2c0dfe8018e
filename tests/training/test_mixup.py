"""Mixtures by hand, and what a mixed label means."""

import pytest
import torch
from torch.nn import functional

from counterpoise.training import mixup


def pictures(n: int = 6) -> torch.Tensor:
    """Every picture is its own number everywhere."""
    return torch.arange(n, dtype=torch.float32)[:, None, None, None].expand(n, 3, 16, 12).clone()


def test_mixup_averages_every_example_with_its_partner() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(6, 3, 5, 4)
    mixed = mixup.mix("mixup", inputs, 1.0)
    assert 0 < mixed.share < 1
    assert sorted(mixed.partner.tolist()) == list(range(6))
    assert (mixed.partner != torch.arange(6)).all()
    torch.testing.assert_close(mixed.inputs, mixed.share * inputs + (1 - mixed.share) * inputs[mixed.partner])


def test_mixup_takes_features_too() -> None:
    torch.manual_seed(0)
    inputs = torch.randn(6, 9)
    mixed = mixup.mix("mixup", inputs, 1.0)
    torch.testing.assert_close(mixed.inputs, mixed.share * inputs + (1 - mixed.share) * inputs[mixed.partner])


def test_cutmix_pastes_a_rectangle_whose_area_is_the_share_of_the_partner() -> None:
    torch.manual_seed(3)
    mixed = mixup.mix("cutmix", pictures(), 1.0)
    assert 0 < mixed.share < 1
    for own, other, picture in zip(range(6), mixed.partner.tolist(), mixed.inputs, strict=True):
        assert set(picture.unique().tolist()) == {own, other}
        assert (picture == own).double().mean().item() == pytest.approx(mixed.share)


def test_shares_are_those_of_a_beta_distribution() -> None:
    torch.manual_seed(0)
    found = torch.tensor([mixup.mix("mixup", torch.zeros(2, 1), 2.0).share for _ in range(3000)])
    assert found.mean().item() == pytest.approx(0.5, abs=0.02)
    assert found.var().item() == pytest.approx(1 / 20, rel=0.1)  # of Beta(2, 2)


def test_the_loss_of_a_mixture_is_the_cross_entropy_of_a_mixed_label() -> None:
    torch.manual_seed(0)
    logits, targets = torch.randn(6, 3), torch.arange(6) % 3
    mixed = mixup.mix("mixup", torch.randn(6, 9), 1.0)
    ours = mixed.loss(
        functional.cross_entropy(logits, targets), functional.cross_entropy(logits, targets[mixed.partner])
    )
    one_hot = functional.one_hot(targets, 3).float()
    soft = mixed.share * one_hot + (1 - mixed.share) * one_hot[mixed.partner]
    torch.testing.assert_close(ours, functional.cross_entropy(logits, soft))


@pytest.mark.parametrize("name", mixup.NAMES)
def test_a_batch_of_one_stays_as_it_is(name: str) -> None:
    inputs = torch.randn(1, 3, 8, 8)
    mixed = mixup.mix(name, inputs, 1.0)
    torch.testing.assert_close(mixed.inputs, inputs)
    assert mixed.partner.tolist() == [0]


def test_inputs_are_left_untouched() -> None:
    inputs = torch.randn(4, 3, 8, 8)
    kept = inputs.clone()
    for name in mixup.NAMES:
        mixup.mix(name, inputs, 1.0)
    assert torch.equal(inputs, kept)


def test_what_cannot_be_mixed_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cutmix needs images of shape"):
        mixup.mix("cutmix", torch.zeros(2, 9), 1.0)
    with pytest.raises(ValueError, match=r"mix is 'blend'; expected one of \['mixup', 'cutmix'\]"):
        mixup.mix("blend", torch.zeros(2, 9), 1.0)
