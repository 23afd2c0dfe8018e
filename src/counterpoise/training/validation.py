"""Validation metrics, which choose the best epoch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from counterpoise.calibration.links import Link
from counterpoise.dataset.inputs import in_order
from counterpoise.engine import process_group
from counterpoise.metrics import confusion, ranking
from counterpoise.networks import inference
from counterpoise.networks.devices import Compute
from counterpoise.training.examples import Examples
from counterpoise.training.objective import Objective


def validate(
    network: nn.Module, val: Examples, objective: Objective, compute: Compute, batch_size: int
) -> dict[str, float]:
    """Compute validation loss and metrics. Several processes share the work and return the same result.

    Args:
        network: The network; set to evaluation mode.
        val: n validation examples.
        objective: The loss with its class weights.
        compute: Device and precision.
        batch_size: Examples per forward pass.

    Returns:
        `val/loss` and the metrics of `figures`; all NaN if a logit is not finite.
    """
    order = process_group.shard(in_order(len(val.inputs), batch_size))
    own = inference.outputs(network, val.inputs.batches(order), compute)
    logits = process_group.gather(own).to(compute.device)
    with torch.inference_mode(), compute.autocast():
        loss = float(objective(logits, val.targets.to(compute.device)))
    if not torch.isfinite(logits).all():
        return dict.fromkeys(("val/loss", "val/balanced_accuracy", "val/average_precision"), float("nan"))
    return process_group.broadcast({"val/loss": loss} | figures(logits.cpu().double(), val.targets, objective.link))


def figures(logits: Tensor, targets: Tensor, link: Link) -> dict[str, float]:
    """Compute balanced accuracy and mean average precision.

    Args:
        logits: (n, c) float64.
        targets: (n,) class indices, or (n, c) in {0, 1}.
        link: The link between logits and probabilities.

    Returns:
        Balanced accuracy, and the mean average precision over the classes present. Both use uncorrected logits.
    """
    probs, truth = link.tensor_probabilities(logits).numpy(), link.truth(targets.numpy(), logits.shape[1])
    precisions = [ranking.average_precision(truth[:, k], probs[:, k]) for k in np.flatnonzero(truth.any(axis=0))]
    tables = link.confusion_tables(targets.numpy(), logits.numpy(), probs)
    balanced = float(np.mean([confusion.balanced_accuracy(table) for table in tables])) if tables else 0.0
    return {
        "val/balanced_accuracy": balanced,
        "val/average_precision": float(np.mean(precisions)) if precisions else 0.0,
    }
