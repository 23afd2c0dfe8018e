"""A small run of `benchmarks/coverage.py`: the intervals of the page hold the truth about as often as they say."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests import scripts

PATH = Path(__file__).parents[1] / "benchmarks" / "coverage.py"
SAMPLES, POPULATION = 80, 40_000
LEAST = 0.88
"""Of 80 samples 95 % hold the truth in 70 or more, all but one time in 250."""


@pytest.fixture(scope="module")
def benchmark() -> Any:
    """Load the benchmark as a module."""
    return scripts.load(PATH)


@pytest.mark.parametrize("name", ["525_21_weak", "525_21_clusters"])
def test_intervals_of_every_figure_hold_the_truth(benchmark: Any, name: str) -> None:
    (cell,) = (cell for cell in benchmark.CELLS if cell.name == name)
    found = benchmark.simulate(cell, SAMPLES, POPULATION)
    assert len(found) == 23
    for figure, one in found.items():
        assert one.without == 0, figure
        assert one.coverage >= LEAST, figure
        assert 0 < one.width < 1, figure


def test_coverage_counts_intervals_that_exist_alone(benchmark: Any) -> None:
    spans = np.array([[0.1, 0.3], [0.25, 0.4], [np.nan, np.nan], [0.0, 0.5]])
    found = benchmark.summary(0.2, spans, np.array([0.3, np.nan]))
    assert (found.coverage, found.without, found.former) == (2 / 3, 0.25, 0.3)
    assert found.width == pytest.approx(0.2)
    assert benchmark.covered(found) == "66.7 (25 none)"
    assert benchmark.wide(found) == "0.200 (0.300)"
