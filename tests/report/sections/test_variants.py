"""The sentence about what re-deciding changed: only what its interval shows, and nothing from fewer than five units."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from counterpoise.metrics.difference import Difference
from counterpoise.report.facts import OVER_CLASSES, Facts
from counterpoise.report.sections import calibration, variants
from counterpoise.report.units import Support

CLEAR, UNCLEAR, WITHOUT = (
    Difference(0.1, 0.05, 0.15),
    Difference(0.01, -0.05, 0.07),
    Difference(0.1, float("nan"), float("nan")),
)


def facts(rarest: int, gain: Difference, total: int = 50) -> Any:
    """Make the facts of a test set whose rarest class has so many units, each of one image."""
    supports = (Support(total - rarest, total - rarest), Support(rarest, rarest), Support(0, 0))
    found = SimpleNamespace(
        supports=supports,
        units=np.arange(total),
        words=SimpleNamespace(noun="class"),
        score=lambda variant, figure: 0.5 if variant == "raw" else 0.5 + gain.value,
        difference=lambda figure: gain,
    )
    found.rests_on = lambda figure: Facts.rests_on(found, figure)  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("figure", OVER_CLASSES)
@pytest.mark.parametrize(("rarest", "compared"), [(4, False), (5, True)])
def test_a_mean_over_classes_is_compared_from_five_units_of_each(figure: str, rarest: int, compared: bool) -> None:
    text = variants._compare(facts(rarest, CLEAR), [figure])
    assert ("raised" in text) == compared
    assert ("Not compared, since a class in test has fewer than 5 units" in text) == (not compared)


@pytest.mark.parametrize("figure", ["recall", "macro_f1", "balanced_accuracy_raw", "mean_average_precision"])
def test_the_table_of_all_figures_says_which_rest_on_fewer_than_five_units(figure: str) -> None:
    for rarest, said in ((4, "only 4 units of "), (5, "")):
        found = facts(rarest, CLEAR)
        found.test_support, found.positive_name = found.supports[1], "rare"
        assert Facts.few_units(found, figure).startswith(said)
        assert Facts.few_units(found, "accuracy") == ""


def test_figures_of_all_images_do_not_depend_on_the_rarest_class() -> None:
    assert "raised accuracy" in variants._compare(facts(2, CLEAR), ["accuracy"])
    assert "raised" not in variants._compare(facts(2, CLEAR, total=4), ["accuracy"])


def test_only_what_lies_outside_its_interval_is_raised() -> None:
    assert variants._compare(facts(20, UNCLEAR), ["accuracy"]).startswith("No clear change: accuracy")
    assert variants._compare(facts(20, WITHOUT), ["accuracy"]).startswith("Without an interval, so not compared")


def test_calibration_is_not_praised_from_fewer_than_five_units() -> None:
    better = Difference(-0.02, -0.03, -0.01)
    assert calibration._change(0.12, 0.1, better, units=5).startswith("Calibration lowered the Brier score")
    text = calibration._change(0.12, 0.1, better, units=4)
    assert "lowered" not in text
    assert text.endswith("is not compared: test has only 4 units. ")


def test_calibration_moved_nothing_where_the_difference_has_no_interval() -> None:
    text = calibration._change(0.0, 0.0, Difference(0.0, float("nan"), float("nan")), units=20)
    assert "moved" not in text
    assert text.endswith("is not compared: the difference has no interval. ")


@pytest.mark.parametrize("gain", [Difference(0.0015, 0.00006, 0.003), Difference(-0.004, -0.007, -0.0004)])
def test_a_printed_interval_leaves_out_0_if_the_text_says_so(gain: Difference) -> None:
    printed = variants.write_difference(gain)
    assert gain.clear
    assert not any(float(end.replace("−", "-")) == 0 for end in printed[printed.index("[") + 1 : -1].split(", "))
