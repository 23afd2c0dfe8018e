"""Features where the box was predicted: the plain convolution as a limit, shifts and sides by hand."""

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from counterpoise.detection import after_regression

STRIDE = 8.0


def anchors(height: int = 6, width: int = 5, side: float = 40.0) -> Tensor:
    y, x = torch.meshgrid(torch.arange(height) + 0.5, torch.arange(width) + 0.5, indexing="ij")
    centre = torch.stack([x, y], dim=-1) * STRIDE
    return torch.cat([centre - side / 2, centre + side / 2], dim=-1)


def features() -> Tensor:
    return torch.randn(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))


def weights() -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    return torch.randn(4, 3, 3, 3, generator=generator), torch.randn(4, generator=generator)


def convolve(boxes: Tensor, of: Tensor | None = None) -> Tensor:
    weight, bias = weights()
    of = features() if of is None else of
    return after_regression.convolve(of, boxes, anchors(), stride=STRIDE, weight=weight, bias=bias)


def test_without_regression_it_is_the_plain_convolution() -> None:
    weight, bias = weights()
    found = convolve(anchors().expand(2, -1, -1, -1))
    torch.testing.assert_close(found, functional.conv2d(features(), weight, bias, padding=1), atol=1e-5, rtol=1e-4)


def test_a_box_moved_by_a_cell_sees_what_the_next_cell_saw() -> None:
    right = torch.tensor([STRIDE, 0.0, STRIDE, 0.0])
    found, plain = convolve(anchors().expand(2, -1, -1, -1) + right), convolve(anchors().expand(2, -1, -1, -1))
    torch.testing.assert_close(found[..., :-1], plain[..., 1:], atol=1e-4, rtol=1e-4)


def test_offsets_of_a_wider_and_lower_box_by_hand() -> None:
    boxes = anchors(1, 1).expand(1, -1, -1, -1) + torch.tensor([-12.0, 8.0, 12.0, 8.0])  # 24 wider, 8 lower
    found = after_regression.offsets(boxes, anchors(1, 1), stride=STRIDE)
    pairs = found[0, :, 0, 0].reshape(3, 3, 2)
    assert pairs[..., 0].tolist() == [[1.0] * 3] * 3
    torch.testing.assert_close(pairs[..., 1], torch.tensor([[-1.0, 0.0, 1.0]] * 3))


def test_the_samples_of_a_box_three_cells_wide_on_a_plain_anchor_are_its_cells() -> None:
    boxes = anchors(1, 1, side=3 * STRIDE)[None] + torch.tensor([0.0, -12.0, 0.0, 12.0])
    pairs = after_regression.offsets(boxes, anchors(1, 1, side=3 * STRIDE), stride=STRIDE)[0, :, 0, 0].reshape(3, 3, 2)
    torch.testing.assert_close(pairs[..., 0], torch.tensor([[-1.0] * 3, [0.0] * 3, [1.0] * 3]))
    assert not pairs[..., 1].any()


def test_gradients_reach_the_features_and_not_the_boxes() -> None:
    of, boxes = features().requires_grad_(), anchors().expand(2, -1, -1, -1).clone().requires_grad_()
    gradients = torch.autograd.grad(convolve(boxes * 1.1, of).sum(), [of, boxes], allow_unused=True)
    assert gradients[0] is not None
    assert torch.isfinite(gradients[0]).all()
    assert gradients[1] is None


@pytest.mark.parametrize("box", [[7.0, 7.0, 7.0, 7.0], [-1e6, -1e6, 1e6, 1e6]])
def test_points_and_huge_boxes_have_finite_features(box: list[float]) -> None:
    assert torch.isfinite(convolve(torch.tensor(box).expand(2, 6, 5, 4))).all()


NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    "box", [[NAN] * 4, [NAN, 7.0, 9.0, 9.0], [-INF, -INF, INF, INF], [INF] * 4, [0.0, 0.0, 3e38, 1]]
)
def test_boxes_that_are_not_finite_neither_end_the_process_nor_reach_other_cells(box: list[float]) -> None:
    plain, boxes = convolve(anchors().expand(2, -1, -1, -1)), anchors().expand(2, -1, -1, -1).clone()
    boxes[1, 2, 3] = torch.tensor(box)
    of = features().requires_grad_()
    found, others = convolve(boxes, of), torch.ones(2, 6, 5, dtype=torch.bool)
    (gradient,) = torch.autograd.grad(found.sum(), of)
    assert torch.isfinite(found).all()
    assert torch.isfinite(gradient).all()
    others[1, 2, 3] = False
    torch.testing.assert_close(found.permute(0, 2, 3, 1)[others], plain.permute(0, 2, 3, 1)[others])


def test_a_box_that_is_no_number_sees_what_its_anchor_sees() -> None:
    plain = convolve(anchors().expand(2, -1, -1, -1))
    torch.testing.assert_close(convolve(torch.full((2, 6, 5, 4), NAN)), plain)


def test_offsets_stay_finite_where_half_precision_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import torchvision

    seen: list[torch.Tensor] = []

    def noted(of: torch.Tensor, where: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
        seen.append(where)
        return of

    monkeypatch.setattr(torchvision.ops, "deform_conv2d", noted)
    after_regression.convolve(
        features().half(), torch.full((2, 6, 5, 4), 3e38), anchors(), stride=STRIDE, weight=weights()[0], bias=None
    )
    assert seen[0].dtype == torch.float16
    assert torch.isfinite(seen[0]).all()
