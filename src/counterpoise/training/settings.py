"""Section `train` of `params.yaml`, and all settings of a training."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import ConfigDict, Field

from counterpoise.config import BatchSize, Drawn, Epochs, Model, Portion, Section, Seed, Visible, Weighting
from counterpoise.detection.settings import Detector


class Train(Portion):
    """Section `train`."""

    model_config = ConfigDict(extra="forbid")

    seed: Seed
    """Random seed of initialisation, order, dropout and augmentation, in 0..2^32 - 1. The seed at the top decides the
    split instead."""
    members: int = Field(ge=1, le=100)
    """Number of networks to train and combine, in 1..100. They differ in initialisation, order, dropout and
    augmentation; with solver `lbfgs`, which has no randomness, all but the first are fitted on bootstraps of the units
    (groups and near duplicates together). `predict.average` says how they are combined. The first is the same network
    as with 1."""
    solver: Literal["lbfgs", "adamw"]
    """How the head or the network is fitted. `lbfgs`: a linear head on stored features (`model.freeze: backbone`)
    minimises the mean loss of all samples by L-BFGS, along a path of L2 penalties from 1 down to 10^-5 that stops once
    validation is worse; validation also chooses how far nearly constant features are scaled up. Only `members`,
    `monitor` and `classifier` below have an effect on it. `adamw`: stochastic steps of AdamW, for other heads, whole
    networks, and losses over pairs, rankings or batches."""
    epochs: Epochs
    """Maximum number of passes over all samples, in 1..100,000."""
    batch_size: BatchSize
    """Examples per step, in 1..65,536. Batches of one epoch have nearly equal sizes."""
    accumulate: int = Field(ge=1, le=65_536)
    """Number of parts of each batch, in 1..65,536. The parts go through the network one after the other, and their
    gradients are added before the step. This needs less memory for the same batch. Only batch norm, and losses that
    compare examples of a batch, see one part at a time. If a part would be a single example, there are fewer parts. Not
    for losses over pairs or rankings."""
    compile: bool
    """Whether to speed up training with `torch.compile`. It needs about a minute at first, and a C++ compiler on the
    CPU."""
    pretrain_frac: float = Field(ge=0, lt=1)
    """Losses over pairs or rankings only: share of the epochs, in [0, 1), that train with plain cross-entropy first, so
    the ranking starts from useful scores. Above 0, this is at least one epoch, and at least one epoch with the loss
    remains. The best epoch is chosen among the later ones."""
    learning_rate: float = Field(gt=0, le=10)
    """Peak learning rate of AdamW for the head, in (0, 10]. Each step moves every weight by about this much, so
    training diverges far below 10."""
    first_rate_frac: float = Field(gt=0, le=1)
    """Learning rate of the first trained block of the backbone, as a share of the head's rate, in (0, 1]. Rates of the
    blocks between them rise by equal factors. 1 gives all the same rate."""
    weight_decay: float = Field(ge=0, le=100)
    """Decoupled weight decay of AdamW, in [0, 100]. Each step shrinks weights by this times the learning
    rate. Biases and norms are not decayed."""
    schedule: Literal["cosine", "step", "constant"]
    """How the learning rate falls."""
    step_epochs: Epochs
    """`step` only: the learning rate is divided by ten every this many epochs, in 1..100,000."""
    warmup_epochs: float = Field(ge=0, le=100_000)
    """Number of first epochs in which the learning rate rises, in [0, 100,000]."""
    ema: float = Field(ge=0, lt=1)
    """Decay of the exponential moving average of the weights, in [0, 1). The averaged weights are validated and kept;
    0 takes those of the last step. With 0.99 the average covers about 100 steps."""
    monitor: Literal["loss", "balanced_accuracy", "average_precision", "ap50", "none"]
    """Validation metric that chooses the best epoch, or the L2 penalty of `lbfgs`. `loss` (min): validation value of
    the training loss, including class weights. `balanced_accuracy` (max): of the most probable class; for multilabel
    the mean over labels, each decided at a probability of 0.5 or above. `average_precision` (max): the mean over the
    classes present. `ap50` (max), detection only: average precision of boxes at an IoU of 0.5. `none`, not with
    `lbfgs`: keep the last epoch, for a validation set so small that it would choose by chance, with a schedule that
    ends at a low rate."""
    patience: Epochs
    """Stop after this many epochs without a better metric, in 1..100,000. Epochs of `pretrain_frac` do not count.
    Without effect if `monitor` is `none`."""
    augment: str
    """Augmentation policy, applied again each time that a tile is shown; `none` if the backbone is frozen."""
    sampler: Literal["as_drawn", "progressive"]
    """Order of an epoch. `as_drawn`: all samples in random order. `progressive`: equally many samples, whose class
    shares move from the natural ones in the first epoch to equal ones in the last."""
    mix: Literal["none", "mixup", "cutmix"]
    """Mix examples in pairs; with a frozen backbone their features are mixed."""
    mix_alpha: float = Field(gt=0, le=100)
    """`mixup` and `cutmix` only: shares come from Beta(mix_alpha, mix_alpha), in (0, 100]; at 100 nearly all shares are
    close to one half."""
    classifier: Literal["as_trained", "retrained", "tau_normalised"]
    """The last layer. `as_trained`: keep it. `retrained` (cRT): train a new head on the learned features of the
    unchanged training tiles, with equally many samples of each class. `tau_normalised`: divide the weights of each
    class by a power of their length, chosen on validation, and drop the bias."""


class Settings(Section):
    """All settings that training reads."""

    loss: str
    losses: dict[str, dict[str, Any]]
    box_loss: str
    box_losses: dict[str, dict[str, Any]]
    detector: Detector
    seed: Seed
    tile: Visible
    model: Model
    oversample: Drawn
    weighting: Weighting
    train: Train
