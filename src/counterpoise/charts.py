"""Charts of the report page: from numbers and names to inline SVG, coloured by `page/style.css` alone.

Every chart is 400 units wide (a confusion matrix of many classes more), so that its text can be read on a
phone; wide screens put several beside each other. Missing values (None, NaN, infinite) are printed as "n/a"
and not drawn.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from counterpoise.svg import (
    SERIES,
    Scale,
    axes,
    el,
    escape,
    finite,
    label,
    line,
    marker,
    nice_ticks,
    num,
    rect,
    shorten,
    spread,
    svg,
    text_width,
    tick_texts,
    whisker,
    wrap,
    write_power,
)

WIDTH = 400.0


@dataclass(frozen=True)
class Estimate:
    """A figure with its interval and its support.

    Attributes:
        value: Point estimate; None or NaN where it is undefined.
        low: Lower end of the interval; None or NaN for none.
        high: Upper end of the interval.
        count: Number of images (or objects) behind the figure; None leaves it unprinted.
    """

    value: float | None
    low: float | None = None
    high: float | None = None
    count: int | None = None

    @property
    def interval(self) -> tuple[float, float] | None:
        """Both ends of the interval, or None if one is missing."""
        low, high = finite(self.low), finite(self.high)
        return None if low is None or high is None else (low, high)

    @property
    def text(self) -> str:
        """The figure as printed.

        Example:
            >>> Estimate(0.43, 0.24, 0.63, 21).text
            '0.43 [0.24, 0.63], n = 21'
        """
        interval = self.interval
        written = write_value(self.value)
        if interval is not None:
            written += f" [{write_value(interval[0])}, {write_value(interval[1])}]"
        return written if self.count is None else f"{written}, n = {write_count(self.count)}"


@dataclass(frozen=True)
class Row:
    """One class of `bars_with_intervals`; `reference` is its no-skill value, drawn as a tick."""

    name: str
    estimate: Estimate
    reference: float | None = None


@dataclass(frozen=True)
class Stage:
    """One column of `counts_through_stages`.

    Attributes:
        name: Heading, such as "train".
        counts: Images per class, in the order of the rows.
        total: What the shares refer to; None takes the sum. With several labels per image, give the number of
            images.
    """

    name: str
    counts: Sequence[int]
    total: int | None = None


@dataclass(frozen=True)
class Line:
    """One series of `line_chart`; `x` defaults to 1, 2, ... (epochs)."""

    name: str
    y: Sequence[float | None]
    x: Sequence[float] = ()


@dataclass(frozen=True)
class PRCurve:
    """One curve of `precision_recall`.

    Attributes:
        name: What the curve belongs to.
        recall: Recall per threshold, ascending or descending, shape (n,).
        precision: Precision per threshold, shape (n,).
        chosen: Recall and precision at the threshold in use; None for no marker.
        chosen_name: Where `chosen` is, as the legend says it.
    """

    name: str
    recall: Sequence[float]
    precision: Sequence[float]
    chosen: tuple[float, float] | None = None
    chosen_name: str = "at the threshold"


@dataclass(frozen=True)
class Calibration:
    """One series of `reliability`: per bin the mean predicted probability and the observed share.

    Attributes:
        name: Such as "raw" or "calibrated".
        predicted: Mean predicted probability per bin, shape (bins,), in [0, 1].
        observed: Observed share per bin with its interval and number of images.
    """

    name: str
    predicted: Sequence[float]
    observed: Sequence[Estimate]


@dataclass(frozen=True)
class Measure:
    """One block of `dots_by_way`: a metric and its value for each way; `note` says e.g. "lower is better"."""

    name: str
    ways: Mapping[str, Estimate] = field(default_factory=dict)
    note: str = ""


def write_value(value: float | None, digits: int = 2) -> str:
    """Write a figure with fixed decimals, or "n/a".

    Example:
        >>> write_value(0.4286), write_value(float("nan")), write_value(-0.05)
        ('0.43', 'n/a', '−0.05')
    """
    known = finite(value)
    if known is None:
        return "n/a"
    written = f"{known:.{digits}f}"
    if float(written) == 0:
        written = written.removeprefix("-")
    return written.replace("-", "−")


def write_count(count: float) -> str:
    """Write a whole number; thousands are separated from 10,000 on.

    Example:
        >>> write_count(1508), write_count(224000)
        ('1508', '224,000')
    """
    if not math.isfinite(count):
        return "n/a"
    return f"{count:,.0f}" if abs(count) >= 10_000 else f"{count:.0f}"


def write_share(share: float) -> str:
    """Write a share as a percentage; only nothing is 0 % and only everything is 100 %.

    Example:
        >>> write_share(0.041), write_share(0.001), write_share(0.999), write_share(1.0)
        ('4 %', '<1 %', '>99 %', '100 %')
    """
    if 0 < share < 0.01:
        return "<1 %"
    if 0.99 < share < 1:
        return ">99 %"
    return f"{100 * share:.0f} %"


def shown(name: str) -> str:
    """Return the name, or a stand-in for one that would be invisible."""
    return name if name.strip() else "(unnamed)"


def panels(charts: Mapping[str, str]) -> str:
    """Put headings over charts, as the children of a `<figure class="grid">`.

    Args:
        charts: Heading to SVG, in order.

    Returns:
        One `<div class="panel">` per chart.

    Example:
        >>> panels({"Recall": "<svg/>"})
        '<div class="panel"><p class="panel-title">Recall</p><svg/></div>'
    """
    return "".join(
        f'<div class="panel"><p class="panel-title">{escape(shown(name))}</p>{chart}</div>'
        for name, chart in charts.items()
    )


def bars_with_intervals(
    rows: Sequence[Row],
    *,
    title: str,
    alt: str,
    upper: float = 1.0,
    reference_name: str = "no skill",
    series: int = 0,
) -> str:
    """Draw one measure per class: a bar from zero, its interval, and the printed figure with its support.

    Args:
        rows: Classes, from top to bottom.
        title: Short name of the chart.
        alt: Text alternative.
        upper: Right end of the axis, which starts at 0.
        reference_name: What the tick of a row stands for.
        series: Index of the colour, so that several measures can differ.

    Returns:
        An SVG; several measures go side by side with `panels`.
    """
    if not rows:
        return _nothing(title, alt, "bars")
    left, right, top, pitch = 8.0, WIDTH - 8, 8.0, 46.0
    bottom = top + pitch * len(rows)
    drawn, to_x, _ = axes(nice_ticks(0, upper), (), left, right, top, bottom, flush=True)
    body = [drawn]
    for i, row in enumerate(rows):
        y = top + i * pitch
        estimate = row.estimate
        printed = estimate.text
        room = right - left - text_width(printed, 12) - 14
        body.append(label(left, y + 15, shown(row.name), class_="strong halo", max_width=room))
        class_ = "halo" if finite(estimate.value) is not None else "halo muted"
        body.append(label(right, y + 15, printed, size=12, anchor="end", class_=class_))
        middle = y + 29
        body.append(rect(left, middle - 6, right - left, 12, "track", 2))
        value, interval, reference = finite(estimate.value), estimate.interval, finite(row.reference)
        if value is not None:
            body.append(rect(left, middle - 6, to_x(value) - left, 12, f"bar s{series % SERIES}", 2))
        if reference is not None:
            x = to_x(reference)
            tip = el("title", escape(f"{reference_name} = {write_value(reference)}"))
            body.append(el("line", tip, x1=x, y1=middle - 9, x2=x, y2=middle + 9, class_="tick"))
        if interval is not None:
            body.append(whisker(to_x(interval[0]), middle, to_x(interval[1]), middle, series))
        if value is not None:
            body.append(marker(to_x(value), middle, 4.5, series))
    height = bottom + 26
    if any(finite(row.reference) is not None for row in rows):
        body.append(line(left + 3, height, left + 3, height + 14, "tick"))
        body.append(label(left + 12, height + 11, reference_name, size=12, class_="muted"))
        height += 20
    return svg(WIDTH, height, body, title=title, alt=alt, kind="bars")


def counts_through_stages(
    names: Sequence[str],
    stages: Sequence[Stage],
    *,
    title: str,
    alt: str,
    scale: Literal["share", "log"] = "share",
) -> str:
    """Draw the number of images of each class at each stage, as a table whose cells hold bars.

    Args:
        names: Classes, from top to bottom.
        stages: Columns, from left to right.
        title: Short name of the chart.
        alt: Text alternative.
        scale: "share" draws the share of the stage (a full cell is 100 %), and prints it; "log" draws
            log(1 + count), and a full cell is the largest count.

    Returns:
        An SVG.

    Raises:
        ValueError: a stage has another number of counts than there are names.
    """
    for stage in stages:
        if len(stage.counts) != len(names):
            raise ValueError(f"stage {stage.name!r} has {len(stage.counts)} counts; expected {len(names)}, as names")
    if not names or not stages:
        return _nothing(title, alt, "stages")
    counts = np.array([stage.counts for stage in stages], dtype=float)
    totals = [float(sum(stage.counts) if stage.total is None else stage.total) for stage in stages]
    shares = np.array([row / total if total > 0 else row * 0 for row, total in zip(counts, totals, strict=True)])
    lengths = shares if scale == "share" else np.log1p(counts)
    longest = 1.0 if scale == "share" else float(lengths.max()) or 1.0
    left, right, gap = 8.0, WIDTH - 8, 10.0
    column = (right - left + gap) / len(stages)
    cell = column - gap
    size = min(13.0, cell / text_width("00000", 1))
    headings = [wrap(shown(stage.name), cell, 12) for stage in stages]
    top = 12.0 + 15 * max(len(lines) for lines in headings)
    body = []
    for s, lines in enumerate(headings):
        for i, text in enumerate(lines):
            y = top - 8 - 15 * (len(lines) - 1 - i)
            body.append(label(left + s * column, y, text, size=12, class_="muted"))
    pitch = 72.0 if scale == "share" else 58.0
    for c, name in enumerate(names):
        y = top + c * pitch
        body.append(line(left, y, right, y, "hair"))
        body.append(label(left, y + 18, shown(name), class_="strong", max_width=right - left))
        for s, stage in enumerate(stages):
            x = left + s * column
            count = float(stage.counts[c])
            printed = write_count(count)
            body.append(label(x, y + 35, printed, size=size, class_="" if count else "alarm"))
            body.append(rect(x, y + 41, cell, 7, "track", 2))
            if count > 0:
                length = max(cell * float(lengths[s, c]) / longest, 1.5)
                body.append(rect(x, y + 41, length, 7, f"fill s{c % SERIES}", min(2.0, length / 2)))
            if scale == "share" and totals[s] > 0:
                share = write_share(float(shares[s, c]))
                body.append(label(x, y + 62, share, size=size - 2, class_="muted"))
    height = top + pitch * len(names)
    body.append(line(left, height, right, height, "hair"))
    body.append(label(left, height + 18, "in all", size=12, class_="muted"))
    for s, total in enumerate(totals):
        body.append(label(left + s * column, height + 35, write_count(total), size=size, class_="muted"))
    return svg(WIDTH, height + 42, body, title=title, alt=alt, kind="stages")


def line_chart(
    lines: Sequence[Line],
    *,
    title: str,
    alt: str,
    x_label: str = "epoch",
    y_label: str = "",
    mark: float | None = None,
    mark_name: str = "best epoch",
    log: bool = False,
) -> str:
    """Draw curves over epochs, each labelled at its end; missing values leave a gap.

    Args:
        lines: Series; one without a finite value is named under the chart.
        title: Short name of the chart.
        alt: Text alternative.
        x_label: Title of the horizontal axis, whose ticks are whole numbers.
        y_label: Title of the vertical axis.
        mark: Epoch of the vertical marker; None for none.
        mark_name: What the marker stands for.
        log: Draw y on a logarithmic axis, as for learning rates; zero and below then count as missing.

    Returns:
        An SVG.

    Raises:
        ValueError: a series has another number of x than of y.
    """
    runs_of = {i: _runs(track, log) for i, track in enumerate(lines)}
    drawn_lines = [(shown(track.name), runs_of[i], i) for i, track in enumerate(lines) if runs_of[i]]
    if not drawn_lines:
        return _nothing(title, alt, "lines")
    points = np.array([point for _, runs, _ in drawn_lines for run in runs for point in run])
    mark = finite(mark)
    xs = points[:, 0] if mark is None else np.append(points[:, 0], mark)
    x_low, x_high = float(xs.min()), float(xs.max())
    y_low, y_high = float(points[:, 1].min()), float(points[:, 1].max())
    if not log and 0 <= y_low < 0.5 * y_high:
        y_low = 0.0
    names_width = min(max(text_width(name, 12) for name, _, _ in drawn_lines), 138.0)
    right, bottom = WIDTH - 18 - names_width, 236.0
    top = 12.0 + 18 * (bool(y_label) + (mark is not None))
    body = []
    y_ticks = nice_ticks(y_low, y_high, whole=log)
    y_texts = [write_power(10.0**tick) for tick in y_ticks] if log else tick_texts(y_ticks)
    left = max(text_width(text, 12) for text in y_texts) + 10
    x_ticks = [x_low] if x_low == x_high else nice_ticks(x_low, x_high, 5, whole=True)
    frame, to_x, to_y = axes(
        x_ticks, y_ticks, left, right, top, bottom, x_label=x_label, x_domain=(x_low, x_high), y_texts=y_texts
    )
    body.append(frame)
    if y_label:
        body.append(label(2, 14, y_label, size=12, class_="muted", max_width=WIDTH - 4))
    if mark is not None:
        x, written = to_x(mark), f"{mark_name} {mark:g}"
        half = text_width(written, 12) / 2
        body.append(line(x, top - 4, x, bottom, "marker-line"))
        at = min(max(x, half + 2), WIDTH - half - 2)
        body.append(label(at, top - 9, written, size=12, anchor="middle", max_width=WIDTH - 4))
    ends = [to_y(runs[-1][-1][1]) for _, runs, _ in drawn_lines]
    for (name, runs, s), y_end, y_name in zip(drawn_lines, ends, spread(ends, 16, top, bottom), strict=True):
        for run in runs:
            if len(run) > 1:
                coordinates = " ".join(f"{num(to_x(x))},{num(to_y(y))}" for x, y in run)
                dashed = " dashed" if s >= SERIES else ""
                body.append(el("polyline", points=coordinates, class_=f"curve s{s % SERIES}{dashed}"))
            else:
                body.append(marker(to_x(run[0][0]), to_y(run[0][1]), 3, s))
        x_end = to_x(runs[-1][-1][0])
        body.append(marker(x_end, y_end, 3.5, s))
        if abs(y_name - y_end) > 4 or x_end < right - 1:
            body.append(line(x_end + 4, y_end, right + 11, y_name, "leader"))
        body.append(label(right + 13, y_name + 4, name, class_="halo", max_width=names_width + 4, size=12))
    height = bottom + 42
    for i, track in enumerate(lines):
        if not runs_of[i]:
            missing = f"{shown(track.name)}: no finite value"
            body.append(label(2, height + 10, missing, size=12, class_="muted", max_width=WIDTH - 4))
            height += 18
    return svg(WIDTH, height, body, title=title, alt=alt, kind="lines")


def confusion_matrix(
    counts: npt.ArrayLike,
    names: Sequence[str],
    *,
    title: str,
    alt: str,
) -> str:
    """Draw actual classes (rows) against decided classes (columns), shaded by the share of the row.

    Args:
        counts: Number of images, shape (classes, classes); rows are the truth.
        names: Classes, in the order of rows and columns.
        title: Short name of the chart.
        alt: Text alternative.

    Returns:
        An SVG; from five classes on it is wider, and scrolls on a phone.

    Raises:
        ValueError: the matrix is not square, or not of the size of the names.
    """
    matrix = np.nan_to_num(np.asarray(counts, dtype=float), nan=0.0, posinf=0.0, neginf=0.0)
    classes = len(names)
    if matrix.shape != (classes, classes) and not (classes == 0 and matrix.size == 0):
        raise ValueError(f"the confusion matrix has shape {matrix.shape}; expected {(classes, classes)}, as names")
    if classes == 0:
        return _nothing(title, alt, "confusion")
    width, min_width, side = (WIDTH, 0.0, 100.0) if classes <= 4 else (560.0, 500.0, 112.0)
    shown_names = [shown(name) for name in names]
    cell = min((width - side - 8) / classes, 96.0)
    for head_size in (12.0, 11.0):
        heads = [wrap(name, cell - 4, head_size) for name in shown_names]
        turned = any(lines[-1].endswith("…") for lines in heads)
        if not turned:
            break
    if turned:
        reach = min(max(text_width(name, 12) for name in shown_names), 110.0)
        cell = min((width - side - max(reach * 0.71 - 12, 8)) / classes, 96.0)
        top = 32.0 + reach * 0.71
    else:
        top = 32.0 + 15 * max(len(lines) for lines in heads)
    height_of_cell = min(max(cell, 34.0), 64.0)
    body = [
        label(side, 15, "decided as", size=13, class_="strong"),
        label(side - 8, top - 9, "actual", size=13, anchor="end", class_="strong"),
    ]
    for c, (name, lines) in enumerate(zip(shown_names, heads, strict=True)):
        x = side + (c + 0.5) * cell
        if turned:
            body.append(label(x + 2, top - 7, name, size=12, max_width=110, rotate=-45))
        else:
            for i, text in enumerate(lines):
                y = top - 8 - 15 * (len(lines) - 1 - i)
                body.append(label(x, y, text, size=head_size, anchor="middle"))
    large = min(15.0, cell / text_width("00000", 1))
    for r, name in enumerate(shown_names):
        y = top + r * height_of_cell
        support = float(matrix[r].sum())
        lines = wrap(name, side - 10, 12)
        lines = [shorten(name, side - 10, 12)] if height_of_cell < 46 else lines
        first = y + height_of_cell / 2 - 7 * len(lines) + 4
        for i, text in enumerate(lines):
            body.append(label(side - 8, first + 14 * i, text, size=12, anchor="end"))
        written = f"n = {write_count(support)}"
        body.append(label(side - 8, first + 14 * len(lines), written, size=11, anchor="end", class_="muted"))
        for c, other in enumerate(shown_names):
            x = side + c * cell
            count = float(matrix[r, c])
            share = count / support if support > 0 else 0.0
            tip = f"actual {name}, decided {other}: {write_count(count)} of {write_count(support)}"
            kind = "cell right" if r == c else "cell wrong"
            body.append(rect(x + 1, y + 1, cell - 2, height_of_cell - 2, "cell empty", 3))
            shade = el(
                "rect",
                el("title", escape(tip)),
                x=x + 1,
                y=y + 1,
                width=cell - 2,
                height=height_of_cell - 2,
                rx=3,
                fill_opacity=0.62 * share,
                class_=kind,
            )
            body.append(shade)
            centre = x + cell / 2
            faint = "" if count else "muted"
            strong = f"strong {faint}".strip() if r == c else faint
            half = y + height_of_cell / 2
            body.append(label(centre, half - 1, write_count(count), size=large, anchor="middle", class_=strong))
            if support > 0:
                percent = write_share(share)
                body.append(label(centre, half + large - 1, percent, size=large * 0.8, anchor="middle", class_=faint))
    height = top + height_of_cell * classes + 6
    return svg(width, height, body, title=title, alt=alt, kind="confusion", min_width=min_width)


def precision_recall(curves: Sequence[PRCurve], *, title: str, alt: str, no_skill: float | None = None) -> str:
    """Draw precision against recall in steps, with the no-skill line and the threshold in use.

    Args:
        curves: One or several.
        title: Short name of the chart.
        alt: Text alternative.
        no_skill: Precision of a ranking by chance, the prevalence; None for no line.

    Returns:
        An SVG with one line of legend per curve.

    Raises:
        ValueError: a curve has another number of recalls than of precisions.
    """
    frame, to_x, to_y, bottom = _unit_square("recall", "precision")
    body = [frame]
    no_skill = finite(no_skill)
    if no_skill is not None:
        y = to_y(no_skill)
        body.append(line(to_x(0), y, to_x(1), y, "reference"))
    legend: list[tuple[str, str]] = []
    markers = []
    for s, curve in enumerate(curves):
        if len(curve.recall) != len(curve.precision):
            raise ValueError(
                f"curve {curve.name!r} has {len(curve.recall)} recalls and "
                f"{len(curve.precision)} precisions; expected as many"
            )
        pairs = [
            (r, p)
            for r, p in ((finite(r), finite(p)) for r, p in zip(curve.recall, curve.precision, strict=True))
            if r is not None and p is not None
        ]
        if pairs:
            pairs = pairs[::-1] if pairs[0][0] > pairs[-1][0] else pairs
            body.append(el("path", d=_steps(pairs, to_x, to_y), class_=f"curve s{s % SERIES}"))
        detail = "" if pairs else "no curve"
        if curve.chosen is not None:
            recall, precision = finite(curve.chosen[0]), finite(curve.chosen[1])
            detail = f"{curve.chosen_name}: recall {write_value(recall)}, precision {write_value(precision)}"
            if recall is not None and precision is not None:
                on_curve = next((p for r, p in pairs if r >= recall - 1e-9), precision)
                markers.append(
                    line(to_x(recall), to_y(on_curve), to_x(recall), to_y(precision), f"curve s{s % SERIES}")
                )
                markers.append(marker(to_x(recall), to_y(precision), 5.5, s, shape=s, class_="mark ringed"))
        legend.append((shown(curve.name), detail))
    body += markers
    if no_skill is not None:
        written = f"no skill = {write_value(no_skill)}"
        y = to_y(no_skill) + (16 if no_skill > 0.9 else -6)
        body.append(label(to_x(0) + 6, y, written, size=12, class_="halo"))
    drawn, height = _legend(legend, bottom + 46)
    return svg(WIDTH, height, [*body, drawn], title=title, alt=alt, kind="precision-recall")


def reliability(series: Sequence[Calibration], *, title: str, alt: str) -> str:
    """Draw the observed share against the predicted probability, with intervals and the diagonal.

    Args:
        series: Such as raw and calibrated; a bin without images is left out.
        title: Short name of the chart.
        alt: Text alternative.

    Returns:
        An SVG; the area of a point grows with the number of images of its bin.

    Raises:
        ValueError: a series has another number of predictions than of observed shares.
    """
    frame, to_x, to_y, bottom = _unit_square("predicted probability", "observed share")
    body = [frame, line(to_x(0), to_y(0), to_x(1), to_y(1), "reference")]
    most = max((e.count or 0 for one in series for e in one.observed), default=0)
    legend: list[tuple[str, str]] = []
    for s, one in enumerate(series):
        if len(one.predicted) != len(one.observed):
            raise ValueError(
                f"series {one.name!r} has {len(one.predicted)} predictions and "
                f"{len(one.observed)} observed shares; expected as many"
            )
        bins = [
            (x, y, e)
            for x, y, e in ((finite(p), finite(e.value), e) for p, e in zip(one.predicted, one.observed, strict=True))
            if x is not None and y is not None and e.count != 0
        ]
        if len(bins) > 1:
            coordinates = " ".join(f"{num(to_x(x))},{num(to_y(y))}" for x, y, _ in bins)
            body.append(el("polyline", points=coordinates, class_=f"curve thin s{s % SERIES}"))
        for x, _, e in bins:
            if e.interval is not None:
                body.append(whisker(to_x(x), to_y(e.interval[0]), to_x(x), to_y(e.interval[1]), s, cap=3))
        for x, y, e in bins:
            radius = 4.0 if e.count is None or most == 0 else 3.0 + 5.0 * math.sqrt(e.count / most)
            tip = f"{one.name}: predicted {write_value(x)}, observed {e.text}"
            body.append(marker(to_x(x), to_y(y), radius, s, shape=s, class_="mark see-through", tip=tip))
        known = [e.count for _, _, e in bins if e.count is not None]
        detail = "no filled bin" if not bins else ""
        if known:
            least, largest = write_count(min(known)), write_count(max(known))
            sizes = f"{least} to {largest}" if least != largest else least
            detail = f"{len(bins)} {'bin' if len(bins) == 1 else 'bins'} of {sizes} images"
        legend.append((shown(one.name), detail))
    drawn, height = _legend(legend, bottom + 46)
    body += [drawn, line(8, height + 4, 30, height + 4, "reference")]
    body.append(label(38, height + 8, "perfectly calibrated", size=12, class_="muted"))
    return svg(WIDTH, height + 18, body, title=title, alt=alt, kind="reliability")


def dots_by_way(measures: Sequence[Measure], *, title: str, alt: str, domain: tuple[float, float] | None = None) -> str:
    """Draw, metric by metric, the value of each way (raw, calibrated, re-decided) with its interval.

    Args:
        measures: Blocks, from top to bottom; a way keeps its colour and shape through all of them.
        title: Short name of the chart.
        alt: Text alternative.
        domain: Ends of the common axis; None takes 0 to 1, or more where the values need it.

    Returns:
        An SVG.
    """
    ways = list(dict.fromkeys(way for measure in measures for way in measure.ways))
    if not ways:
        return _nothing(title, alt, "ways")
    if domain is None:
        estimates = [e for measure in measures for e in measure.ways.values()]
        ends = [finite(v) for e in estimates for v in (e.value, *(e.interval or ()))]
        values = [v for v in ends if v is not None]
        domain = (min([0.0, *values]), max([1.0, *values]))
    printed = [[e.text.split(", n =")[0] for e in measure.ways.values()] for measure in measures]
    left = 10 + min(max(text_width(shown(way), 12) for way in ways), 92.0) + 8
    right = WIDTH - 8 - max(text_width(text, 12) for texts in printed for text in texts) - 8
    head, pitch = 24.0, 21.0
    bottom = sum(head + pitch * len(measure.ways) + 8 for measure in measures) + 4
    frame, to_x, _ = axes(nice_ticks(*domain, 2), (), left, right, 22, bottom)
    body = [frame]
    y = 0.0
    for measure, texts in zip(measures, printed, strict=True):
        room = WIDTH - 16
        if measure.note:
            note_width = min(text_width(measure.note, 12), 150.0)
            class_ = "muted halo"
            note = label(
                WIDTH - 8,
                y + 18,
                measure.note,
                size=12,
                anchor="end",
                class_=class_,
                max_width=note_width + 1,
            )
            body.append(note)
            room -= note_width + 10
        body.append(label(8, y + 18, shown(measure.name), class_="strong halo", max_width=room))
        y += head
        for (way, e), text in zip(measure.ways.items(), texts, strict=True):
            s, middle = ways.index(way), y + pitch / 2
            body.append(label(10, middle + 4, shown(way), size=12, max_width=92))
            value, interval = finite(e.value), e.interval
            if interval is not None:
                body.append(whisker(to_x(interval[0]), middle, to_x(interval[1]), middle, s))
            if value is not None:
                body.append(marker(to_x(value), middle, 4.5, s, shape=s, tip=f"{way}: {e.text}"))
            class_ = "" if value is not None else "muted"
            body.append(label(WIDTH - 8, middle + 4, text, size=12, anchor="end", class_=class_))
            y += pitch
        y += 8
    return svg(WIDTH, bottom + 26, body, title=title, alt=alt, kind="ways")


def _runs(track: Line, log: bool) -> list[list[tuple[float, float]]]:
    """Cut a series at its missing values, and take log10 of y where the axis is logarithmic."""
    xs = track.x if len(track.x) else range(1, len(track.y) + 1)
    if len(xs) != len(track.y):
        raise ValueError(f"line {track.name!r} has {len(xs)} x and {len(track.y)} y; expected as many")
    runs: list[list[tuple[float, float]]] = [[]]
    for x, y in ((finite(x), finite(y)) for x, y in zip(xs, track.y, strict=True)):
        if x is None or y is None or (log and y <= 0):
            runs.append([])
        else:
            runs[-1].append((x, math.log10(y) if log else y))
    return [run for run in runs if run]


def _steps(pairs: Sequence[tuple[float, float]], to_x: Scale, to_y: Scale) -> str:
    """Write a path of steps whose area is the average precision: each recall has its own precision."""
    x, y = num(to_x(0)), num(to_y(pairs[0][1]))
    path = [f"M{x} {y}"]
    for recall, precision in pairs:
        next_x, next_y = num(to_x(recall)), num(to_y(precision))
        if next_x != x:
            path.append(f"H{next_x}" if next_y == y else f"V{next_y}H{next_x}")
            x, y = next_x, next_y
    return "".join(path)


def _unit_square(x_label: str, y_label: str) -> tuple[str, Scale, Scale, float]:
    """Draw two axes from 0 to 1; also return both scales and the lower edge."""
    ticks = nice_ticks(0, 1)
    bottom = 326.0
    frame, to_x, to_y = axes(ticks, ticks, 36, WIDTH - 14, 30, bottom, x_label=x_label, y_label=y_label)
    return frame, to_x, to_y, bottom


def _legend(entries: Sequence[tuple[str, str]], top: float) -> tuple[str, float]:
    """Write a line per series: swatch, name, and a detail on a second line if there is one."""
    body, y = [], top
    for s, (name, detail) in enumerate(entries):
        body.append(line(8, y + 8, 30, y + 8, f"curve s{s % SERIES}"))
        body.append(marker(19, y + 8, 4.5, s, shape=s))
        body.append(label(38, y + 12, name, max_width=WIDTH - 46))
        y += 19
        if detail:
            body.append(label(38, y + 10, detail, size=12, class_="muted", max_width=WIDTH - 46))
            y += 18
    return "".join(body), y + 6


def _nothing(title: str, alt: str, kind: str) -> str:
    """Return a chart that says that there is nothing to draw."""
    body = [label(WIDTH / 2, 40, "nothing to draw", anchor="middle", class_="muted")]
    return svg(WIDTH, 72, body, title=title, alt=alt, kind=kind)
