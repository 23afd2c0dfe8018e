"""Prevalence of objects is density: how many there are in an image on average."""

from __future__ import annotations


def precision_at(recall: float, false_alarms: float, density: float) -> float:
    """Compute the precision where there are more or fewer objects in an image.

    r d / (r d + f), if the recall r and the false alarms f of an image stay what they are.

    Args:
        recall: Share of the objects that are found, in [0, 1].
        false_alarms: False alarms in an image, at least 0.
        density: Objects in an image, at least 0.

    Returns:
        In [0, 1]; NaN where nothing is decided for.

    Example:
        >>> precision_at(0.8, 0.1, 0.5), round(precision_at(0.8, 0.1, 0.05), 4)
        (0.8, 0.2857)
    """
    found = recall * density
    return found / (found + false_alarms) if found + false_alarms > 0 else float("nan")
