import math
from itertools import pairwise

import pytest

from counterpoise.report.charts.axes import axes, linear, nice_ticks, tick_texts
from counterpoise.report.charts.svg import el, escape, finite, label, num, shorten, spread, text_width, wrap


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1), (0.31, 0.33), (0, 1508), (-2, 5), (1e-7, 1e-4), (3, 3), (0, 0), (-1, -1), (5, 1)],
)
def test_ticks_are_few_ascend_and_span_the_range(low: float, high: float) -> None:
    ticks = nice_ticks(low, high)
    assert 3 <= len(ticks) <= 8
    assert ticks == sorted(set(ticks))
    assert ticks[0] <= min(low, high)
    assert ticks[-1] >= max(low, high)


def test_ticks_of_epochs_are_whole_numbers() -> None:
    assert nice_ticks(1, 3, 5, whole=True) == [1.0, 2.0, 3.0]
    assert nice_ticks(1, 2, 5, whole=True) == [1.0, 2.0]


def test_tick_texts_tell_ticks_apart() -> None:
    assert tick_texts([0.30, 0.31, 0.32]) == ["0.30", "0.31", "0.32"]
    assert tick_texts([-1.0, 0.0, 1.0]) == ["−1", "0", "1"]
    assert tick_texts([0.0, 50_000.0]) == ["0", "50,000"]
    assert tick_texts([]) == []


def test_a_coordinate_that_is_not_finite_is_refused() -> None:
    for value in (math.nan, math.inf):
        with pytest.raises(ValueError, match="expected a finite number"):
            num(value)
    assert num(-0.001) == "0"


def test_missing_values_become_none() -> None:
    assert finite(-math.inf) is None
    assert finite(0) == 0.0


def test_text_is_escaped_and_loses_what_xml_cannot_hold() -> None:
    assert escape("\x00\x1f<&>'\"\ud800é") == "&lt;&amp;&gt;&#x27;&quot;é"
    assert el("text", escape("<b>"), aria_label='a "b"') == '<text aria-label="a &quot;b&quot;">&lt;b&gt;</text>'


def test_shortened_text_fits_and_keeps_its_full_length_as_a_tooltip() -> None:
    name = "a very long class name that does not fit"
    assert text_width(shorten(name, 80, 12), 12) <= 80
    assert f"<title>{name}</title>" in label(0, 0, name, max_width=80, size=12)
    assert "<title>" not in label(0, 0, "short", max_width=80)
    assert shorten("abc", 1, 12) == "…"


def test_names_wrap_at_their_separators_in_at_most_two_lines() -> None:
    assert wrap("bare soil", 40, 11) == ["bare", "soil"]
    assert wrap("unbreakable", 40, 11) == ["unbre…"]
    assert len(wrap("one two three four five six", 40, 11)) == 2


def test_a_scale_keeps_values_inside_and_accepts_an_empty_domain() -> None:
    to_x = linear((0, 10), (0, 100))
    assert to_x(-5) == 0
    assert to_x(25) == 100
    assert linear((3, 3), (0, 100))(3) == 50


def test_spread_labels_keep_their_order_and_distance() -> None:
    placed = spread([10, 11, 12, 100], 16, 0, 120)
    assert placed == sorted(placed)
    assert min(b - a for a, b in pairwise(placed)) >= 16 - 1e-6
    assert spread([], 16, 0, 120) == []
    assert spread([118, 119, 120], 16, 0, 120)[-1] <= 120


def test_ticks_beyond_the_domain_are_left_out() -> None:
    drawn, to_x, _ = axes([0, 5, 10], [0, 1], 0, 100, 0, 50, x_domain=(1, 10))
    assert ">5<" in drawn
    assert drawn.count(">0<") == 1
    assert to_x(1) == 0
