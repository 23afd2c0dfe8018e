"""The open set of losses: a file per loss, found by its name.

A file `losses/<name>.py` holds a docstring, `TASKS` that it is defined for, `class Params(Section)` with its block of
`params.yaml`, the function `<name>(logits, targets, *, ...)`, `build(...)` as below, and
`prior_factors(params, class_counts)`, its line in the prior ledger. It may declare more:

- `ONLY`, a clause that says why, if one of the tasks `multiclass` and `multilabel` is not among `TASKS`;
- `RANKS = True`, a loss over pairs or rankings: its values are shares, and it takes no class weights;
- `ADJUSTS = True`, a loss that rebalances by class counts itself, so that class weights would correct twice;
- `STATEFUL = True`, a loss that keeps something from batch to batch for each class: it is built as an `nn.Module`;
- `HEAD`, the only head that it works with, and `HEAD_REASON`, a clause that says why;
- `NEEDS_ADAMW`, a clause that says why full-batch L-BFGS cannot minimise the loss: its value depends on the other
  examples or on a state, or its gradient is not that of its value;
- `conflicts(params, target_ndim=..., weighting_scheme=...)`, which yields a line for each fault of its parameters.

All of this can be read without torch: a file imports torch only inside the functions that compute.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias, runtime_checkable

from counterpoise import config, tasks

if TYPE_CHECKING:
    from torch import Tensor

Loss: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"


class LossModule(Protocol):
    """What every file of this folder offers."""

    Params: type[config.Section]
    TASKS: tuple[str, ...]

    def build(
        self,
        *,
        target_ndim: int,
        class_counts: Sequence[int],
        example_count: int,
        params: Any,  # noqa: ANN401 - its own Params
    ) -> Loss:
        """Return the loss for targets (n,), one class per example, or (n, c), many labels."""

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
    loss: LossModule = importlib.import_module(f"{__name__}.{name}")
    return loss


def ranks(name: str) -> bool:
    """Say whether a loss compares pairs or rankings: its values are shares, and it takes no class weights."""
    return bool(getattr(module(name), "RANKS", False))


def adjusts(name: str) -> bool:
    """Say whether a loss rebalances by class counts itself, so that it takes no class weights."""
    return bool(getattr(module(name), "ADJUSTS", False))


def stateful(name: str) -> bool:
    """Say whether a loss keeps parameters or averages of its own from batch to batch, one for each class or bin."""
    return bool(getattr(module(name), "STATEFUL", False))


def refuses_lbfgs(name: str) -> str | None:
    """Say why `train.solver: lbfgs` cannot minimise a loss; `None` if it can.

    Args:
        name: One of `names()`.
    """
    reason = getattr(module(name), "NEEDS_ADAMW", None)
    if reason is None:
        return None
    return (
        f"{config.PATH}: loss {name!r} needs train.solver 'adamw': {reason}; add -S train.solver=adamw, and compare "
        "with loss 'cross_entropy' under 'adamw' too, since the solver may change figures more than the loss does"
    )


def refuses_task(name: str, task: str) -> str | None:
    """Say why a loss is not for a task; `None` if it is.

    Args:
        name: One of `names()`.
        task: `multiclass` or `multilabel`.
    """
    loss = module(name)
    if task in tasks.names() and tasks.find(task).LINK in [tasks.find(known).LINK for known in loss.TASKS]:
        return None
    reason = getattr(loss, "ONLY", None)
    refusal = f"{config.PATH}: loss {name!r} is defined for task {list(loss.TASKS)}, not {task!r}"
    return f"{refusal}: {reason}" if reason else refusal


def refuses_weights(name: str, scheme: str) -> str | None:
    """Say why a loss does not work with class weights; `None` if it does.

    Args:
        name: One of `names()`.
        scheme: `weighting.scheme` of `params.yaml`.
    """
    if scheme == "none":
        return None
    if ranks(name):
        return (
            f"{config.PATH}: weighting.scheme is {scheme!r}, but loss {name!r} compares examples with each other, "
            "so classes have no weights; set weighting.scheme to 'none'"
        )
    if adjusts(name):
        return (
            f"{config.PATH}: weighting.scheme is {scheme!r}, but loss {name!r} already corrects for class "
            "counts, and weights would correct twice; set weighting.scheme to 'none' (oversampling is allowed, since "
            "the loss uses the samples per epoch)"
        )
    return None


def refuses_head(name: str, head: str) -> str | None:
    """Say why a loss does not work with a head; `None` if it does.

    Args:
        name: One of `names()`.
        head: `model.head` of `params.yaml`.
    """
    loss = module(name)
    needed = getattr(loss, "HEAD", head)
    if head == needed:
        return None
    reason: str = loss.HEAD_REASON  # type: ignore[attr-defined]
    return f"{config.PATH}: model.head is {head!r}, but {reason}; set model.head to {needed!r}"


def refuses_subclasses(name: str) -> str | None:
    """Say why a loss does not work with classes that are split into subtypes; `None` if it does.

    Args:
        name: One of `names()`.
    """
    if ranks(name):
        reason = "compares examples of classes, not of their subtypes"
    elif stateful(name):
        reason = "keeps averages per class, which would be of subtypes in training and of classes on validation"
    else:
        return None
    return (
        f"{config.PATH}: model.subclasses is given, but loss {name!r} {reason}; set model.subclasses to {{}}, or take "
        "another loss"
    )


def conflicts(name: str, params: Mapping[str, Any], *, task: str, weighting_scheme: str = "none") -> Iterator[str]:
    """Ask a loss which of its parameters do not work with the task or the class weights.

    Args:
        name: One of `names()`.
        params: The loss's block of `params.yaml`.
        task: One that the loss is defined for.
        weighting_scheme: `weighting.scheme` of `params.yaml`.

    Yields:
        A line for each fault: what was found, why it cannot work, what to do.

    Raises:
        config.InputError: A parameter is unknown, missing or out of range.
    """
    loss = module(name)
    if hasattr(loss, "conflicts"):
        checked = config.validate(loss.Params, params, f"losses.{name}")
        yield from loss.conflicts(checked, target_ndim=tasks.find(task).TARGET_NDIM, weighting_scheme=weighting_scheme)


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
        the loss of the batch; for multilabel, targets (n, c) in {0, 1} give values (n, c). A loss with a state of its
        own is an `nn.Module`; if its parameters have bounds, it is `Constrained`.

    Raises:
        config.InputError: There is no such loss, it is not defined for the task, or a parameter is unknown, missing,
            out of range or not for the task.
    """
    loss = module(name)
    refusal = refuses_task(name, task)
    if refusal:
        raise config.InputError(refusal)
    checked = config.validate(loss.Params, params, f"losses.{name}")
    if faults := list(conflicts(name, params, task=task)):
        raise config.InputError("\n".join(faults))
    target_ndim = tasks.find(task).TARGET_NDIM
    return loss.build(target_ndim=target_ndim, class_counts=class_counts, example_count=example_count, params=checked)


def prior_factors(name: str, class_counts: Sequence[int], params: Mapping[str, Any]) -> tuple[float, ...] | None:
    """Say by how much a loss multiplies the prior of each class; `None` where that has no closed form.

    Args:
        name: One of `names()`.
        class_counts: (c,) draws of each class in one epoch.
        params: The loss's block of `params.yaml`.
    """
    loss = module(name)
    return loss.prior_factors(config.validate(loss.Params, params, f"losses.{name}"), class_counts)
