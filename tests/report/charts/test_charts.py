"""What every chart keeps to, and what each one shows: few and many classes, long names, missing values."""

import json
import math
import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from xml.etree import ElementTree

import altair as alt
import numpy as np
import pandas as pd
import pytest

from counterpoise.report.charts import frame, render, theme
from counterpoise.report.charts.calibration import calibration
from counterpoise.report.charts.changes import changes
from counterpoise.report.charts.confusion import confusion_matrix
from counterpoise.report.charts.dots import dots
from counterpoise.report.charts.errors import errors_by_class
from counterpoise.report.charts.gauge import gauge
from counterpoise.report.charts.labels import text_width
from counterpoise.report.charts.ledger import shares_by_step
from counterpoise.report.charts.lines import Axis, Mark, lines
from counterpoise.report.charts.precision_recall import precision_recall
from counterpoise.report.charts.prevalence import over_prevalence
from counterpoise.report.charts.rates import rates_by_class
from counterpoise.report.charts.stages import counts_by_stage
from counterpoise.report.charts.variants import LOOKS, variants

NAN = float("nan")
LONG = "a very long name of a class that goes on & on <b>, and still goes on after that"
HOSTILE = [LONG, 'it\'s "x" \\ y', "日本語の長いクラス名です", "&amp; {{ 7 * 7 }}"]
HEADING = "A heading that is long enough to need all the width of its chart, or more than that"


def class_names(count: int) -> list[str]:
    return [*HOSTILE, *(f"class_{i}" for i in range(count))][:count]


def rates(count: int, seed: int = 0) -> pd.DataFrame:
    values = np.random.default_rng(seed).uniform(size=count).round(3)
    table = pd.DataFrame({"class": class_names(count), "value": values, "low": values - 0.1, "high": values + 0.1})
    table = table.assign(low=table["low"].clip(0), high=table["high"].clip(upper=1), reference=0.04)
    table["focus"] = table.index == 0
    table["printed"] = [f"{value:.2f} [0.00, 1.00], n = 1,021" for value in values]
    table["detail"] = "1,021 images of 998 units"
    table.loc[1, ["low", "high"]] = NAN
    table.loc[1, ["printed", "detail"]] = "1.00, 6 images of 1 unit", "no interval: fewer than 5 units"
    table.loc[count - 1, ["value", "low", "high", "reference"]] = NAN
    return table


def bins() -> pd.DataFrame:
    predicted = np.linspace(0.05, 0.95, 5)
    table = pd.DataFrame({"predicted": predicted, "observed": predicted**2, "count": [0, 2, 30, 8, 100]})
    table = table.assign(low=table["observed"] - 0.1, high=table["observed"] + 0.1, printed="0.5 of 30 images")
    table.loc[1, ["low", "high"]] = NAN
    return pd.concat([table.assign(way="raw"), table.assign(way="calibrated")], ignore_index=True)


def versions() -> pd.DataFrame:
    rows = [
        {"figure": figure, "version": version, "value": 0.4, "low": 0.3, "high": 0.9, "printed": "0.40 [0.30, 0.90]"}
        for figure in ("Expected calibration error", LONG)
        for version in ("raw", "calibrated", "re-decided")
    ]
    table = pd.DataFrame(rows).assign(note="lower is better", reference=0.25)
    table.loc[1, ["value", "low", "high", "printed"]] = NAN, NAN, NAN, "n/a"
    return table


def curves(names: list[str], color: str = "validation") -> pd.DataFrame:
    steps = np.arange(1, 21)
    tables = [
        pd.DataFrame({"series": name, "x": steps, "y": 0.5 + np.exp(-steps / (i + 3)), "color": color})
        for i, name in enumerate(names)
    ]
    return pd.concat(tables, ignore_index=True)


def grid() -> pd.DataFrame:
    shares = [float(f"{share:.6g}") for share in np.geomspace(0.001, 0.5, 21)]
    values = [0.6 * share / (0.6 * share + 0.16 * (1 - share)) for share in shares]
    table = pd.DataFrame({"prevalence": shares, "value": values, "low": values, "high": values})
    return table.assign(
        low=0.8 * table["value"], high=(1.2 * table["value"]).clip(upper=1), printed=[f"at {s:.2%}" for s in shares]
    )


