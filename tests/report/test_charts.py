import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pytest

from counterpoise.report import charts
from counterpoise.report.charts.bars import Row, bars_with_intervals, gauge
from counterpoise.report.charts.confusion_matrix import confusion_matrix
from counterpoise.report.charts.curves import Calibration, PRCurve, precision_recall, reliability
from counterpoise.report.charts.dot_whisker import Measure, dots_by_way
from counterpoise.report.charts.dots import Group, apportion, dots
from counterpoise.report.charts.dumbbells import Change, changes
from counterpoise.report.charts.errors import Errors, errors_by_class
from counterpoise.report.charts.frame import PointEstimate
from counterpoise.report.charts.lines import Line, line_chart
from counterpoise.report.charts.stages import Stage, counts_through_stages
from counterpoise.report.charts.steps import Track, shares_by_step
from counterpoise.report.charts.texts import write_prevalence, write_share

NAN = math.nan
STYLE = Path(charts.__file__).parents[1] / "style.css"
PLAIN = ["functional", "probably_functional", "probably_defective", "defective"]
HOSTILE = [
    "<script>alert(\"x\")</script> & 'co'",
    "",
    "   ",
    "trademark " * 40,
    "日本語の長い分類名がここに入ります",
    "naïve façade",
    "\x00\x1b]0;",
    "None",
]


def every_chart(
    names: list[str], *, value: float = 0.43, low: float = 0.24, high: float = 0.63, count: int = 21
) -> dict[str, str]:
    """Every chart, with the same names and the same values in all its places."""
    estimate = PointEstimate(value, low, high, count)
    kw: dict[str, Any] = {"title": "A chart", "alt": "What it shows"}
    n = len(names)
    return {
        "bars": bars_with_intervals([Row(name, estimate, value) for name in names], **kw),
        "stages": counts_through_stages(names, [Stage(name, [count] * n) for name in names], **kw),
        "stages, log": counts_through_stages(names, [Stage("train", [count] * n, 0)], scale="log", **kw),
        "lines": line_chart([Line(name, [value, low, high]) for name in names], mark=2, y_label="loss", **kw),
        "lines, log": line_chart([Line(name, [value, 0, -1]) for name in names], log=True, **kw),
        "confusion": confusion_matrix(np.full((n, n), count), names, **kw),
        "precision-recall": precision_recall(
            [PRCurve(name, [1.0, value], [low, high], (value, high)) for name in names], no_skill=value, **kw
        ),
        "reliability": reliability([Calibration(name, [value, 0.9], [estimate, estimate]) for name in names], **kw),
        "dots": dots([Group(name, count, "found") for name in names], notes=names, **kw),
        "errors": errors_by_class([Errors(name, count, count, count) for name in names], **kw),
        "changes": changes([Change(name, *_between(low, high)) for name in names], **kw),
        "steps": shares_by_step(
            names or ["step"], [Track(name, [min(value, 1.0)] * n, k) for k, name in enumerate(names)], **kw
        ),
        "ways": dots_by_way([Measure(name, dict.fromkeys(names, estimate), "lower is better") for name in names], **kw),
    }


def _between(*shares: float) -> tuple[float, ...]:
    """Make shares of what may be anything, since counts never give others."""
    return tuple(min(max(share, 0.0), 1.0) if math.isfinite(share) else 0.0 for share in shares)


CASES = {
    "plain": every_chart(PLAIN),
    "hostile": every_chart(HOSTILE),
    "many": every_chart([f"class {i} of twelve" for i in range(12)]),
    "single": every_chart(["only"]),
    "nothing": every_chart([]),
    "zero counts": every_chart(PLAIN, value=0.0, low=0.0, high=0.0, count=0),
    "NaN": every_chart(PLAIN, value=NAN, low=NAN, high=NAN),
    "infinite": every_chart(PLAIN, value=math.inf, low=-math.inf, high=math.inf),
    "half an interval": every_chart(PLAIN, low=NAN),
    "beyond the axis": every_chart(PLAIN, value=7.5, low=-3.0, high=1e9, count=10**9),
}
ALL = [pytest.param(svg, id=f"{case}: {name}") for case, found in CASES.items() for name, svg in found.items()]


