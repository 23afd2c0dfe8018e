"""Section `train` of the parameters, and all of them that a training reads."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterpoise.config import Drawn, Model, Portion, Section, Weighting


class Train(Portion):
    """Section `train`."""

    model_config = ConfigDict(extra="forbid")

    seed: int = Field(ge=0)
    """Decides initialisation, order, dropout and augmentation; apart from `seed`, which decides the split."""
    members: int = Field(ge=1, le=100)
    """Networks that are trained, which differ in initialisation, order, dropout and augmentation; `predict.average`
    says how they speak as one. The first is the one that 1 alone would train."""
    epochs: int = Field(ge=1)
    """At most this many passes over the draws."""
    batch_size: int = Field(ge=1)
    """Examples per step; batches of one epoch are of nearly equal size."""
    accumulate: int = Field(ge=1)
    """Parts that each batch is cut into, which go through the network one after the other and whose gradients are added
    up before the step: less memory for the same batch, except that batch norm, and a loss that looks at its batch, see
    a part at a time. Fewer where a part would be a single example. Not for losses over pairs or rankings."""
    compile: bool
    """Whether `torch.compile` makes the network quicker while it trains; it takes a minute or so first, and needs a C++
    compiler on the CPU."""
    pretrain_frac: float = Field(ge=0, lt=1)
    """Losses over pairs or rankings only: share of the epochs, in [0, 1), that train with plain cross-entropy first, so
    that the ranking begins with scores that mean something. If above 0 it is at least one epoch, and at least one is
    left. The best epoch is looked for among the others."""
    learning_rate: float = Field(gt=0)
    """Highest rate of AdamW, that of the head."""
    first_rate_frac: float = Field(gt=0, le=1)
    """Rate of the backbone's first block that is trained as a share of the head's, in (0, 1]; blocks between them rise
    from one to the other by equal factors. 1 gives all the same rate."""
    weight_decay: float = Field(ge=0)
    """Decoupled weight decay of AdamW; it spares biases and norms."""
    schedule: Literal["cosine", "step", "constant"]
    """How the rate falls."""
    step_epochs: int = Field(ge=1)
    """`step` only: the rate is divided by ten every so many epochs."""
    warmup_epochs: float = Field(ge=0)
    """The rate rises during these first epochs."""
    monitor: Literal["loss", "balanced_accuracy", "average_precision", "none"]
    """Validation figure by which the best epoch is chosen: the training's own loss with its weights (least), balanced
    accuracy of the most probable class (of many labels: the mean over labels, each decided from a probability of 0.5
    on; most), or mean average precision over the classes present (most). `none` keeps the last epoch, where a small
    validation would choose by chance and the schedule ends at rest."""
    patience: int = Field(ge=1)
    """Stop after so many epochs without a better figure; those of `pretrain_frac` do not count, nor does anything where
    `monitor` is `none`."""
    augment: str
    """Policy applied anew at every draw; `none` where the backbone is frozen."""
    sampler: Literal["as_drawn", "progressive"]
    """`as_drawn`: an epoch is the draws in random order. `progressive`: as many, but from the shares that classes have
    in the first epoch to equal ones in the last."""
    mix: Literal["none", "mixup", "cutmix"]
    """Examples are mixed in pairs, features where the backbone is frozen."""
    mix_alpha: float = Field(gt=0)
    """`mixup` and `cutmix` only: shares are drawn from Beta(mix_alpha, mix_alpha)."""
    classifier: Literal["as_trained", "retrained", "tau_normalised"]
    """The last layer. `retrained`: the head is trained anew on the features that the network has learned, of every tile
    of train as it is, drawn so that classes are even (cRT). `tau_normalised`: each class's weights are divided by their
    length to a power that decides best on validation, and the bias is dropped."""


class Settings(Section):
    """What a training reads."""

    loss: str
    losses: dict[str, dict[str, Any]]
    seed: int = Field(ge=0)
    model: Model
    oversample: Drawn
    weighting: Weighting
    train: Train