def confusion(count: int) -> pd.DataFrame:
    names = class_names(count)
    table = pd.DataFrame(np.eye(count, dtype=int) * 1500 + 3, index=names, columns=names)
    table.iloc[-1] = 0
    return table


def groups(scale: float = 1) -> pd.DataFrame:
    kinds = ["missed", "found", "alarm", "rest"]
    names = ["missed", "found", "false alarms", "others"]
    return pd.DataFrame({"name": names, "count": [8 * scale, 13 * scale, 80 * scale, 424 * scale], "kind": kinds})


def errors() -> pd.DataFrame:
    return pd.DataFrame({"class": HOSTILE, "found": [95, 13, 0, 1], "missed": [48, 8, 0, 2], "alarms": [24, 80, 1, 0]})


def counts() -> pd.DataFrame:
    stages = ["labels", "train", "val", "test", "samples per epoch"]
    return pd.DataFrame([[106, 64, 21, 21, 64], [1508, 900, 302, 302, 900], [0] * 5], HOSTILE[:3], stages)


def ledger(count: int) -> tuple[pd.DataFrame, list[str], list[str]]:
    names, steps = (
        class_names(count),
        ["in the labels", "× oversample\n= balanced: unknown", "a step whose name is long"],
    )
    rows = [
        {"class": name, "step": step, "share": NAN if (name, step) == (names[0], 1) else 0.5 / (i + 1)}
        for i, name in enumerate(names)
        for step in range(len(steps))
    ]
    return pd.DataFrame(rows), steps, names


def of_rates(count: int) -> alt.LayerChart:
    return rates_by_class(rates(count), title=HEADING, description="d")


def of_confusion(count: int) -> alt.LayerChart:
    return confusion_matrix(confusion(count), title=HEADING, description="d")


def of_ledger(count: int) -> alt.LayerChart:
    table, steps, names = ledger(count)
    return shares_by_step(table, steps=steps, classes=names, title=HEADING, description="d")


def of_lines(names: list[str], *, log: bool = False, mark: Mark | None = None) -> alt.LayerChart:
    table = curves(names)
    table.loc[3, "y"] = NAN
    axis = Axis("penalty", log=True) if log else Axis("epoch", whole=True)
    return lines(table, x=axis, y=Axis("loss in nats", log=log), title=HEADING, description="d", mark=mark)


def of_curve(points: int, **values: float) -> alt.LayerChart:
    recall = np.linspace(1, 0, points)
    curve = pd.DataFrame({"recall": recall, "precision": 1 - 0.5 * recall})
    at = (values.get("recall", 0.62), values.get("precision", 0.14))
    return precision_recall(
        curve,
        point=at,
        point_name="at the threshold",
        no_skill=values.get("no_skill", 0.04),
        title=HEADING,
        description="d",
    )


WAYS = {"raw": "raw: 4 bins of 2 to 100 images", "calibrated": 'calibrated: it\'s "4" bins'}
SAMPLES: dict[str, Callable[[], alt.LayerChart]] = {
    "dots": lambda: dots(groups(), title=HEADING, description="d", notes=["recall 62 %"]),
    "dots, thousands": lambda: dots(groups(100), title="", description="d", noun="test image"),
    "gauge": lambda: gauge(0.62, 0.41, 0.79, description="d", no_skill=0.04),
    "gauge, unknown": lambda: gauge(NAN, NAN, NAN, description="d"),
    **{f"rates, {count}": partial(of_rates, count) for count in (2, 12, 43, 300)},
    "errors": lambda: errors_by_class(errors(), title=HEADING, description="d"),
    **{f"confusion, {count}": partial(of_confusion, count) for count in (2, 4, 15)},
    "precision and recall": lambda: of_curve(50),
    "precision and recall, no point": lambda: of_curve(2, recall=NAN, precision=NAN, no_skill=0.95),
    "calibration": lambda: calibration(bins(), details=WAYS, unit="images", title=HEADING, description="d"),
    "variants": lambda: variants(versions(), title=HEADING, description="d"),
    "lines": lambda: of_lines(["train", "validation"], mark=Mark(20, "kept: epoch 20")),
    "lines, long names": lambda: of_lines([LONG, "b", "c", "d", "e", "f", "g"], log=True),
    "ledger": lambda: of_ledger(5),
    "ledger, 2": lambda: of_ledger(2),
    "stages, share": lambda: counts_by_stage(
        counts(), totals=[2624, 1574, 525, 525, 0], scale="share", focus=LONG, title=HEADING, description="d"
    ),
    "stages, log": lambda: counts_by_stage(
        counts(), totals=[2624, 1574, 525, 525, 964], scale="log", focus=LONG, title=HEADING, description="d"
    ),
    "changes": lambda: changes(
        pd.DataFrame({"name": HOSTILE, "before": [0.1, 0.5, 0.001, 0], "after": [0.05, 0.45, 0.3, 0]}),
        names=("of training tiles", "of samples"),
        title=HEADING,
        description="d",
    ),
    "prevalence": lambda: over_prevalence(grid(), start=grid()["prevalence"][9], title=HEADING, description="d"),
    "nothing": lambda: frame.empty(HEADING, "d"),
}


