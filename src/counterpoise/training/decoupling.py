"""A classifier made anew on the features that a training left: its weights normalised, or even draws to retrain it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise import seeds
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.dataset.inputs import FeatureInputs, in_order
from counterpoise.imbalance import resampling
from counterpoise.metrics import confusion
from counterpoise.networks.devices import autocast, pick_device, pick_precision
from counterpoise.networks.heads import last_layer
from counterpoise.networks.network import Network
from counterpoise.training import loop, objective

TAUS = tuple(round(0.05 * step, 2) for step in range(21))
"""Exponents that are tried, from 0 to 1."""


def normalised(weight: Tensor, tau: float) -> Tensor:
    """Divide the weight vector of each class by its length to the power of tau.

    After training on imbalanced data frequent classes have longer vectors, hence larger logits; tau = 1 gives all the
    same length, tau = 0 leaves them.

    Args:
        weight: (c, d) of the last layer, whose bias is dropped.
        tau: In [0, 1].

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, equation 3.

    Example:
        >>> normalised(torch.tensor([[3.0, 4.0], [0.0, 1.0]]), 1.0)
        tensor([[0.6000, 0.8000],
                [0.0000, 1.0000]])
    """
    result: Tensor = weight / _lengths(weight) ** tau
    return result


def _lengths(weight: Tensor) -> Tensor:
    lengths: Tensor = torch.linalg.vector_norm(weight, dim=1, keepdim=True)
    return lengths.clamp_min(torch.finfo(weight.dtype).tiny)


def choose_tau(logits: Tensor, weight: Tensor, bias: Tensor, targets: NDArray[np.int64]) -> tuple[float, float]:
    """Choose the exponent that decides best on validation, by balanced accuracy of the most probable class.

    Args:
        logits: (n, c) of the classifier as it was trained, on validation.
        weight: (c, d) of its last layer.
        bias: (c,) of its last layer.
        targets: (n,) classes of validation.

    Returns:
        The least of the best among `TAUS`, and its balanced accuracy.

    Source: Kang et al. (2020), section 4.2, where it is chosen on validation, too.
    """
    without_bias, lengths = (logits - bias).double(), _lengths(weight).double().squeeze(1)
    found = []
    for tau in TAUS:
        decided = (without_bias / lengths**tau).argmax(dim=1).numpy()
        found.append(float(confusion.balanced_accuracy(confusion.confusion_matrix(targets, decided, logits.shape[1]))))
    best = int(np.argmax(np.round(found, 12)))
    return TAUS[best], found[best]


def retrain(
    network: Network, train: loop.Examples, val: loop.Examples, opened: Prior, params: loop.Settings
) -> tuple[loop.Fitted, tuple[prior_ledger.Line, ...]]:
    """Train a new head on the features that a network has learned, on draws in which classes are even.

    Args:
        network: Trained; its backbone stays, its head is left behind.
        train: Every tile of train as it is.
        val: By which the best epoch is chosen.
        opened: Counts of train, and the line of the split.
        params: Settings of both trainings; the second mixes nothing and defers nothing.

    Returns:
        The weights of the whole, with the curves of the head; and the ledger, in which even draws stand in place of
        those of the first training.

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, classifier
        re-training (cRT). Departures: features are computed once, of tiles that are not augmented; draws are spread
        evenly over the tiles of a class, not drawn with replacement; the loss is that of `loss`, built for even draws.
    """
    targets = train.targets.numpy()
    counts = np.bincount(targets, minlength=len(opened.classes))
    repeats = resampling.spread(
        targets, np.where(counts > 0, counts.max(), 0), seeds.generator(params.seed, "draws of the classifier")
    )
    rows = np.repeat(np.arange(len(targets)), repeats)
    even = np.bincount(targets[rows], minlength=len(counts))
    line = prior_ledger.Line(
        "train.classifier",
        "retrained",
        prior_ledger.factors(opened.train_counts, even, (opened.train_total, len(rows)), task=opened.task),
    )
    redrawn = replace(
        opened,
        drawn_counts=tuple(map(int, even)),
        drawn_total=len(rows),
        ledger=(*(known for known in opened.ledger if known.piece == "split"), line),
    )
    goal, lines = objective.build(redrawn, params.loss, params.losses[params.loss], params.weighting)
    learnt, watched = (features(network.backbone, part, params) for part in (train, val))
    settings = params.model_copy(
        update={
            "train": params.train.model_copy(update={"mix": "none", "sampler": "as_drawn"}),
            "oversample": params.oversample.model_copy(update={"defer_frac": 0.0}),
        }
    )
    head = loop.build(settings, len(counts), learnt.shape[1], objective.initial_bias(redrawn, lines))
    fitted = loop.fit(
        head,
        loop.Examples(FeatureInputs(learnt, rows), train.targets[torch.from_numpy(rows)]),
        loop.Examples(FeatureInputs(watched, np.arange(len(watched))), val.targets),
        goal,
        settings,
    )
    whole = {name: tensor.detach().cpu() for name, tensor in network.state_dict().items()}
    return replace(fitted, weights=whole | {f"head.{name}": tensor for name, tensor in fitted.weights.items()}), lines


def features(backbone: nn.Module, examples: loop.Examples, params: loop.Settings) -> NDArray[np.float32]:
    """Compute what a backbone makes of examples, (n, d)."""
    device = pick_device(params.model.device)
    precision = pick_precision(params.model.precision, device)
    order = in_order(len(examples.inputs), 4 * params.train.batch_size)
    backbone.to(device).eval()
    with torch.inference_mode(), autocast(device, precision):
        return np.concatenate(
            [backbone(inputs).float().cpu().numpy() for inputs, _ in loop.batches(examples, order, device)]
        )


def renormalise(
    network: nn.Module, val: loop.Examples, params: loop.Settings
) -> tuple[dict[str, Tensor], prior_ledger.Line]:
    """Divide the weights of each class by their length to the power tau that is best on validation; drop the bias.

    Args:
        network: Trained; its last layer is changed.
        val: On which tau is chosen.
        params: Settings.

    Returns:
        Its weights, and the line of the ledger, which names tau.
    """
    last = last_layer(network)
    logits = torch.from_numpy(features(network, val, params))
    weight, bias = last.weight.detach().cpu(), last.bias.detach().cpu()
    tau, _ = choose_tau(logits, weight, bias, val.targets.numpy())
    with torch.no_grad():
        last.weight.copy_(normalised(last.weight, tau))
        last.bias.zero_()
    weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    return weights, prior_ledger.Line("train.classifier", f"tau_normalised, tau = {tau:g}", None)
