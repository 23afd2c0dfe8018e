"""The random problem that the metrics are tried on."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest


@pytest.fixture
def a_problem() -> Callable[[int], dict[str, Any]]:
    """Return a function from a seed to a problem."""
    return _problem


def _problem(seed: int, n: int = 60, c: int = 4) -> dict[str, Any]:
    """Random targets, decisions, probabilities, tied scores and weights, some of them 0."""
    rng = np.random.default_rng(seed)
    probs = rng.dirichlet(np.full(c, 0.7), size=n)
    targets = np.array([rng.choice(c, p=row) for row in probs])
    positives = targets == 0
    return {
        "targets": targets,
        "decisions": rng.integers(c, size=n),
        "probs": probs,
        "positives": positives,
        "scores": np.round(rng.normal(size=n) + positives, 1),
        "weights": rng.exponential(size=n) * (rng.random(n) < 0.8),
        "batch": rng.poisson(1, size=(7, n)),
    }
