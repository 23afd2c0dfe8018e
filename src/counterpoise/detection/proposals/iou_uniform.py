"""IoU-uniform regions: box regression also learns from boxes of every overlap."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import Field

from counterpoise.config import Section
from counterpoise.detection.proposals import Extra

if TYPE_CHECKING:
    from torch import Generator, Tensor

HALVINGS = 50


class Params(Section):
    """Parameters of `detector.proposals: iou_uniform`."""

    count: int = Field(ge=1, le=10000)
    """Extra boxes for each image with objects, from 1 to 10000."""
    least_iou: float = Field(ge=0.1, lt=1)
    """Smallest IoU with the true box, in [0.1, 1)."""
    most_iou: float = Field(gt=0.1, le=1)
    """Largest IoU with the true box, in (0.1, 1]."""


def moved(truth: Tensor, directions: Tensor, ious: Tensor) -> Tensor:
    """Move the sides of boxes along a direction until they overlap what they were as much as asked.

    Args:
        truth: (m, 4) float, boxes of positive area, x0, y0, x1, y1 in pixels.
        directions: (m, 4) float, how far each side goes against the others, in widths and heights; not all 0.
        ious: (m,) float in [0.1, 1].

    Returns:
        (m, 4) boxes of these IoUs.

    Example:
        >>> import torch
        >>> right = torch.tensor([[1.0, 0.0, 1.0, 0.0]])
        >>> found = moved(torch.tensor([[0.0, 0.0, 40.0, 20.0]]), right, torch.tensor([0.6]))
        >>> found.round()  # moved by 40 (1 - 0.6) / (1 + 0.6)
        tensor([[10.,  0., 50., 20.]])
    """
    import torch

    exact, wanted = truth.double(), ious.double()
    directions = directions.double() / directions.double().abs().amax(dim=1, keepdim=True)
    steps = directions * (exact[:, 2:] - exact[:, :2]).repeat(1, 2)
    near = torch.zeros_like(wanted)
    far = (1 / wanted - 1).clamp_min(1)  # one side gone that far leaves at most this IoU, inwards or outwards
    for _ in range(HALVINGS):
        middle = (near + far) / 2
        enough = _overlap(exact, exact + middle[:, None] * steps) >= wanted
        near, far = torch.where(enough, middle, near), torch.where(enough, far, middle)
    return (exact + near[:, None] * steps).to(truth.dtype)


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """Compute the IoU of the boxes of equal rows, 0 where a box has no area."""
    import torch

    def area(low: Tensor, high: Tensor) -> Tensor:
        return (high - low).clamp_min(0).prod(dim=1)

    shared = area(torch.maximum(first[:, :2], second[:, :2]), torch.minimum(first[:, 2:], second[:, 2:]))
    return shared / (area(first[:, :2], first[:, 2:]) + area(second[:, :2], second[:, 2:]) - shared)


def extra(truth: Tensor, params: Params, generator: Generator) -> Extra | None:
    """Draw boxes whose IoU with a true box is uniform between the two bounds.

    The proposals of a first stage are many at an IoU of 0.5 and few at 0.8, so that the regression hardly learns the
    last step. Each box is a true box, chosen at random, with its four sides moved in a random direction.

    Args:
        truth: (k, 4) float, true boxes of positive area.
        params: `count`, `least_iou` and `most_iou`.
        generator: Of boxes, directions and IoUs.

    Returns:
        `count` boxes, which may reach beyond the picture: cutting them would change their IoU. `None` without objects.

    Raises:
        ValueError: `least_iou` is above `most_iou`.

    Source: Zhu et al. (2021), IoU-uniform R-CNN: Breaking Through the Limitations of RPN, with IoUs of 0.5 to 0.95.
        There boxes are drawn until each part of the range has enough; here each has the IoU that it is to have.
    """
    import torch

    if params.least_iou > params.most_iou:
        raise ValueError(f"least_iou is {params.least_iou}, above most_iou, {params.most_iou}")
    if len(truth) == 0:
        return None
    objects = torch.randint(len(truth), (params.count,), generator=generator)
    ious = params.least_iou + (params.most_iou - params.least_iou) * torch.rand(params.count, generator=generator)
    directions = torch.randn(params.count, 4, generator=generator)
    objects = objects.to(truth.device)
    return Extra(moved(truth[objects], directions.to(truth.device), ious.to(truth.device)), objects)
