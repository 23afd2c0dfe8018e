"""Decoupled classifiers: after training, retrain the classifier on balanced samples, or normalise its weights."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from counterpoise import seeds
from counterpoise.artifacts.prior import Prior
from counterpoise.calibration import prior_ledger
from counterpoise.dataset.inputs import infer
from counterpoise.imbalance import resampling
from counterpoise.metrics import confusion
from counterpoise.networks.devices import Compute
from counterpoise.networks.heads import last_layer
from counterpoise.training.examples import Examples

TAUS = tuple(round(0.05 * step, 2) for step in range(21))
"""Candidates for the exponent tau, from 0 to 1."""


def normalised(weight: Tensor, tau: float) -> Tensor:
    """Divide the weight vector of each class by its norm to the power of tau.

    After training on imbalanced data, frequent classes have longer weight vectors and therefore larger logits. tau = 1
    gives all vectors the same norm; tau = 0 changes nothing.

    Args:
        weight: (c, d) weights of the last layer. Its bias is not used.
        tau: Exponent in [0, 1].

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
    """Choose the exponent with the highest balanced accuracy of the most probable class on validation.

    Args:
        logits: (n, c) logits of the trained classifier on validation.
        weight: (c, d) weights of its last layer.
        bias: (c,) bias of its last layer.
        targets: (n,) classes of validation.

    Returns:
        The best exponent of `TAUS` (the smallest one on ties), and its balanced accuracy.

    Source: Kang et al. (2020), section 4.2, where it is chosen on validation too.
    """
    without_bias, lengths = (logits - bias).double(), _lengths(weight).double().squeeze(1)
    scores = []
    for tau in TAUS:
        decided = (without_bias / lengths**tau).argmax(dim=1).numpy()
        scores.append(float(confusion.balanced_accuracy(confusion.confusion_matrix(targets, decided, logits.shape[1]))))
    best = int(np.argmax(np.round(scores, 12)))
    return TAUS[best], scores[best]


def even_draws(targets: NDArray[np.int64], prior: Prior, seed: int) -> tuple[NDArray[np.int64], Prior]:
    """Oversample every class to the size of the most frequent one, to retrain a classifier (cRT).

    Args:
        targets: (n,) class of every training tile.
        prior: Counts of the training set, and the ledger line of the split.
        seed: Decides which tiles of a class are repeated once more than the others.

    Returns:
        (m,) the tile of each sample, in increasing order; and the prior of these samples. In its ledger their line
        replaces the line of the first sampling.

    Source: Kang et al. (2020), Decoupling Representation and Classifier for Long-Tailed Recognition, classifier
        re-training (cRT). Departures: features are computed once, from tiles without augmentation; all tiles of a class
        are repeated equally often, instead of sampling with replacement; the loss is `loss`, for balanced classes.
    """
    counts = np.bincount(targets, minlength=len(prior.classes))
    repeats = resampling.spread(
        targets, np.where(counts > 0, counts.max(), 0), seeds.generator(seed, "draws of the classifier")
    )
    rows = np.repeat(np.arange(len(targets)), repeats)
    even = np.bincount(targets[rows], minlength=len(counts))
    totals = prior.train_total, len(rows)
    factors = prior_ledger.factors(prior.train_counts, even, totals, task=prior.task)
    line = prior_ledger.Line("train.classifier", "retrained", factors)
    ledger = (*(known for known in prior.ledger if known.piece == "split"), line)
    return rows, replace(prior, drawn_counts=tuple(map(int, even)), drawn_total=len(rows), ledger=ledger)


def renormalise(
    network: nn.Module, val: Examples, compute: Compute, batch_size: int
) -> tuple[dict[str, Tensor], prior_ledger.Line]:
    """Normalise the weights of the last layer with the tau that is best on validation, and set the bias to zero.

    Args:
        network: A trained network. Its last layer is changed in place.
        val: Validation examples, on which tau is chosen.
        compute: Device and precision.
        batch_size: Examples per forward pass.

    Returns:
        The weights of the network, and the ledger line, which has tau.
    """
    last = last_layer(network)
    logits = torch.from_numpy(infer(network, val.inputs, batch_size, compute))
    weight, bias = last.weight.detach().cpu(), last.bias.detach().cpu()
    tau, _ = choose_tau(logits, weight, bias, val.targets.numpy())
    with torch.no_grad():
        last.weight.copy_(normalised(last.weight, tau))
        last.bias.zero_()
    weights = {name: tensor.detach().cpu().clone() for name, tensor in network.state_dict().items()}
    return weights, prior_ledger.Line("train.classifier", f"tau_normalised, tau = {tau:g}", None)
