"""What of `params.yaml` makes no sense together, though every single value is right; the reason, and what to do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise.conflicts import data, decision, double_correction, loss, network, tasks, training, unknown_prior


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what makes no sense together, with the reason.

    Args:
        content: A parameter file of which every single value is right.

    Yields:
        A line for each fault: what was found, why it makes no sense, what to do.
    """
    for topic in (data, decision, network, tasks, loss, training, double_correction, unknown_prior):
        yield from topic.refused(content)
