"""The open set of losses: a file per loss, found by its name.

A file `losses/<name>.py` holds a docstring, `TASKS` that it is defined for, `class Params(Section)` with its block of
`params.yaml`, the function `<name>(logits, targets, *, ...)`, `build(...)` as below, and
`prior_factors(params, class_counts)`, its line in the prior ledger. It may say more of itself:

- `ONLY`, a clause that says why, if one of the tasks `multiclass` and `multilabel` is not among `TASKS`;
- `RANKS = True`, a loss over pairs or rankings: its values are shares, and it takes no class weights;
- `ADJUSTS = True`, a loss that rebalances by class counts itself, so that class weights would correct twice;
- `HEAD`, the only head that it makes sense with.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from torch import Tensor

from counterpoise import config

Loss = Callable[[Tensor, Tensor], Tensor]


class LossModule(Protocol):
    """What every file of this folder offers."""

    Params: type[config.Section]
    TASKS: tuple[str, ...]

    def build(
        self,
        *,
        task: str,
        class_counts: Sequence[int],
        example_count: int,
        params: Any,  # noqa: ANN401 - its own Params
    ) -> Loss:
        """Return the loss for a task."""

    def prior_factors(self, params: Any, class_counts: Sequence[int]) -> tuple[float, ...] | None:  # noqa: ANN401
        """Return by how much the loss multiplies each class's prior; `None` where that has no closed form."""


@runtime_checkable
class Constrained(Protocol):
    """A loss with parameters of its own that must stay within bounds."""

    def project(self) -> None:
        """Put the parameters back within their bounds, after a step of the optimiser."""


def names() -> list[str]:
    """List the losses there are."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_"))


def module(name: str) -> LossModule:
    """Find the file of a loss.

    Raises:
        config.InputError: There is no such loss.
    """
    if name not in names():
        raise config.InputError(f"{config.PATH}: loss is {name!r}; {config.suggest(name, names())}")
    found: LossModule = importlib.import_module(f"{__name__}.{name}")
    return found


def ranks(name: str) -> bool:
    """Say whether a loss looks at pairs or rankings: its values are shares, and it takes no class weights."""
    return bool(getattr(module(name), "RANKS", False))


def adjusts(name: str) -> bool:
    """Say whether a loss rebalances by class counts itself, so that it takes no class weights."""
    return bool(getattr(module(name), "ADJUSTS", False))


def refuses_task(name: str, task: str) -> str | None:
    """Say why a loss is not for a task; `None` if it is.

    Args:
        name: One of `names()`.
        task: `multiclass` or `multilabel`.
    """
    found = module(name)
    if task in found.TASKS:
        return None
    reason = getattr(found, "ONLY", None)
    refusal = f"{config.PATH}: loss {name!r} is defined for task {list(found.TASKS)}, not {task!r}"
    return f"{refusal}: {reason}" if reason else refusal


def refuses_weights(name: str, scheme: str) -> str | None:
    """Say why a loss does not go together with class weights; `None` if it does.

    Args:
        name: One of `names()`.
        scheme: `weighting.scheme` of `params.yaml`.
    """
    if scheme == "none":
        return None
    if ranks(name):
        return (
            f"{config.PATH}: weighting.scheme is {scheme!r}, but loss {name!r} looks at pairs of examples or at ranks, "
            "in which a class has no weight of its own; set it to 'none'"
        )
    if adjusts(name):
        return (
            f"{config.PATH}: weighting.scheme is {scheme!r}, but loss {name!r} already moves the prior by class "
            "counts; weights on top would correct twice; set it to 'none' (oversampling goes together with it, since "
            "the loss is built from the counts of the draws)"
        )
    return None


def refuses_head(name: str, head: str) -> str | None:
    """Say why a loss does not go together with a head; `None` if it does.

    Args:
        name: One of `names()`.
        head: `model.head` of `params.yaml`.
    """
    needed = getattr(module(name), "HEAD", head)
    if head == needed:
        return None
    return (
        f"{config.PATH}: model.head is {head!r}, but the margins of loss {name!r} mean nothing where the lengths of "
        f"features and weights are free, since a network outgrows them; set it to {needed!r}"
    )


def build(name: str, *, task: str, class_counts: Sequence[int], example_count: int, params: Mapping[str, Any]) -> Loss:
    """Build a loss.

    Args:
        name: One of `names()`.
        task: `multiclass` (softmax) or `multilabel` (sigmoid).
        class_counts: (c,) draws of each class in one epoch, so that no remedy is applied twice.
        example_count: Draws in one epoch.
        params: The loss's block of `params.yaml`.

    Returns:
        `loss(logits, targets)`: logits (n, c) float and targets (n,) int64 give values (n,) in nats, whose mean is
        the loss of the batch; of many labels, targets (n, c) in {0, 1} give values (n, c). A loss with parameters of
        its own is an `nn.Module`; if they have bounds, it is `Constrained`.

    Raises:
        config.InputError: There is no such loss, it is not defined for the task, or a parameter is unknown, missing or
            out of range.
    """
    found = module(name)
    refusal = refuses_task(name, task)
    if refusal:
        raise config.InputError(refusal)
    checked = config.validate(found.Params, params, f"losses.{name}")
    return found.build(task=task, class_counts=class_counts, example_count=example_count, params=checked)


def prior_factors(name: str, class_counts: Sequence[int], params: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Say by how much a loss multiplies the prior of each class; `None` where that has no closed form.

    Args:
        name: One of `names()`.
        class_counts: (c,) draws of each class in one epoch.
        params: The loss's block of `params.yaml`.
    """
    found = module(name)
    return found.prior_factors(config.validate(found.Params, params, f"losses.{name}"), class_counts)