def parse(svg: str) -> ElementTree.Element:
    return ElementTree.fromstring(svg)


def texts(svg: str) -> str:
    """All that is printed in a chart, joined by line breaks; tooltips are left out."""
    found = [text for text in parse(svg).iter() if text.tag.endswith("}text")]
    return "\n".join("".join([t.text or "", *(child.tail or "" for child in t)]) for t in found)


@pytest.mark.parametrize("svg", ALL)
def test_every_chart_is_xml_with_a_name_a_text_alternative_and_a_view_box(svg: str) -> None:
    root = parse(svg)
    assert root.get("role") == "img"
    assert root.get("aria-label") == "What it shows"
    assert root[0].tag.endswith("}title")
    assert root[0].text == "A chart"
    assert re.fullmatch(r"0 0 \d+ [\d.]+", root.get("viewBox", ""))
    assert root.get("width") == "100%"


@pytest.mark.parametrize("svg", ALL)
def test_no_attribute_is_missing_or_not_a_number(svg: str) -> None:
    for element in parse(svg).iter():
        for key, value in element.attrib.items():
            assert not re.search(r"\b(nan|inf|none)\b", value, re.IGNORECASE), (key, value)


@pytest.mark.parametrize("svg", ALL)
def test_no_colour_is_written_into_a_chart(svg: str) -> None:
    for element in parse(svg).iter():
        assert not {"fill", "stroke"} & set(element.keys())
        assert "color" not in element.get("style", "")


@pytest.mark.parametrize("svg", ALL)
def test_nothing_is_drawn_far_outside_the_view_box(svg: str) -> None:
    root = parse(svg)
    width, height = (float(n) for n in root.get("viewBox", "").split()[2:])
    for element in root.iter():
        for key in ("x", "x1", "x2", "cx"):
            assert -8 <= float(element.get(key, 0)) <= width + 8
        for key in ("y", "y1", "y2", "cy"):
            assert -8 <= float(element.get(key, 0)) <= height + 8


def test_the_style_sheet_knows_every_class_and_colour_used() -> None:
    style = STYLE.read_text(encoding="utf-8")
    used = {c for found in CASES.values() for svg in found.values() for e in parse(svg).iter()
            for c in e.get("class", "").split()}  # fmt: skip
    kinds = {"bars", "stages", "lines", "confusion", "precision-recall", "reliability", "ways"}
    kinds |= {"dots-chart", "errors", "changes", "steps"}
    assert {name for name in used - kinds if f".{name}" not in style} == set()
    declared = set(re.findall(r"(--[\w-]+):", style))
    assert set(re.findall(r"var\((--[\w-]+)\)", style)) <= declared


def test_every_theme_meets_the_contrast_of_wcag_aa() -> None:
    blocks = re.findall(r":root \{([^}]*)\}", STYLE.read_text(encoding="utf-8"))
    assert len(blocks) == 2
    for block in blocks:
        colours = {k: np.array([int(v[i : i + 2], 16) for i in (0, 2, 4)]) / 255
                   for k, v in re.findall(r"--([\w-]+): #([0-9a-f]{6})", block)}  # fmt: skip
        for text in ("ink", "muted", "accent", "alarm", "good", "bad"):
            for ground in ("page", "card", "sunk"):
                assert contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        assert contrast(colours["ink"], colours["warn-back"]) >= 4.5
        for series in range(7):
            assert contrast(colours[f"s{series}"], colours["card"]) >= 3, series
        for shade in ("right", "wrong"):
            deepest = 0.62 * colours[shade] + 0.38 * colours["sunk"]
            assert contrast(colours["ink"], deepest) >= 4.5, shade