@cache
def picture(name: str) -> str:
    return render.svg(SAMPLES[name]())


every_chart = pytest.mark.parametrize("name", SAMPLES)


def texts(svg: str) -> Iterator[tuple[str, float, float, float, float]]:
    """List each line of text in a picture with its box: left, top, right, bottom, by a wide font."""

    def walk(
        element: ElementTree.Element, x: float, y: float, style: dict[str, str], angle: float
    ) -> Iterator[tuple[str, float, float, float, float]]:
        style = style | element.attrib
        if moved := re.match(r"translate\(([-\d.]+),([-\d.]+)\)", element.get("transform", "")):
            x, y = x + float(moved[1]), y + float(moved[2])
        if turned := re.search(r"rotate\(([-\d.]+)\)", element.get("transform", "")):
            angle = math.radians(float(turned[1]))
        own = (element.text or "").strip()
        if element.tag.endswith(("text", "tspan")) and own:
            size = float(style["font-size"].removesuffix("px"))
            width = text_width(own, size)
            start = {"start": 0.0, "middle": -width / 2, "end": -width}[style.get("text-anchor", "start")]
            y += float(element.get("dy", 0)) + float(element.get("y", 0)) if element.tag.endswith("tspan") else 0
            corners = [
                (a * math.cos(angle) - b * math.sin(angle), a * math.sin(angle) + b * math.cos(angle))
                for a in (start, start + width)
                for b in (-0.75 * size, 0.2 * size)
            ]
            yield (
                own,
                x + min(a for a, _ in corners),
                y + min(b for _, b in corners),
                x + max(a for a, _ in corners),
                y + max(b for _, b in corners),
            )
        for child in element:
            yield from walk(child, x, y, style, angle)

    yield from walk(ElementTree.fromstring(svg), 0, 0, {}, 0)


@every_chart
def test_no_text_reaches_beyond_its_chart(name):
    svg = picture(name)
    width, height = (float(value) for value in re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0])
    beyond = [box for box in texts(svg) if box[1] < -2 or box[2] < -2 or box[3] > width + 3 or box[4] > height + 2]
    assert not beyond


@every_chart
def test_a_chart_has_equal_bytes_each_time(name):
    first, second = SAMPLES[name](), SAMPLES[name]()
    assert render.compact(render.specification(first)) == render.compact(render.specification(second))
    assert render.svg(second) == picture(name)


@every_chart
def test_a_chart_is_valid_and_says_what_it_shows(name):
    content = SAMPLES[name]().to_dict()  # validates against the schema of Vega-Lite
    assert content["description"] == "d"
    svg = picture(name)
    assert svg.startswith("<svg ")
    assert 'role="img" aria-label="d"' in svg
    assert "NaN" not in svg
    assert "undefined" not in svg


@every_chart
def test_colors_are_names_of_the_theme_and_pictures_have_no_ids(name):
    svg = picture(name)
    named = set(re.findall(r"var\(--(\w+)\)", svg))
    assert named <= set(theme.MEANINGS)
    painted = set(re.findall(r'(?:fill|stroke)="([^"]+)"', svg))
    assert {color for color in painted if not color.startswith("var(")} <= {"none", "transparent"}
    assert not re.search(r"\b(id|url)[=(]", svg)


