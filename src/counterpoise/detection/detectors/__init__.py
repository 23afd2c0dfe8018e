"""The open set of detectors, a file per kind, found by its name.

A file `detection/detectors/<name>.py` holds `STAGES`, `LINK`, `conflicts` and `build` as in `DetectorModule`. All but
`build` can be read without torch.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, Protocol

from counterpoise import tasks
from counterpoise.config import PATH, InputError, suggest
from counterpoise.detection.settings import Detector

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class Plan:
    """All that rebuilds a detector but its weights.

    Attributes:
        backbone: timm name of the backbone.
        classes: Number of classes c, without background.
        input_px: Side of the square that the network sees; a multiple of the coarsest stride.
        detector: Section `detector`.
        box_loss: Name of the box loss, which decides how many numbers a box has.
        box_params: Its parameters.
        anchors: For each level, finest first, width and height in pixels of each anchor; empty for guided anchors and
            detectors without anchors.
    """

    backbone: str
    classes: int
    input_px: int
    detector: Detector
    box_loss: str
    box_params: Mapping[str, Any]
    anchors: tuple[tuple[tuple[float, float], ...], ...]


class DetectorModule(Protocol):
    """What every file of this folder offers."""

    STAGES: Literal[1, 2]
    """2 for proposals that a second stage refines; 1 for dense heads."""
    LINK: Literal["multiclass", "multilabel"]
    """What its logits mean: softmax over background and classes, or a sigmoid for each class."""
    HAS_ANCHORS: bool
    """Whether it has anchors."""

    def conflicts(self, section: Detector, box_loss: str) -> Iterator[str]:
        """Yield a line for each parameter that does not work with it: what, why, what to set."""

    def build(self, maps: nn.Module, channels: Sequence[int], strides: Sequence[int], plan: Plan) -> nn.Module:
        """Return the detector.

        Args:
            maps: The backbone, as `backbone.build` gives it.
            channels: Channels of its maps, finest first.
            strides: Their strides in pixels.
            plan: All else.

        Returns:
            A module with two forms of a call:
            `detector(images, truth, lesson)`, images (n, 3, s, s) normalised and a `Truth` of each, gives a mapping
            from `KEYS` to scalar losses, each a mean as its paper has it, box losses times `box_weight`; it has an
            attribute `KEYS: tuple[str, ...]`, named as `task_weights` expects.
            `detector(images)` gives a `Found` of each.
        """


def names() -> list[str]:
    """List the detectors there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def find(name: str) -> DetectorModule:
    """Find a detector by its name.

    Raises:
        InputError: There is no such detector.
    """
    if name not in names():
        raise InputError(f"{PATH}: detector.name is {name!r}; {suggest(name, names())}")
    found: DetectorModule = importlib.import_module(f"{__name__}.{name}")
    return found


def task_of_classes(task: str, name: str) -> str:
    """Return the task whose losses and weights suit: that of images, or what the logits of a detector mean.

    Args:
        task: One of `counterpoise.tasks.names()`.
        name: Name of the detector, for tasks with boxes.
    """
    return find(name).LINK if tasks.find(task).HAS_BOXES else task
