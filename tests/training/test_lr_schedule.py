"""Learning-rate schedules against PyTorch's and by hand."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.training.lr_schedule import SCHEDULES, factor, first_epochs
from counterpoise.training.settings import Train


def plain(name: str, epoch: float, epochs: float = 10.0, warmup_epochs: float = 0.0, step_epochs: float = 3) -> float:
    return factor(name, epoch, epochs=epochs, warmup_epochs=warmup_epochs, step_epochs=step_epochs)


def test_constant_stays():
    assert [plain("constant", epoch) for epoch in (0, 5, 10)] == [1, 1, 1]


def test_cosine_falls_from_one_over_a_half_to_zero():
    assert [plain("cosine", epoch) for epoch in (0, 5, 10)] == pytest.approx([1, 0.5, 0])


def test_step_is_divided_by_ten_at_each_step():
    assert [plain("step", epoch) for epoch in (0, 2.99, 3, 5, 6, 9)] == pytest.approx([1, 1, 0.1, 0.1, 0.01, 0.001])


def test_system_ds_rate_is_a_ten_millionth_in_the_fourth_epoch():
    assert 1e-4 * plain("step", 3, step_epochs=1) == pytest.approx(1e-7)


def test_warm_up_rises_in_a_straight_line_and_the_rest_follows_it():
    values = [plain("cosine", epoch, epochs=12, warmup_epochs=2) for epoch in (0.5, 1, 2, 7, 12)]
    assert values == pytest.approx([0.25, 0.5, 1, 0.5, 0])


def test_the_first_step_of_a_warm_up_is_small_and_not_zero():
    assert 0 < plain("constant", 0, warmup_epochs=2) < 0.01


@pytest.mark.parametrize("name", ["cosine", "step"])
def test_without_warm_up_it_equals_pytorchs(name):
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    oracle: torch.optim.lr_scheduler.LRScheduler
    if name == "cosine":
        oracle = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=10)
    else:
        oracle = torch.optim.lr_scheduler.StepLR(optimizer, step_size=3, gamma=0.1)
    for epoch in range(10):
        assert plain(name, epoch) == pytest.approx(oracle.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        oracle.step()


@pytest.mark.parametrize("name", SCHEDULES)
@given(
    epochs=st.integers(1, 200),
    done=st.floats(0, 1),
    warmup_epochs=st.floats(0, 250),
    step_epochs=st.integers(1, 50),
)
def test_the_factor_stays_between_zero_and_one(name, epochs, done, warmup_epochs, step_epochs):
    value = plain(name, done * epochs, epochs, warmup_epochs, step_epochs)
    assert 0 <= value <= 1


def test_the_shortest_of_warm_ups_does_not_overshoot():
    assert plain("constant", 0, warmup_epochs=1e-4) == 1


def test_the_parameter_offers_exactly_the_schedules_there_are():
    assert set(Train.model_json_schema()["properties"]["schedule"]["enum"]) == set(SCHEDULES)


def test_an_unknown_schedule_is_refused_by_the_parameters():
    with pytest.raises(ValueError, match="'constant'"):
        Train.model_validate({"schedule": "linear"})


@pytest.mark.parametrize(
    ("frac", "epochs", "expected"),
    [(0.0, 10, 0), (0.01, 10, 1), (0.1, 60, 6), (0.29, 100, 29), (0.99, 10, 9), (0.5, 1, 0)],
)
def test_a_share_of_first_epochs_is_rounded_and_leaves_an_epoch_of_each_kind(
    frac: float, epochs: int, expected: int
) -> None:
    assert first_epochs(frac, epochs) == expected
