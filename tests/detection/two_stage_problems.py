"""A detector of two stages, small enough to train in a test, and pictures for it."""

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from counterpoise.detection import detectors
from counterpoise.detection.detectors import Plan
from counterpoise.detection.settings import Detector
from counterpoise.detection.teaching import Found, Lesson, Truth

CLASSES, SIDE = 3, 64
CHANNELS, STRIDES = (8, 16), (4, 8)
NONE = torch.zeros(0, 4)
OPTIONS: dict[str, dict[str, Any]] = {
    "prime": {
        "carl": {"bias": 0.2, "power": 1.0},
        "isr": {"bias": 0.0, "power": 2.0},
        "pisa": {"isr": {"bias": 0.0, "power": 2.0}, "carl": {"bias": 0.2, "power": 1.0}},
    },
    "proposals": {
        "iou_uniform": {"count": 8, "least_iou": 0.5, "most_iou": 0.95},
    },
    "adversary": {
        "dropout": {"side_frac": 0.4, "step": 2},
        "rotation": {"degrees": 20.0, "blocks": 2, "candidates": 2},
    },
    "task_weights": {},
}
GUIDED = {"scale": 4.0, "centre_frac": 0.2, "ignore_frac": 0.5, "least_score": 0.01}
ANCHORS = {"kind": "stated", "sizes_px": [8, 16, 32], "ratios": [1.0], "count": 1, "guided": GUIDED}
PLAIN: dict[str, Any] = {
    **{"name": "faster_rcnn", "neck": "fpn", "channels": 16, "levels": [1, 2], "extra_levels": 1},
    **{"freeze_norms": True, "anchors": ANCHORS},
    **{"sampler": "random", "samples": 32, "positive_frac": 0.25, "proposals": "rpn", "proposal_count": 40},
    **{"hidden": 32, "prime": "none", "task_weights": "fixed", "box_weight": 1.0, "adversary": "none"},
    **{"after_regression": False, "cascade": {"ious": [0.5, 0.6], "weights": [1.0, 0.5]}, "options": OPTIONS},
}
BOX_PARAMS: dict[str, Mapping[str, float]] = {
    "smooth_l1": {"beta": 1 / 9},
    "balanced_l1": {"alpha": 0.5, "gamma": 1.5},
    "bounded_iou": {"beta": 0.2},
}


class Maps(nn.Module):
    """Maps of strides 4 and 8."""

    def __init__(self) -> None:
        super().__init__()
        self.fine = nn.Sequential(
            nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(8, 8, 3, stride=2, padding=1), nn.ReLU()
        )
        self.coarse = nn.Sequential(nn.Conv2d(8, 16, 3, stride=2, padding=1), nn.ReLU())

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        fine = self.fine(images)
        return {"0": fine, "1": self.coarse(fine)}


def section(**changes: Any) -> Detector:
    return Detector.model_validate(PLAIN | changes)


def guided() -> dict[str, Any]:
    return {"anchors": PLAIN["anchors"] | {"kind": "guided"}}


def net(*, box_loss: str = "smooth_l1", **changes: Any) -> Any:
    of = section(**changes)
    anchors = tuple(tuple((side / r**0.5, side * r**0.5) for r in of.anchors.ratios) for side in of.anchors.sizes_px)
    anchors = () if of.anchors.kind == "guided" else anchors[: 2 + of.extra_levels]
    plan = Plan("tiny", CLASSES, SIDE, of, box_loss, BOX_PARAMS.get(box_loss, {}), anchors)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return detectors.find(of.name).build(Maps(), CHANNELS, STRIDES, plan)


def class_loss(logits: Tensor, targets: Tensor) -> Tensor:
    assert logits.dtype == torch.float32
    assert logits.shape == (len(targets), 1 + CLASSES)
    assert ((targets >= 0) & (targets <= CLASSES)).all()
    return functional.cross_entropy(logits, targets, reduction="none")


def lesson(seed: int = 0) -> Lesson:
    return Lesson(class_loss, torch.Generator().manual_seed(seed), 0.0)


def truth(boxes: Sequence[Sequence[float]], labels: Sequence[int], ignored: Tensor = NONE) -> Truth:
    return Truth(torch.tensor(boxes, dtype=torch.float32).reshape(-1, 4), torch.tensor(labels).long(), ignored)


TWO = [truth([[8, 8, 24, 30], [36, 30, 60, 50]], [0, 2]), truth([[10, 34, 27, 52]], [1])]
"""What two pictures show."""
MANY = [
    truth([[2, 2, 14, 14], [20, 2, 30, 16], [2, 22, 18, 36], [40, 40, 60, 60]], [0, 0, 0, 1]),
    truth([[8, 8, 30, 30], [34, 34, 50, 52]], [0, 2]),
]
"""Pictures in which several objects are of one class."""


def pictures(shown: Sequence[Truth], side: int = SIDE) -> Tensor:
    """Draw objects as bright boxes, each class in a colour of its own, on noise."""
    drawn = 0.1 * torch.randn(len(shown), 3, side, side, generator=torch.Generator().manual_seed(0))
    for picture, of in zip(drawn, shown, strict=True):
        for box, label in zip(of.boxes.round().long().tolist(), of.labels.tolist(), strict=True):
            picture[label, box[1] : box[3], box[0] : box[2]] += 2
    return drawn


def gradients(detector: nn.Module, images: Tensor, shown: Sequence[Truth], seed: int = 0) -> dict[str, Tensor]:
    """Compute the gradients of the sum of the losses, and check that all are finite."""
    detector.zero_grad()
    losses: dict[str, Tensor] = detector(images, shown, lesson(seed))
    assert tuple(losses) == detector.KEYS
    for name, value in losses.items():
        assert value.dtype == torch.float32, name
        assert torch.isfinite(value), name
    torch.autograd.backward(list(losses.values()))
    found = {}
    for name, parameter in detector.named_parameters():
        assert parameter.grad is not None, name
        assert torch.isfinite(parameter.grad).all(), name
        found[name] = parameter.grad.clone()
    return found


def check_found(found: Sequence[Found], side: int = SIDE) -> None:
    for of in found:
        assert of.boxes.shape == (len(of.scores), 4)
        assert of.labels.dtype == torch.int64
        assert len(of.boxes) <= 300
        assert ((of.boxes >= 0) & (of.boxes <= side)).all()
        assert (of.boxes[:, 2:] > of.boxes[:, :2]).all()
        assert ((of.scores > 0) & (of.scores < 1)).all()
        assert ((of.labels >= 0) & (of.labels < CLASSES)).all()