def contrast(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64]) -> float:
    """Contrast ratio of WCAG 2 between two sRGB colours in [0, 1]."""
    linear = [np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4) for c in (one, other)]
    light, dark = sorted((float(c @ [0.2126, 0.7152, 0.0722]) for c in linear), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_bars_print_the_figure_its_interval_and_its_support() -> None:
    printed = texts(CASES["plain"]["bars"])
    assert "0.43 [0.24, 0.63], n = 21" in printed
    assert "probably_defective" in printed
    assert "no skill" in printed


def test_an_undefined_figure_is_printed_as_such_and_not_drawn() -> None:
    svg = bars_with_intervals([Row("rare", PointEstimate(NAN, NAN, NAN, 0))], title="t", alt="a")
    assert "n/a, n = 0" in texts(svg)
    assert "mark" not in svg
    assert "no skill" not in svg


def test_the_bar_of_one_half_is_half_as_wide_as_the_axis() -> None:
    svg = bars_with_intervals([Row("a", PointEstimate(0.5))], title="t", alt="a")
    widths = {e.get("class"): float(e.get("width", 0)) for e in parse(svg).iter() if e.tag.endswith("}rect")}
    assert widths["bar s0"] == pytest.approx(widths["track"] / 2)


def test_stages_print_every_share_and_the_sum() -> None:
    svg = counts_through_stages(
        PLAIN, [Stage("labels", [1508, 295, 106, 715]), Stage("val", [226, 44, 0, 107])], title="t", alt="a"
    )
    printed = texts(svg).split("\n")
    assert {"57 %", "11 %", "4 %", "27 %", "0 %", "2,624", "labels", "val"} <= set(printed)


def test_stages_print_every_count_on_a_logarithmic_scale() -> None:
    stages = [Stage("labels", [1508, 295, 106, 715]), Stage("val", [226, 44, 0, 107])]
    printed = texts(counts_through_stages(PLAIN, stages, title="t", alt="a", scale="log")).split("\n")
    assert {"1,508", "295", "106", "715", "226", "44", "0", "107"} <= set(printed)


def test_shares_of_several_labels_refer_to_the_number_of_images() -> None:
    svg = counts_through_stages(["a", "b"], [Stage("train", [80, 40], total=100)], title="t", alt="a")
    assert {"80 %", "40 %", "100"} <= set(texts(svg).split("\n"))


def test_a_rare_class_stays_visible_beside_a_common_one() -> None:
    svg = counts_through_stages(["common", "rare"], [Stage("train", [1_000_000, 1])], title="t", alt="a")
    widths = [float(e.get("width", 0)) for e in parse(svg).iter() if (e.get("class") or "").startswith("fill")]
    assert min(widths) >= 1.5
    assert "0.0001 %" in texts(svg)
    assert write_share(0) == "0 %"


def test_a_curve_is_cut_where_a_value_is_missing() -> None:
    svg = line_chart([Line("train", [1.0, 0.9, NAN, 0.8, 0.7, None, 0.6])], title="t", alt="a")
    assert svg.count("<polyline") == 2


def test_lines_are_labelled_with_their_names_and_the_marker_with_its_epoch() -> None:
    svg = line_chart([Line("train", [1.0, 0.5]), Line("gone", [NAN])], title="t", alt="a", mark=2)
    printed = texts(svg)
    assert "train" in printed
    assert "best epoch 2" in printed
    assert "gone: no finite value" in printed


@pytest.mark.parametrize("values", [[0.3], [0.3, 0.3, 0.3], [0.0], [0.0, 0.0], [-1.0, -1.0]])
def test_one_point_and_constant_series_are_drawn(values: list[float]) -> None:
    svg = line_chart([Line("loss", values)], title="t", alt="a", mark=1)
    assert "mark s0" in svg


def test_learning_rates_are_drawn_over_powers_of_ten() -> None:
    printed = texts(line_chart([Line("rate", [1e-4, 1e-5, 1e-7])], title="t", alt="a", log=True)).split("\n")
    assert {"1e-4", "1e-5", "1e-6", "1e-7"} <= set(printed)


def test_the_confusion_matrix_says_what_rows_and_columns_are_and_prints_counts_and_row_shares() -> None:
    svg = confusion_matrix([[2615, 247], [15, 122]], ["no panel", "panel"], title="t", alt="a")
    printed = texts(svg).split("\n")
    assert {"actual", "decided as", "2,615", "247", "15", "122", "89 %", "11 %", "n = 137"} <= set(printed)
    assert "actual panel, decided no panel: 15 of 137" in svg


def test_a_row_without_images_has_no_shares() -> None:
    printed = texts(confusion_matrix([[3, 0], [0, 0]], ["a", "b"], title="t", alt="a"))
    assert printed.count("%") == 2


def test_the_no_skill_line_bears_its_value() -> None:
    svg = precision_recall([PRCurve("raw", [1, 0.5], [0.04, 0.2], (0.5, 0.2))], title="t", alt="a", no_skill=0.04)
    assert "no skill = 0.04" in texts(svg)
    assert "at the threshold: recall 0.50, precision 0.20" in texts(svg)


def test_the_area_under_the_drawn_steps_is_the_average_precision() -> None:
    recall, precision = [0.0, 0.25, 0.25, 0.5, 1.0], [1.0, 1.0, 0.8, 0.5, 0.2]
    svg = precision_recall([PRCurve("raw", recall, precision)], title="t", alt="a")
    path = next(e.get("d", "") for e in parse(svg).iter() if e.tag.endswith("}path"))
    (left, right), (top, bottom) = (36.0, 386.0), (30.0, 326.0)
    x, y = (float(n) for n in path[1:].split("H")[0].split())
    area = 0.0
    for command, number in re.findall(r"([HV])([\d.]+)", path):
        if command == "V":
            y = float(number)
        else:
            area += (float(number) - x) / (right - left) * (bottom - y) / (bottom - top)
            x = float(number)
    assert area == pytest.approx(0.25 * 1.0 + 0.25 * 0.5 + 0.5 * 0.2, abs=1e-3)


def test_a_precision_recall_curve_does_not_depend_on_its_direction() -> None:
    recall, precision = [0.25, 0.5, 1.0], [1.0, 0.5, 0.2]
    one, other = (
        precision_recall([PRCurve("raw", r, p)], title="t", alt="a")
        for r, p in ((recall, precision), (recall[::-1], precision[::-1]))
    )
    assert one == other


def test_reliability_leaves_out_empty_bins_and_says_how_full_the_others_are() -> None:
    bins = [PointEstimate(0.1, 0.05, 0.2, 400), PointEstimate(NAN, count=0), PointEstimate(0.8, 0.5, 0.95, 5)]
    svg = reliability([Calibration("raw", [0.1, NAN, 0.7], bins)], title="t", alt="a")
    assert "2 bins of 5 to 400 images" in texts(svg)
    assert svg.count("see-through") == 2


def test_a_variant_keeps_its_colour_if_another_is_absent() -> None:
    both = {"raw": PointEstimate(0.5), "calibrated": PointEstimate(0.6)}
    svg = dots_by_way(
        [Measure("recall", both), Measure("loss", {"calibrated": PointEstimate(0.1)})], title="t", alt="a"
    )
    assert svg.count('class="mark s1"') == 2
    assert svg.count('class="mark s0"') == 1


def test_every_image_is_a_dot_and_a_group_that_holds_anything_has_one() -> None:
    assert apportion([2, 19, 206, 298], 525) == [2, 19, 206, 298]
    drawn = apportion([1, 3, 500, 999_496], 1000)
    assert sum(drawn) == 1000
    assert min(drawn) == 1
    assert apportion([0, 0, 7], 7) == [0, 0, 7]
    assert apportion([0.0, 0.0], 5) == [0, 0]


def test_dots_print_the_numbers_and_say_what_a_dot_is() -> None:
    groups = [Group("missed", 2, "missed"), Group("found", 19, "found"), Group("others", 504, "rest")]
    printed = texts(dots(groups, title="t", alt="a", noun="test image"))
    assert "2 missed" in printed
    assert "19 found" in printed
    assert "Each dot is one test image." in printed
    many = texts(dots([Group("others", 100_000, "rest")], title="t", alt="a"))
    assert "Each dot is about 100 images." in many


def test_as_many_dots_are_drawn_as_there_are_images() -> None:
    svg = dots([Group("found", 30, "found"), Group("others", 13, "rest")], title="t", alt="a")
    drawn = 0.0
    for path in parse(svg).iter():
        dashes = (path.get("stroke-dasharray") or "0 20").split()
        if path.tag.endswith("}path") and dashes[1] != "20":
            pitch = float(dashes[1])
            for start, end in re.findall(r"M([\d.]+) [\d.]+H([\d.]+)", path.get("d", "")):
                drawn += math.floor((float(end) - float(start)) / pitch) + 1
    assert drawn == 43


def test_errors_are_drawn_on_one_scale() -> None:
    svg = errors_by_class([Errors("a", 3, 1, 4), Errors("b", 1, 0, 0)], title="t", alt="a")
    printed = texts(svg)
    assert "3 of 4 found, 4 false alarms" in printed
    assert "1 of 1 found, 0 false alarms" in printed
    found = [float(e.get("width", 0)) for e in parse(svg).iter() if e.get("class") == "part found"]
    assert found[0] == pytest.approx(3 * found[1], rel=1e-3)


def test_a_step_that_is_not_known_is_bridged_and_said_to_be_so() -> None:
    svg = shares_by_step(
        ["labels", "× loss\n= focal: unknown", "target"], [Track("rare", [0.04, None, 0.04], 0)], title="t", alt="a"
    )
    assert "= focal: unknown" in texts(svg)
    assert "dashed" in svg
    whole = shares_by_step(["labels", "target"], [Track("rare", [0.04, 0.04], 0)], title="t", alt="a")
    assert "dashed" not in whole


def test_a_gauge_has_a_text_alternative_and_a_tick_at_no_skill() -> None:
    svg = gauge(PointEstimate(0.58, 0.53, 0.64), title="Balanced accuracy", reference=0.25)
    assert 'aria-label="Balanced accuracy: 0.58 [0.53, 0.64], between 0 and 1; no skill 0.25"' in svg
    assert "tick" in svg
    assert "mark" not in gauge(PointEstimate(None), title="Precision")


def test_a_class_in_focus_is_the_only_one_in_colour() -> None:
    rows = [Row("a", PointEstimate(0.5)), Row("rare", PointEstimate(0.5), focus=True)]
    svg = bars_with_intervals(rows, title="t", alt="a")
    assert svg.count("bar s0") == 1
    assert svg.count("bar s6") == 1


@pytest.mark.parametrize(
    ("share", "written"), [(0.0, "0 %"), (0.00012, "0.012 %"), (0.0995, "10 %"), (0.996, ">99 %"), (1.0, "100 %")]
)
def test_prevalences_have_two_digits(share: float, written: str) -> None:
    assert write_prevalence(share) == written


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (
            lambda kw: counts_through_stages(["a"], [Stage("val", [1, 2])], **kw),
            "stage 'val' has 2 counts; expected 1",
        ),
        (lambda kw: confusion_matrix([[1, 2]], ["a"], **kw), r"shape \(1, 2\); expected \(1, 1\)"),
        (lambda kw: line_chart([Line("a", [1.0], [1, 2])], **kw), "line 'a' has 2 x and 1 y"),
        (lambda kw: precision_recall([PRCurve("a", [1], [])], **kw), "1 recalls and 0 precisions"),
        (lambda kw: reliability([Calibration("a", [1], [])], **kw), "1 predictions and 0 observed"),
        (lambda kw: shares_by_step(["x"], [Track("a", [], 0)], **kw), "track 'a' has 0 shares; expected 1"),
    ],
)
def test_inputs_of_different_lengths_are_refused(draw: Callable[..., str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw({"title": "t", "alt": "a"})
