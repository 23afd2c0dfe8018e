"""Every adversary: what it finds by hand, and that without strength it changes nothing."""

from typing import Any

import pytest
import torch
from torch import Tensor

from counterpoise.config import InputError
from counterpoise.detection import adversaries
from counterpoise.detection.adversaries import dropout, none, rotation

PARAMS: dict[str, Any] = {
    "none": none.Params(),
    "dropout": dropout.Params(side_frac=1 / 3, step=1),
    "rotation": rotation.Params(degrees=10.0, blocks=4, candidates=5),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def features(count: int = 3, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.rand(count, 8, 7, 7, generator=generator(1)).to(dtype)


def sums(of: Tensor) -> Tensor:
    """A head whose loss falls with every feature."""
    return -of.float().sum(dim=(1, 2, 3))


def test_the_adversaries_there_are() -> None:
    assert adversaries.names() == sorted(PARAMS)


def test_dropout_hides_the_window_that_a_linear_head_needs_most() -> None:
    of = torch.full((2, 1, 7, 7), 0.1)
    of[0, 0, 1:3, 4:6], of[1, 0, 5:7, 0:2] = 1.0, 1.0
    found = dropout.attack(of, sums, PARAMS["dropout"], generator())
    assert (found[0, 0] == 0).nonzero().tolist() == [[1, 4], [1, 5], [2, 4], [2, 5]]
    assert (found[1, 0] == 0).nonzero().tolist() == [[5, 0], [5, 1], [6, 0], [6, 1]]
    assert ((found == of) | (found == 0)).all()


def test_dropout_finds_the_worst_of_all_windows() -> None:
    of, weights = features(4), torch.randn(8, 7, 7, generator=generator(2))

    def losses_of(x: Tensor) -> Tensor:
        return -(x * weights).sum(dim=(1, 2, 3))

    found = losses_of(dropout.attack(of, losses_of, PARAMS["dropout"], generator()))
    worst = torch.full((4,), -torch.inf)
    for y in range(6):
        for x in range(6):
            mask = torch.ones(7, 7)
            mask[y : y + 2, x : x + 2] = 0
            worst = torch.maximum(worst, losses_of(of * mask))
    torch.testing.assert_close(found, worst)


def test_a_window_as_large_as_the_region_hides_all() -> None:
    assert not dropout.attack(features(), sums, dropout.Params(side_frac=1.0, step=1), generator()).any()


def test_turning_by_a_quarter_by_hand() -> None:
    of = torch.arange(9.0).reshape(1, 1, 3, 3)
    found = rotation.turned(of, torch.tensor([[90.0]]))
    torch.testing.assert_close(found, torch.rot90(of, 1, dims=(2, 3)), atol=1e-5, rtol=0)


def test_turning_keeps_angles_where_regions_are_not_square() -> None:
    of = torch.zeros(1, 1, 9, 5)
    of[0, 0, 4, 4] = 1.0  # two cells right of the centre; a quarter turn puts it two cells above
    found = rotation.turned(of, torch.tensor([[90.0]]))
    assert found[0, 0, 2, 2].item() == pytest.approx(1, abs=1e-5)


def test_blocks_of_channels_turn_by_angles_of_their_own() -> None:
    of = features(2)
    found = rotation.turned(of, torch.tensor([[0.0, 90.0], [180.0, 0.0]]))
    torch.testing.assert_close(found[0, :4], of[0, :4], atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[0, 4:], torch.rot90(of[0, 4:], 1, dims=(1, 2)), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(found[1, :4], torch.rot90(of[1, :4], 2, dims=(1, 2)), atol=1e-5, rtol=1e-5)


def test_turning_by_nothing_changes_nothing() -> None:
    of = features()
    assert rotation.attack(of, sums, rotation.Params(degrees=0.0, blocks=4, candidates=3), generator()) is of
    torch.testing.assert_close(rotation.turned(of, torch.zeros(3, 4)), of, atol=1e-5, rtol=1e-5)


def test_more_candidates_of_the_same_draws_are_never_easier() -> None:
    of = features(5)
    few, many = (
        sums(rotation.attack(of, sums, rotation.Params(degrees=30.0, blocks=4, candidates=count), generator(3)))
        for count in (1, 20)
    )
    assert (many >= few - 1e-5).all()
    assert (many > few + 1e-3).any()


@pytest.mark.parametrize("name", sorted(PARAMS))
@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
def test_gradients_reach_the_features_and_the_type_stays(name: str, dtype: torch.dtype) -> None:
    of = features(dtype=dtype).requires_grad_()
    found = adversaries.find(name).attack(of, sums, PARAMS[name], generator())
    assert found.shape == of.shape
    assert found.dtype == dtype
    (gradient,) = torch.autograd.grad(found.float().sum(), of)
    assert torch.isfinite(gradient).all()
    assert gradient.any()


@pytest.mark.parametrize("name", ["dropout", "rotation"])
def test_a_head_is_asked_without_gradients(name: str) -> None:
    asked: list[bool] = []

    def losses_of(x: Tensor) -> Tensor:
        asked.append(torch.is_grad_enabled())
        return sums(x)

    adversaries.find(name).attack(features(), losses_of, PARAMS[name], generator())
    assert len(asked) == {"dropout": 36, "rotation": 5}[name]
    assert not any(asked)
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("name", sorted(PARAMS))
def test_without_regions_there_is_nothing_to_attack(name: str) -> None:
    assert adversaries.find(name).attack(features(0), sums, PARAMS[name], generator()).shape == (0, 8, 7, 7)


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"detector.adversary is 'rotations'; .*did you mean 'rotation'"):
        adversaries.find("rotations")
