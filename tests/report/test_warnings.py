from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpoise.report import warnings
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


def facts(sides: list[str], units: list[str], *, kind: str = "single") -> Any:
    """Make the facts that the warnings about units look at; all images of a unit are duplicates of one of them."""
    ids = [f"{number}.png" for number in range(len(sides))]
    found = pd.DataFrame({"image_id": ids, "unit": units, "centre": units, "kind": kind})
    return SimpleNamespace(splits=pd.DataFrame({"image_id": ids, "split": sides}), clusters=found)


def test_a_given_split_that_leaks_is_warned_of_with_the_images_concerned() -> None:
    (finding,) = warnings._leaks(facts(["train", "test", "test", "val", "test"], ["a", "a", "a", "b", "c"]))
    assert finding.headline.startswith("The split leaks: 2 test images and 0 validation images share a group with")
    assert "Your own split divides 1 unit of data/clusters.csv" in finding.detail


def test_units_on_one_side_and_images_that_are_unused_do_not_leak() -> None:
    assert list(warnings._leaks(facts(["train", "train", "test", "unused"], ["a", "a", "b", "b"]))) == []


def test_large_groups_of_the_users_own_are_no_warning_but_ten_duplicates_are() -> None:
    sides, units = ["train"] * 25, ["a"] * 15 + ["b"] * 10
    assert list(warnings._clusters(facts(sides, units))) == []
    (finding,) = warnings._clusters(facts(sides, units, kind="near"))
    assert finding.headline == "2 images have 10 or more duplicates; the most, 15, has “a”."


def test_the_ranking_of_a_majority_is_not_judged() -> None:
    rows = [("average_precision", 0.74, 1.0, 0.88, 24, "good")]
    table = pd.DataFrame(rows, columns=["measure", "low", "high", "no_skill", "units", "class"])
    assert list(warnings._too_wide(SimpleNamespace(tables={"classes": table}))) == []  # type: ignore[arg-type]


def test_no_ranking_of_fewer_than_five_units_is_compared_with_no_skill() -> None:
    names = ["four", "five", "skilled"]
    rows = [("average_precision", 0.1, 0.9, 0.2, 4), ("average_precision", 0.1, 0.9, 0.2, 5)]
    rows += [("average_precision", 0.3, 0.9, 0.2, 50)]
    table = pd.DataFrame(rows, columns=["measure", "low", "high", "no_skill", "units"]).assign(**{"class": names})
    found = SimpleNamespace(tables={"classes": table}, count_classes=lambda count: f"{count} class")
    (finding,) = warnings._too_wide(found)  # type: ignore[arg-type]
    assert finding.headline == "The ranking of 1 class may have no skill."
    assert finding.detail.startswith("“five”:")
