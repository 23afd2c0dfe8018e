"""Small plans, pictures and lessons for the tests of dense detectors."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from counterpoise.detection import guided_anchors
from counterpoise.detection.detectors import DetectorModule, Plan, find
from counterpoise.detection.settings import Anchors, Cascade, Detector, Options
from counterpoise.detection.teaching import ClassLoss, Lesson, Truth

OPTIONS: dict[str, dict[str, Any]] = {
    "none": {},
    "carl": {"bias": 0.2, "power": 1.0},
    "isr": {"bias": 0.0, "power": 2.0},
    "pisa": {"isr": {"bias": 0.0, "power": 2.0}, "carl": {"bias": 0.2, "power": 1.0}},
}
BOX_PARAMS: dict[str, dict[str, Any]] = {
    "smooth_l1": {"beta": 0.1},
    "balanced_l1": {"alpha": 0.5, "gamma": 1.5},
    "bounded_iou": {"beta": 0.2},
}


class Maps(nn.Module):
    """Two convolutions with strides of 8 and 16 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 9, stride=8, padding=4)
        self.second = nn.Conv2d(8, 8, 3, stride=2, padding=1)

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        first = self.first(images).relu()
        return {"0": first, "1": self.second(first).relu()}


GUIDED = guided_anchors.Params(scale=8.0, centre_frac=0.2, ignore_frac=0.5, least_score=0.01)


def section(name: str, **changes: Any) -> Detector:
    stated: dict[str, Any] = {
        "name": name,
        "neck": "none",
        "channels": 32,
        "levels": [2, 3],
        "extra_levels": 1,
        "freeze_norms": True,
        "anchors": Anchors(kind="stated", sizes_px=[16.0], ratios=[1.0], count=1, guided=GUIDED),
        "sampler": "every",
        "samples": 64,
        "positive_frac": 0.25,
        "proposals": "rpn",
        "proposal_count": 100,
        "hidden": 8,
        "prime": "none",
        "task_weights": "fixed",
        "box_weight": 1.0,
        "adversary": "none",
        "after_regression": False,
        "cascade": Cascade(ious=[0.5], weights=[1.0]),
        "options": Options(prime=OPTIONS, proposals={}, adversary={}),
    }
    return Detector(**{**stated, **changes})


def plan(name: str, box_loss: str = "giou", classes: int = 3, **changes: Any) -> Plan:
    of = section(name, **changes)
    sides = [((s, s), (s * 1.4, s / 1.4)) for s in (16.0, 32.0, 64.0, 128.0)[: len(of.levels) + of.extra_levels]]
    anchors = tuple(sides) if find(name).HAS_ANCHORS else ()
    return Plan("none", classes, 64, of, box_loss, BOX_PARAMS.get(box_loss, {}), anchors)


def build(of: Plan, seed: int = 0) -> Any:
    module: DetectorModule = find(of.detector.name)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return module.build(Maps(), [8, 8], [8, 16], of)


def pictures(count: int = 2, size: tuple[int, int] = (64, 96)) -> Tensor:
    return torch.rand(count, 3, *size, generator=torch.Generator().manual_seed(3))


def truth(boxes: list[list[float]], labels: list[int], ignored: list[list[float]] | None = None) -> Truth:
    return Truth(
        torch.tensor(boxes).reshape(-1, 4),
        torch.tensor(labels, dtype=torch.int64),
        torch.tensor(ignored or []).reshape(-1, 4),
    )


def bce(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def softmax(logits: Tensor, targets: Tensor) -> Tensor:
    return nn.functional.cross_entropy(logits, targets, reduction="none")


def lesson(name: str, progress: float = 0.5, class_loss: ClassLoss | None = None) -> Lesson:
    losses: Mapping[str, ClassLoss] = {"multilabel": bce, "multiclass": softmax}
    return Lesson(class_loss or losses[find(name).LINK], torch.Generator().manual_seed(0), progress)
