"""How a detector is taught: its losses become one, and average precision on validation chooses the best epoch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise.boxes import average_precision, matching
from counterpoise.dataset.inputs import in_order
from counterpoise.detection import backbone
from counterpoise.detection.task_weights import Combine
from counterpoise.detection.teaching import Found, Lesson, Truth
from counterpoise.engine import process_group
from counterpoise.networks import freezing
from counterpoise.networks.devices import Compute
from counterpoise.training.box_examples import BoxExamples
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Train
from counterpoise.training.teaching import Step


class Combined(nn.Module):
    """A detector, and how its losses become one, which may have parameters of its own."""

    def __init__(self, detector: nn.Module, combine: Combine) -> None:
        super().__init__()
        self.detector = detector
        self.combine = combine

    def train(self, mode: bool = True) -> Combined:
        """Switch to training mode; frozen layers stay in evaluation mode."""
        super().train(mode)
        if mode:
            freezing.hold(self.detector)
        return self

    def forward(
        self, images: Tensor, truth: Sequence[Truth] | None = None, lesson: Lesson | None = None
    ) -> Tensor | list[Found]:
        """Return the loss of a batch, a scalar, or without truth what is found in each picture."""
        if truth is None:
            found: list[Found] = self.detector(images)
            return found
        return self.combine(self.detector(images, truth, lesson))


class Boxes:
    """Teaching of a `Combined` detector."""

    def loss(self, network: nn.Module, step: Step, params: Train) -> Tensor:
        """Compute the combined loss of the detector."""
        goal = step.goal
        assert isinstance(goal, Objective), "losses over pairs or rankings, which start later, are refused"
        lesson = Lesson(goal.values, torch.default_generator, step.progress)
        with step.autocast():
            loss: Tensor = network(step.inputs, step.targets, lesson)
        return loss

    def validate(
        self, network: nn.Module, val: BoxExamples, objective: Objective, compute: Compute, batch_size: int
    ) -> dict[str, float]:
        """Compute the loss and the average precision of the boxes of tiles, before scenes merge them.

        Returns:
            `val/loss`, `val/ap50` and `val/average_precision` (of IoUs 0.5 to 0.95), means over the classes present;
            all NaN if a loss is not finite.
        """
        network.eval()
        generator = torch.Generator().manual_seed(0)
        lesson = Lesson(objective.values, generator, 1 - 1e-9)
        order = process_group.shard(in_order(len(val.inputs), max(1, batch_size // 4)))
        own, rows = [], []
        for numbers, (images, truth) in zip(order, val.batches(order, compute.device), strict=True):
            with torch.inference_mode(), compute.autocast():
                loss = network(images, truth, lesson)
                found: list[Found] = network(images)
            own.append([float(loss) * len(numbers), float(len(numbers))])
            rows += [
                _rows(int(number), shown, boxes) for number, shown, boxes in zip(numbers, truth, found, strict=True)
            ]
        sums = process_group.gather(torch.tensor(own, dtype=torch.float64).reshape(-1, 2)).sum(dim=0)
        parts = [process_group.gather(torch.cat(part)) for part in zip(*rows, strict=True)]
        loss_of_all = float(sums[0] / sums[1])
        if not np.isfinite(loss_of_all):
            return dict.fromkeys(("val/loss", "val/ap50", "val/average_precision"), float("nan"))
        return process_group.broadcast({"val/loss": loss_of_all} | figures(*parts, classes=val.targets.shape[1]))

    def rate_fracs(self, network: nn.Module, first_frac: float) -> Mapping[str, float]:
        """Return those of the blocks of the backbone."""
        for name, module in network.named_modules():
            if backbone.is_maps(module):
                fracs = freezing.rate_fracs(module.get_submodule("body"), first_frac)
                return {f"{name}.body.{key}": frac for key, frac in fracs.items()}
        raise ValueError("the detector has no backbone")


def _rows(number: int, truth: Truth, found: Found) -> tuple[Tensor, Tensor]:
    """Write what a picture shows, and what was found, as rows (image, class, corners, score or whether ignored)."""

    def table(labels: Tensor, boxes: Tensor, last: Tensor) -> Tensor:
        first = torch.full((len(labels), 1), float(number), device=labels.device, dtype=torch.float64)
        return torch.cat([first, labels[:, None].double(), boxes.double(), last[:, None].double()], dim=1).cpu()

    places, objects = len(truth.ignored), torch.zeros_like(truth.labels)
    ignored = table(truth.labels.new_full((places,), -1), truth.ignored, truth.labels.new_ones(places))
    shown = torch.cat([table(truth.labels, truth.boxes, objects), ignored])
    return shown, table(found.labels, found.boxes, found.scores)


def figures(shown: Tensor, found: Tensor, *, classes: int) -> dict[str, float]:
    """Compute average precision at an IoU of 0.5, and its mean over IoUs of 0.5 to 0.95.

    Args:
        shown: (m, 7) float64 rows: image, class, corners, whether ignored; a class of -1 is ignored for all.
        found: (n, 7) float64 rows: image, class, corners, score.
        classes: Their number.

    Returns:
        `val/ap50` and `val/average_precision`, means over the classes that are there; 0 if there is none.
    """
    there = shown.numpy()
    of_all = there[there[:, 1] < 0]
    of_each = [np.column_stack([of_all[:, 0], np.full(len(of_all), k), of_all[:, 2:]]) for k in range(classes)]
    there = np.concatenate([there[there[:, 1] >= 0], *of_each])
    truth = matching.Truth(there[:, 0].astype(np.int64), there[:, 1].astype(np.int64), there[:, 2:6], there[:, 6] == 1)
    rows = found.numpy()
    detections = matching.Detections(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), rows[:, 2:6], rows[:, 6])
    matches = matching.match(detections, truth)
    images = int(max(there[:, 0].max(initial=0), rows[:, 0].max(initial=0))) + 1
    present = np.unique(truth.label[~truth.ignore])
    precisions = np.array(
        [
            [
                average_precision.average_precision(
                    average_precision.curve(detections, truth, matches, label=int(k), images=images, threshold=t)
                )
                for t in range(len(matching.IOUS))
            ]
            for k in present
        ]
    ).reshape(-1, len(matching.IOUS))
    if not len(present):
        return {"val/ap50": 0.0, "val/average_precision": 0.0}
    return {"val/ap50": float(precisions[:, 0].mean()), "val/average_precision": float(precisions.mean())}
