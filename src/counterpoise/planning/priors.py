"""Class shares that contradict each other: in the labels, in the splits, and as `params.yaml` states them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import tasks
from counterpoise.planning.rehearsal import Rehearsal

FAR = 2.0
"""Shares that differ by more than this factor are told."""
ENOUGH = 20
"""Images of the class that matters from which on a share of a split says something."""
BALANCED = 1.5
"""The largest class has at most so many times the images of the smallest: such a set was often balanced by hand."""


def are_balanced(counts: Mapping[str, int], task: str) -> bool:
    """Say whether exclusive classes have about equally many images."""
    exclusive = tasks.find(task).fault_of_labels(()) is not None
    return exclusive and max(counts.values()) <= BALANCED * min(counts.values())


def contradictions(content: Mapping[str, Any], found: Rehearsal) -> Iterator[str]:
    """List shares that do not fit together.

    Args:
        content: Checked parameters.
        found: Classes and splits.
    """
    name, target = found.positive.name, content["decide"]["target"]
    index = found.names.index(name)
    shares = {
        side: float(found.counts[side][index]) / max(1, count) for side, count in found.images.items() if count > 0
    }
    natural = {one: int(sum(counts[at] for counts in found.counts.values())) for at, one in enumerate(found.names)}
    if target == "natural" and are_balanced(natural, content["task"]):
        yield (
            "all classes have about as many images, and decide.target is natural, so decisions suit a world with these "
            "shares; if the model will meet others, state them in decide.target"
        )
    if found.counts["val"][index] >= ENOUGH and found.counts["test"][index] >= ENOUGH:
        low, high = sorted((shares["val"], shares["test"]))
        if high > FAR * low:
            yield (
                f"{name!r} is {shares['val']:.1%} of val and {shares['test']:.1%} of test: thresholds that are chosen "
                "on one meet other shares in the other; state the shares of deployment in decide.target"
            )
    stated = target.get(name) if isinstance(target, Mapping) else None
    others = content["evaluate"]["at_prevalence"]
    if stated and others and not any(stated / FAR <= other <= stated * FAR for other in others):
        listed = ", ".join(f"{other:g}" for other in others)
        yield (
            f"decide.target says that {name!r} is {stated:g} of the images there, but evaluate.at_prevalence gives "
            f"figures at {listed} only; add {stated:g}"
        )
