"""Fit a linear head on stored features by full-batch L-BFGS, along a path of falling L2 penalties."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import optimize
from torch import Tensor, nn
from torch.nn import functional

from counterpoise.config import PATH, InputError
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.networks.devices import Compute
from counterpoise.networks.heads import Head
from counterpoise.training import validation
from counterpoise.training.checkpoints import Checkpoint
from counterpoise.training.early_stopping import Progress, monitored
from counterpoise.training.examples import Examples
from counterpoise.training.loop import Fitted
from counterpoise.training.objective import Objective
from counterpoise.training.settings import Train

PENALTIES = tuple(float(10.0**exponent) for exponent in np.linspace(0.0, -3.5, 8))
"""Factors of half the squared length of the weights, from the strongest to the weakest: half a decade apart. Features
are standardised, so the same penalties suit all backbones."""
OPTIONS = {"maxiter": 500, "maxcor": 10, "ftol": 1e-6, "gtol": 1e-4}
"""Of L-BFGS. Smaller tolerances change validation losses of the default problem by less than 0.0005 nats."""


def fit(
    head: Head,
    objective: Objective,
    drawn: Examples,
    val: Examples,
    params: Train,
    compute: Compute,
    checkpoint: Checkpoint | None = None,
) -> Fitted:
    """Minimise the mean loss plus the penalty, from the strongest penalty down, each fit starting at the last one.

    The path stops after the first penalty that is worse on validation than the best so far.

    Args:
        head: A linear head whose features are standardised; it is changed.
        objective: The loss with class weights.
        drawn: The samples of one epoch, on stored features. All of them are one batch.
        val: Examples that choose the penalty.
        params: Section `train`; `monitor` names the metric of validation, and `batch_size` only limits memory there.
        compute: Device and precision.
        checkpoint: Where to keep the state after every penalty; `None` for nowhere.

    Returns:
        The weights of the best penalty. `history` has an entry for each penalty, with its value as `penalty`;
        `best_epoch` is the number of the best one.

    Raises:
        InputError: The metric of validation was not a number for any penalty.
    """
    progress = Progress()
    state = checkpoint.load() if checkpoint else None
    if state:
        head.load_state_dict(state["network"])
        progress = Progress(**{name: state[name] for name in vars(progress)})
    head.to(compute.device)
    mean_loss = _MeanLoss(head, objective, drawn, compute.device)
    while not progress.is_over(epochs=len(PENALTIES), patience=1, settled=0):
        penalty = PENALTIES[len(progress.history)]
        figures = {"train/loss": mean_loss.minimise(penalty), "penalty": penalty}
        figures |= validation.validate(head, val, objective, compute, 4 * params.batch_size)
        progress.add(figures, head, monitor=params.monitor, settled=0)
        if checkpoint:
            checkpoint.save({"network": head.state_dict()} | vars(progress))
    if not progress.best:
        raise InputError(
            f"{PATH}: {monitored(params.monitor)} was not a number for any L2 penalty; check the features of "
            "`model.backbone`, or set train.solver to adamw"
        )
    return Fitted(progress.best, progress.history, progress.best_epoch, waited_frac=0.0)


class _MeanLoss:
    """The mean loss of all samples as a function of the weights and biases of a linear head's last layer."""

    def __init__(self, head: Head, objective: Objective, drawn: Examples, device: torch.device) -> None:
        assert isinstance(drawn.inputs, FeatureInputs)
        head.eval()
        with torch.no_grad():
            self._features = head[0](torch.from_numpy(drawn.inputs.values[drawn.inputs.rows]).to(device))
        (self._layer,) = (layer for layer in head if isinstance(layer, nn.Linear))
        self._objective, self._targets = objective, drawn.targets.to(device)

    def minimise(self, penalty: float) -> float:
        """Move the layer to the minimum for a penalty, and return the mean loss there, without the penalty."""
        start = torch.cat([self._layer.weight.flatten(), self._layer.bias]).detach().cpu().double().numpy()
        result = optimize.minimize(self._penalised, start, (penalty,), method="L-BFGS-B", jac=True, options=OPTIONS)
        weight, bias = self._split(torch.from_numpy(result.x).float())
        with torch.no_grad():
            self._layer.weight.copy_(weight)
            self._layer.bias.copy_(bias)
            return float(self._objective(self._layer(self._features), self._targets))

    def _penalised(self, vector: NDArray[np.float64], penalty: float) -> tuple[float, NDArray[np.float64]]:
        """Compute the mean loss plus the penalty, and its gradient."""
        parameters = torch.from_numpy(vector).float().to(self._features.device).requires_grad_()
        weight, bias = self._split(parameters)
        logits = functional.linear(self._features, weight, bias)
        loss = self._objective(logits, self._targets) + penalty / 2 * weight.square().sum()
        (gradient,) = torch.autograd.grad(loss, parameters)
        return float(loss.detach()), gradient.cpu().double().numpy()

    def _split(self, vector: Tensor) -> tuple[Tensor, Tensor]:
        size = self._layer.weight.numel()
        return vector[:size].view_as(self._layer.weight), vector[size:]
