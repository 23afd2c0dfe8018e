"""Which switches of `params.yaml` exclude each other, and why: a file per topic.

A file holds `refused(content) -> Iterator[str]` and is listed in `TOPICS`, in the order in which faults are reported.
What depends on the link of the task is in `tasks`, which also asks `subclasses` and a part of `double_correction`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.conflicts import (
    data,
    decision,
    detection,
    double_correction,
    loss,
    network,
    solver,
    tasks,
    training,
    unknown_prior,
)

TOPICS = (data, decision, network, tasks, loss, solver, training, detection, double_correction, unknown_prior)


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what cannot work together, with the reason.

    Args:
        content: A parameter file of which every single value is right.

    Yields:
        A line for each fault: what was found, why it cannot work, what to do.
    """
    for topic in TOPICS:
        yield from topic.refused(content)
