"""Every box loss: values by hand, limits, and gradients that are finite and right."""

import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor
from torchvision.ops import box_iou

from counterpoise.config import InputError
from counterpoise.detection import box_losses

PARAMS: dict[str, dict[str, float]] = {
    "smooth_l1": {"beta": 1 / 9},
    "balanced_l1": {"alpha": 0.5, "gamma": 1.5},
    "bounded_iou": {"beta": 0.2},
}
ON_BOXES = [name for name in box_losses.names() if box_losses.find(name).ON == "boxes"]
ON_DELTAS = [name for name in box_losses.names() if box_losses.find(name).ON == "deltas"]


def of(name: str, predicted: Any, target: Any) -> Tensor:
    module: Any = box_losses.find(name)
    first = torch.as_tensor(predicted, dtype=torch.float64).reshape(-1, module.OUTPUTS)
    second = torch.as_tensor(target, dtype=torch.float64).reshape(-1, 4)
    found: Tensor = module.loss(first, second, module.Params(**PARAMS.get(name, {})))
    return found


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("l1", (0.05, 0.5, 2.0)),
        ("l2", (0.00125, 0.125, 2.0)),
        ("smooth_l1", (0.01125, 0.444444, 1.944444)),
    ],
)
def test_values_of_differences_by_hand(name: str, values: tuple[float, ...]) -> None:
    found = [of(name, [d, 0, 0, 0], [0, 0, 0, 0]).item() for d in (0.05, 0.5, 2.0)]
    assert found == pytest.approx(values, abs=1e-6)


def test_balanced_l1_by_hand_and_continuous_at_one() -> None:
    found = [of("balanced_l1", [d, 0, 0, 0], [0, 0, 0, 0]).item() for d in (0.5, 1.0, 2.0)]
    assert found == pytest.approx((0.400568, 1.078594, 2.578594), abs=1e-6)
    near, far = (of("balanced_l1", [1 + step, 0, 0, 0], [0, 0, 0, 0]).item() for step in (-1e-9, 1e-9))
    assert near == pytest.approx(far, abs=1e-8)


def test_kl_by_hand_and_half_the_square_where_the_variance_is_one() -> None:
    found = [of("kl", [0.5, 0, 0, 0, a, 0, 0, 0], [0, 0, 0, 0]).item() for a in (0.0, 1.0, -1.0)]
    assert found == pytest.approx((0.125, 0.545985, -0.160215), abs=1e-6)
    assert of("kl", [0.3, -0.2, 0.1, 0.9, 0, 0, 0, 0], [0, 0, 0, 0]).item() == pytest.approx(
        of("l2", [0.3, -0.2, 0.1, 0.9], [0, 0, 0, 0]).item()
    )


def test_kl_is_least_where_the_variance_is_the_squared_error() -> None:
    values = [of("kl", [0.5, 0, 0, 0, a, 0, 0, 0], [0, 0, 0, 0]).item() for a in torch.linspace(-4, 2, 601).tolist()]
    assert -4 + 0.01 * values.index(min(values)) == pytest.approx(2 * torch.tensor(0.5).log().item(), abs=0.01)


@pytest.mark.parametrize(
    ("name", "value"),
    [("iou", 1.098612), ("giou", 0.916667), ("diou", 0.697917), ("ciou", 0.731668), ("bounded_iou", 1.366667)],
)
def test_values_of_boxes_by_hand(name: str, value: float) -> None:
    assert of(name, [0, 0, 4, 2], [1, 0, 3, 4]).item() == pytest.approx(value, abs=1e-5)


def test_bounded_iou_of_a_moved_box_by_hand() -> None:
    assert of("bounded_iou", [0.5, 0, 4.5, 2], [0, 0, 4, 2]).item() == pytest.approx(0.3, abs=1e-6)


@pytest.mark.parametrize("name", [name for name in box_losses.names() if name != "kl"])
def test_a_right_box_has_no_loss(name: str) -> None:
    assert of(name, [3, 4, 9, 16], [3, 4, 9, 16]).item() == pytest.approx(0, abs=1e-6)


def test_of_boxes_that_lie_apart_only_iou_and_bounded_iou_have_no_pull() -> None:
    for name in ON_BOXES:
        predicted = torch.tensor([[0.0, 0.0, 2.0, 2.0]], dtype=torch.float64, requires_grad=True)
        module = box_losses.find(name)
        target = torch.tensor([[50.0, 0.0, 52.0, 2.0]], dtype=torch.float64)
        (gradient,) = torch.autograd.grad(
            module.loss(predicted, target, module.Params(**PARAMS.get(name, {}))), predicted
        )
        assert bool(gradient.any()) == (name in ("giou", "diou", "ciou")), name


@pytest.mark.parametrize("name", box_losses.names())
def test_gradients_are_those_of_finite_differences_on_small_boxes(name: str) -> None:
    module, generator = box_losses.find(name), torch.Generator().manual_seed(0)
    params = module.Params(**PARAMS.get(name, {}))
    target = torch.tensor([[10.0, 10.0, 11.3, 11.1], [5.0, 5.0, 9.0, 30.0]], dtype=torch.float64)
    moved = target + 0.4 * torch.rand(2, 4, generator=generator, dtype=torch.float64)
    if module.ON == "deltas":
        target, moved = target / 40, moved / 40
        moved = torch.cat([moved, torch.randn(2, module.OUTPUTS - 4, generator=generator, dtype=torch.float64)], dim=1)
    target = target.clone()

    if name == "ciou":  # the weight of the aspect ratio is a constant of the gradient, as its source says
        wanted = _differences(_with_weight_of(moved, target), moved)
        torch.testing.assert_close(_gradient(module, moved, target, params), wanted, atol=1e-6, rtol=1e-5)
        return
    assert torch.autograd.gradcheck(lambda x: module.loss(x, target, params), moved.requires_grad_())


