import numpy as np
import pytest

from counterpoise.report.warnings import idle_from, stands_still


@pytest.mark.parametrize("epochs", [4, 5, 8, 20])
def test_a_rate_divided_by_ten_every_epoch_vanishes_after_the_second(epochs: int) -> None:
    """System D: 1e-4, and 1e-7 in the fourth epoch."""
    assert idle_from([1e-4 / 10**epoch for epoch in range(epochs)]) == 2


@pytest.mark.parametrize("epochs", [1, 2, 3, 4, 10, 40])
def test_a_cosine_schedule_to_zero_has_not_vanished(epochs: int) -> None:
    rates = (1 + np.cos(np.linspace(0, np.pi, epochs + 1)[1:])) / 2
    assert idle_from(rates.tolist()) is None


def test_a_step_schedule_that_leaves_time_to_learn_has_not_vanished() -> None:
    assert idle_from([1e-3] * 10 + [1e-4] * 10 + [1e-5] * 10) is None


@pytest.mark.parametrize("rates", [[], [0.0, 0.0, 0.0], [float("nan")] * 4])
def test_rates_that_say_nothing_are_not_judged(rates: list[float]) -> None:
    assert idle_from(rates) is None


def test_a_loss_stands_still_when_it_stops_after_the_first_epoch() -> None:
    assert stands_still([0.69, 0.4021, 0.4019, 0.4018, 0.4018])
    assert not stands_still([0.69, 0.40, 0.38, 0.36])
    assert not stands_still([0.69, 0.40])
    assert not stands_still([0.69, float("nan"), 0.4, 0.4])
