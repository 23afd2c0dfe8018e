"""Which epoch is kept, and when a training ends."""

import math

import pytest
import torch
from torch import nn

from counterpoise.training.early_stopping import Progress, score


def a_progress(curve: list[float], monitor: str = "loss", settled: int = 0) -> Progress:
    """Go through epochs, each with a weight that is its number."""
    network, progress = nn.Linear(1, 1, bias=False), Progress()
    for epoch, value in enumerate(curve):
        nn.init.constant_(network.weight, epoch)
        progress.add({"val/loss": value, "val/balanced_accuracy": value}, network, monitor=monitor, settled=settled)
    return progress


@pytest.mark.parametrize(("monitor", "best"), [("loss", 1), ("balanced_accuracy", 0), ("none", 3)])
def test_the_weights_of_the_best_epoch_are_kept(monitor: str, best: int) -> None:
    progress = a_progress([0.9, 0.2, 0.5, 0.2], monitor)
    assert progress.best_epoch == best
    assert float(progress.best["weight"]) == best
    assert [figures["val/loss"] for figures in progress.history] == [0.9, 0.2, 0.5, 0.2]


def test_an_epoch_before_the_last_phase_is_never_the_best() -> None:
    assert a_progress([0.1, 0.9, 0.8], settled=1).best_epoch == 2


def test_what_is_no_number_is_never_the_best() -> None:
    assert a_progress([math.nan, math.nan]).best == {}
    assert a_progress([0.5, math.nan], "none").best_epoch == 0
    assert math.isnan(score({"val/loss": math.inf}, 3, "none"))


@pytest.mark.parametrize(
    ("epochs", "patience", "settled", "over"),
    [
        (3, 9, 0, True),
        (4, 9, 0, False),
        (9, 2, 0, True),  # epochs 1 and 2 brought nothing
        (9, 3, 0, False),
        (9, 2, 2, False),  # the epochs before the third do not count
    ],
)
def test_it_ends_after_the_last_epoch_or_when_patience_ends(
    epochs: int, patience: int, settled: int, over: bool
) -> None:
    progress = a_progress([0.1, 0.2, 0.3])
    assert progress.is_over(epochs=epochs, patience=patience, settled=settled) == over


def test_weights_are_copies_that_later_steps_do_not_touch() -> None:
    network, progress = nn.Linear(1, 1), Progress()
    progress.add({"val/loss": 1.0}, network, monitor="loss", settled=0)
    before = progress.best["weight"].clone()
    nn.init.constant_(network.weight, 7.0)
    assert torch.equal(progress.best["weight"], before)