@pytest.mark.parametrize(
    ("name", "marks"),
    [
        ("dots", {"rule", "circle", "text"}),
        ("gauge", {"bar", "tick", "rule", "circle"}),
        ("rates, 12", {"rule", "tick", "circle", "text"}),
        ("errors", {"bar", "text"}),
        ("confusion, 4", {"rect", "text"}),
        ("precision and recall", {"line", "rule", "circle", "text"}),
        ("calibration", {"rule", "line", "point", "text"}),
        ("variants", {"tick", "rule", "point", "text"}),
        ("lines", {"line", "circle", "rule", "text"}),
        ("ledger", {"line", "point", "rule", "text"}),
        ("stages, share", {"bar", "rule", "text"}),
        ("changes", {"rule", "circle", "point", "text"}),
        ("prevalence", {"area", "line", "rule", "circle", "text"}),
    ],
)
def test_a_chart_has_its_marks(name, marks):
    assert {layer["mark"]["type"] for layer in SAMPLES[name]().to_dict()["layer"]} == marks


def test_a_heading_that_is_too_long_is_cut_in_its_middle():
    drawn = [text for text, *_ in texts(render.svg(SAMPLES["errors"]()))]
    heading = next(text for text in drawn if text.startswith("A heading"))
    assert "…" in heading
    assert heading.endswith(HEADING[-8:])


def drawn(chart: alt.LayerChart) -> list[str]:
    return [text for text, *_ in texts(render.svg(chart))]


def test_dots_are_as_many_as_images_and_the_legend_counts_them():
    chart = dots(groups(), title="", description="d")
    rule = next(layer for layer in chart.to_dict()["layer"] if layer["mark"]["type"] == "rule")
    runs = chart.to_dict()["datasets"][rule["data"]["name"]]
    assert sum(run["to"] - run["from"] + 0.75 for run in runs) == 525
    assert {"8 missed", "13 found", "80 false alarms", "424 others", "Each dot is one image."} <= set(drawn(chart))


def test_many_images_share_a_dot():
    assert "Each dot is about 52.5 images." in drawn(dots(groups(100), title="", description="d"))


def test_a_text_beyond_its_chart_is_noticed():
    boxes = list(texts(picture("errors")))
    assert 385 < max(right for _, _, _, right, _ in boxes) <= 400
    assert any(right > 100 and left > 100 for _, left, _, right, _ in boxes)
    (box,) = texts(
        '<svg><g transform="translate(5,9)"><text transform="translate(390,9)" font-size="10px">abc</text></g></svg>'
    )
    assert box[0] == "abc"
    assert box[1:] == pytest.approx((395, 10.5, 413, 20))


def test_no_images_are_nothing_to_draw():
    assert "nothing to draw" in drawn(dots(groups(0), title="t", description="d"))


@pytest.mark.parametrize("count", [2, 12, 20, 43, 300])
def test_each_class_has_a_row_until_there_are_too_many(count):
    table = rates(count).assign(printed="p")
    assert drawn(rates_by_class(table, title="t", description="d")).count("p") == min(count, 20)


def test_a_value_without_interval_is_a_dot_without_a_line():
    table = rates(3).iloc[:2]
    with_both, with_one = (
        render.svg(rates_by_class(rows, title="t", description="d")).count("<line")
        for rows in (table.assign(low=0.1, high=0.2), table)
    )
    assert with_both - with_one == 1


def found(search: str, order: str) -> list[str]:
    """The names that a chart of 300 classes shows for a search and an order, as its parameters say."""
    content = render.specification(rates_by_class(rates(300), title="t", description="d"))
    for parameter in content["params"]:
        parameter["value"] = {"search": search, "order": order}.get(parameter["name"], parameter["value"])
    copy = alt.LayerChart.from_dict(content)
    boxes = [(top, text) for text, _, top, *_ in texts(render.svg(copy)) if text.startswith("class_")]
    return [text for _, text in sorted(boxes)]


def test_a_search_shows_the_classes_that_contain_it():
    assert found("CLASS_29", "first") == ["class_29", *(f"class_{i}" for i in range(290, 296) if i < 296)]


def test_classes_are_sorted_by_value_and_by_name():
    table = rates(300).set_index("class")["value"]
    low, high = found("class_", "low"), found("class_", "high")
    assert list(table[low]) == sorted(table.filter(like="class_").dropna())[:20]
    assert list(table[high]) == sorted(table.filter(like="class_").dropna(), reverse=True)[:20]
    assert found("class_", "name") == sorted(table.filter(like="class_").index)[:20]


