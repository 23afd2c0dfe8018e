"""Newcombe's and Boyd's intervals: published values, limiting cases, and coverage."""

import numpy as np
import pytest

from counterpoise.metrics import intervals, ranking


@pytest.mark.parametrize(
    ("interval", "low", "high"),
    [(intervals.newcombe(0.965, 21, 504), 0.8929, 0.9885), (intervals.boyd(0.22, 21), 0.0913, 0.4420)],
)
def test_published_values(interval: intervals.Interval, low: float, high: float) -> None:
    assert interval[:2] == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize("value", [0.0, 0.001, 0.2, 0.5, 0.999, 1.0])
@pytest.mark.parametrize("positives", [0.4, 1.0, 2.0, 8.0, 500.0])
def test_intervals_hold_their_figure_and_are_no_point(value: float, positives: float) -> None:
    for interval in (intervals.newcombe(value, positives, 10 * positives), intervals.boyd(value, positives)):
        assert 0 <= interval.low <= value <= interval.high <= 1
        assert interval.high > interval.low
        assert interval.reason == ""


def test_intervals_of_a_perfect_ranking_follow_those_of_a_nearly_perfect_one() -> None:
    nearly = 1 - 1e-7
    for perfect, other in (
        (intervals.newcombe(1.0, 21, 504), intervals.newcombe(nearly, 21, 504)),
        (intervals.boyd(1.0, 21), intervals.boyd(nearly, 21)),
    ):
        assert perfect[:2] == pytest.approx(other[:2], abs=2e-2)
        assert 0.6 < perfect.low < 0.96


def test_newcombe_is_symmetric() -> None:
    low, high, _ = intervals.newcombe(0.8, 12, 30)
    assert intervals.newcombe(0.2, 12, 30)[:2] == pytest.approx((1 - high, 1 - low))


def test_fewer_examples_and_a_higher_level_are_wider() -> None:
    def widths(method: str) -> list[float]:
        spans = (
            [intervals.newcombe(0.9, n, 9 * n) for n in (200, 20, 2)]
            if method == "newcombe"
            else [intervals.boyd(0.9, n) for n in (200, 20, 2)]
        )
        return [span.high - span.low for span in spans]

    assert widths("newcombe") == sorted(widths("newcombe"))
    assert widths("boyd") == sorted(widths("boyd"))
    assert intervals.boyd(0.5, 20, level=0.99).low < intervals.boyd(0.5, 20).low
    assert intervals.newcombe(0.5, 20, 20, level=0.99).low < intervals.newcombe(0.5, 20, 20).low


def test_few_positives_are_covered_where_resamples_are_not() -> None:
    rng = np.random.default_rng(0)
    y, held = np.arange(1000) < 8, 0
    for _ in range(200):
        area = float(ranking.roc_auc(y, rng.normal(size=1000) + 2 * y))
        low, high, _ = intervals.newcombe(area, 8, 992)
        held += low <= 0.9214 <= high  # Phi(2 / sqrt(2))
    assert held >= 186