def _with_weight_of(boxes: Tensor, target: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the sum of `ciou` as a function of boxes, the weight of the aspect ratio being that of some boxes."""

    def ratio(of: Tensor) -> Tensor:
        return torch.atan((of[:, 2] - of[:, 0]) / (of[:, 3] - of[:, 1]))

    def different(of: Tensor) -> Tensor:
        return 4 / math.pi**2 * (ratio(target) - ratio(of)) ** 2

    diou: Any = box_losses.find("diou")
    iou = box_iou(boxes, target).diagonal()
    weight = different(boxes) / (1 - iou + different(boxes))
    return lambda of: (diou.loss(of, target, diou.Params()) + weight * different(of)).sum()


def _differences(of: Callable[[Tensor], Tensor], at: Tensor, step: float = 1e-6) -> Tensor:
    """Compute the gradient by central differences."""
    steps = step * torch.eye(at.numel(), dtype=at.dtype).reshape(-1, *at.shape)
    return torch.stack([(of(at + one) - of(at - one)) / (2 * step) for one in steps]).reshape(at.shape)


def _gradient(module: Any, predicted: Tensor, target: Tensor, params: Any) -> Tensor:
    predicted = predicted.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(module.loss(predicted, target, params).sum(), predicted)
    return gradient


@pytest.mark.parametrize("name", ON_BOXES)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_point_a_pixel_and_a_huge_box_have_finite_losses_and_gradients(name: str, dtype: torch.dtype) -> None:
    module = box_losses.find(name)
    predicted = torch.tensor([[7, 7, 7, 7], [7, 7, 8, 8], [0, 0, 60_000, 60_000], [9, 9, 3, 3]], dtype=dtype)
    target = torch.tensor([[7, 7, 8, 8]], dtype=torch.float32).repeat(4, 1)
    params = module.Params(**PARAMS.get(name, {}))
    assert torch.isfinite(module.loss(predicted, target, params)).all()
    assert torch.isfinite(_gradient(module, predicted, target, params)).all()


@pytest.mark.parametrize("name", ON_DELTAS)
def test_large_offsets_in_half_precision_do_not_overflow(name: str) -> None:
    module = box_losses.find(name)
    predicted = torch.full((2, module.OUTPUTS), 400.0, dtype=torch.float16)
    predicted[:, 4:] = -12
    params = module.Params(**PARAMS.get(name, {}))
    found = module.loss(predicted, torch.zeros(2, 4), params)
    assert found.dtype == torch.float32
    assert torch.isfinite(found).all()


@pytest.mark.parametrize("log_variance", [-1e4, -89.0, 89.0, 1e4])
def test_kl_is_finite_however_sure_or_unsure_the_network_is(log_variance: float) -> None:
    module = box_losses.find("kl")
    for error in (0.0, 0.5, 1e4):
        predicted = torch.tensor([[error, 0, 0, 0, *[log_variance] * 4]])
        assert torch.isfinite(module.loss(predicted, torch.zeros(1, 4), module.Params())).all()
        assert torch.isfinite(_gradient(module, predicted, torch.zeros(1, 4), module.Params())).all()


@pytest.mark.parametrize(("alpha", "gamma"), [(0.1, 5.0), (10.0, 1e-3), (10.0, 5.0)])
def test_balanced_l1_is_finite_at_the_bounds_of_its_parameters(alpha: float, gamma: float) -> None:
    module = box_losses.find("balanced_l1")
    predicted = torch.tensor([[0.0, 0.5, 1.0, 1e4]], requires_grad=True)
    found = module.loss(predicted, torch.zeros(1, 4), module.Params(**{"alpha": alpha, "gamma": gamma}))
    (gradient,) = torch.autograd.grad(found.sum(), predicted)
    assert torch.isfinite(found).all()
    assert torch.isfinite(gradient).all()
    assert gradient[0, 3].item() == pytest.approx(gamma, rel=1e-4)


def test_only_kl_falls_below_zero() -> None:
    assert [name for name in box_losses.names() if box_losses.falls_below_zero(name)] == ["kl"]


@pytest.mark.parametrize("name", box_losses.names())
def test_no_boxes_have_no_losses(name: str) -> None:
    module = box_losses.find(name)
    predicted = torch.zeros(0, module.OUTPUTS, requires_grad=True)
    found = module.loss(predicted, torch.zeros(0, 4), module.Params(**PARAMS.get(name, {})))
    assert found.shape == (0,)
    torch.autograd.grad(found.sum(), predicted)


@pytest.mark.parametrize("name", ON_DELTAS)
def test_an_error_in_any_coordinate_counts_the_same(name: str) -> None:
    width = box_losses.find(name).OUTPUTS
    rows = torch.zeros(4, width, dtype=torch.float64)
    rows[range(4), range(4)] = 0.7
    found = of(name, rows, torch.zeros(4, 4))
    torch.testing.assert_close(found, found[:1].expand(4))


def test_a_mistyped_name_gets_a_suggestion() -> None:
    with pytest.raises(InputError, match=r"box_loss is 'gious'; .*did you mean 'giou'"):
        box_losses.find("gious")
