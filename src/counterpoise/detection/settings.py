"""Section `detector` of `params.yaml`."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field

from counterpoise.config import Section
from counterpoise.detection import guided_anchors

Iou = Annotated[float, Field(gt=0, lt=1)]
Side = Annotated[float, Field(gt=0, le=10_000)]


class Anchors(Section):
    """Block `detector.anchors`."""

    kind: Literal["stated", "fitted", "guided"]
    """Where the shapes of anchors come from. `stated`: `sizes_px` and `ratios`; `fitted`: k-means over the boxes of
    train, `count` for each level; `guided`: the network predicts them (two-stage detectors)."""
    sizes_px: list[Side] = Field(min_length=1, max_length=8)
    """`stated` only: side of a square anchor of each level, finest first, in pixels of the network's input."""
    ratios: list[Annotated[float, Field(gt=0, le=20)]] = Field(min_length=1, max_length=9)
    """`stated` only: height over width of the anchors of each level."""
    count: int = Field(ge=1, le=20)
    """`fitted` only: anchors of each level, in 1..20."""
    guided: guided_anchors.Params
    """`guided` only: how locations and shapes are predicted."""


class Cascade(Section):
    """Block `detector.cascade`, of `cascade_rcnn` only."""

    ious: list[Iou] = Field(min_length=1, max_length=5)
    """IoU from which a proposal is an object, for each stage, each in (0, 1)."""
    weights: list[Annotated[float, Field(gt=0, le=10)]] = Field(min_length=1, max_length=5)
    """Weight of the losses of each stage, each in (0, 10]."""


class Options(Section):
    """Block `detector.options`: switch -> value -> its parameters. Only those of the values in use have an effect."""

    prime: dict[str, dict[str, Any]]
    """Parameters of the values of `detector.prime`."""
    proposals: dict[str, dict[str, Any]]
    """Parameters of the values of `detector.proposals`."""
    adversary: dict[str, dict[str, Any]]
    """Parameters of the values of `detector.adversary`."""


class Detector(Section):
    """Section `detector`: the network of task `detection`; other tasks do not read it."""

    model_config = ConfigDict(extra="forbid")

    name: str
    """Kind of detector: `faster_rcnn` and `cascade_rcnn` (two stages), `retinanet`, `ssd` and `fcos` (dense)."""
    neck: str
    """What joins the maps of the backbone: `none`, `fpn` or `pafpn`."""
    channels: int = Field(ge=8, le=1024)
    """Channels of each map after the neck, in 8..1024; `fcos` needs a multiple of 32."""
    levels: list[Annotated[int, Field(ge=0, le=15)]] = Field(min_length=1, max_length=8)
    """Maps of the backbone that are used, by their place in timm's list, rising; 1 to 4 of `tf_efficientnet_lite0`
    have strides of 4, 8, 16 and 32 pixels."""
    extra_levels: int = Field(ge=0, le=4)
    """Coarser maps after the neck, each half the size of the one before, in 0..4, for large objects."""
    freeze_norms: bool
    """Whether batch norms of the backbone keep their pretrained statistics, which small batches need."""
    anchors: Anchors
    """Shapes of the anchors; `fcos` has none."""
    sampler: str
    """Which anchors (dense detectors) or proposals (second stage) teach the classification: `random`, `hard_negative`,
    `ohem`, `iou_balanced` or `every`."""
    samples: int = Field(ge=8, le=100_000)
    """How many of them an image has at most, where the sampler keeps to a number, in 8..100,000."""
    positive_frac: float = Field(gt=0, le=1)
    """Largest share of them that may be objects, in (0, 1]; `hard_negative` takes three of background per object."""
    proposals: str
    """What teaches the second stage: `rpn`, the proposals of the first; `iou_uniform`, also boxes of every overlap."""
    proposal_count: int = Field(ge=10, le=10_000)
    """Two-stage detectors only: proposals of an image that the second stage sees, in 10..10,000."""
    hidden: int = Field(ge=8, le=8192)
    """Units of the second stage's hidden layers, in 8..8192."""
    prime: str
    """Which positives matter most: `none`, `carl`, `isr` or `pisa`."""
    task_weights: str
    """How the losses become one: `fixed`, `guided` or `uncertainty`."""
    box_weight: float = Field(gt=0, le=100)
    """Factor of the box losses before they are combined, in (0, 100]; losses of overlap need about 10 in a second
    stage."""
    adversary: str
    """What makes regions harder for the second stage: `none`, `dropout` or `rotation`."""
    after_regression: bool
    """Dense detectors with anchors only: whether a class is decided from features where the box was predicted."""
    cascade: Cascade
    """Stages of `cascade_rcnn`."""
    options: Options
    """Parameters of the switches above."""