def test_rows_and_columns_of_a_confusion_matrix_are_the_same_classes():
    with pytest.raises(ValueError, match="expected the same"):
        confusion_matrix(confusion(3).iloc[:, ::-1], title="t", description="d")


def test_a_cell_has_its_count_and_its_share_of_the_row():
    table = pd.DataFrame([[3, 1], [0, 0]], ["a", "b"], ["a", "b"])
    written = drawn(confusion_matrix(table, title="t", description="d"))
    assert written.count("3") == written.count("75 %") == written.count("25 %") == 1
    assert not any(text.startswith("0 %") for text in written)


def test_a_curve_keeps_the_area_below_it():
    """Points inside of a level piece are dropped, those at a step are kept."""
    curve = pd.DataFrame({"recall": [1, 0.8, 0.6, 0.4, 0.4, 0.2], "precision": [0.5, 0.5, 0.5, 0.5, 0.4, 1.0]})
    chart = precision_recall(curve, point=(NAN, NAN), point_name="p", no_skill=NAN, title="t", description="d")
    kept = next(iter(chart.to_dict()["datasets"].values()))
    rows = [(row["recall"], row["precision"]) for row in kept]
    assert rows == [(0.2, 1), (0.4, 0.5), (1, 0.5)]


def test_an_empty_bin_is_not_drawn():
    chart = calibration(bins(), details=WAYS, unit="images", title="t", description="d")
    tables = chart.to_dict()["datasets"].values()
    assert {row["count"] for table in tables for row in table if "count" in row} == {2, 30, 8, 100}
    assert set(WAYS.values()) <= set(drawn(chart))


def test_versions_differ_in_more_than_colour():
    raw, decided, calibrated = (LOOKS[name] for name in ("raw", "re-decided", "calibrated"))
    assert len({raw, decided, calibrated}) == 3
    assert len({(look.shape, look.filled) for look in (raw, decided, calibrated)}) == 3


def test_a_series_without_a_finite_value_is_named():
    table = pd.concat([curves(["a"]), curves(["b"]).assign(y=NAN)], ignore_index=True)
    chart = lines(table, x=Axis("epoch", whole=True), y=Axis("loss"), title="t", description="d")
    assert "b: no finite value" in drawn(chart)


def test_series_of_one_colour_differ_by_their_dashes():
    chart = of_lines(["a", "b", "c"]).to_dict()
    line = next(layer for layer in chart["layer"] if layer["mark"]["type"] == "line")
    dashes = line["encoding"]["strokeDash"]["scale"]["range"]
    assert len({json.dumps(dash) for dash in dashes}) == 3


def test_names_at_the_ends_of_lines_do_not_overlap():
    table = pd.concat([curves([name]).assign(y=0.5) for name in "abcd"], ignore_index=True)
    chart = lines(table, x=Axis("epoch", whole=True), y=Axis("loss"), title="t", description="d")
    tops = sorted(top for text, _, top, *_ in texts(render.svg(chart)) if text in set("abcd"))
    assert min(np.diff(tops)) >= 12


def test_a_ledger_without_known_shares_is_nothing_to_draw():
    table, steps, names = ledger(2)
    chart = shares_by_step(table.assign(share=NAN), steps=steps, classes=names, title="t", description="d")
    assert "nothing to draw" in drawn(chart)


def test_shares_and_counts_are_printed_in_their_cells():
    share, number = ([text for text, *_ in texts(picture(f"stages, {scale}"))] for scale in ("share", "log"))
    assert "4 %" in share
    assert "n/a" in share
    assert "1,508" in number


def test_the_chart_marks_the_share_of_the_slider():
    table = grid()
    for share in (table["prevalence"][9], table["prevalence"][20]):
        chart = over_prevalence(table, start=share, title="t", description="d")
        assert [text for text in drawn(chart) if text.startswith("at ")] == [f"at {share:.2%}"]


def test_the_slider_starts_at_a_share_of_the_grid():
    with pytest.raises(ValueError, match=r"the grid has no prevalence 0\.123"):
        over_prevalence(grid(), start=0.123, title="t", description="d")
