"""Colours, fonts and sizes that all charts share. Every colour has one meaning on the whole page.

Charts refer to a colour by its name in the style sheet, such as `var(--found)`. The page defines each name for light
and dark screens; pictures outside of the page get the values themselves (`painted`).
"""

from __future__ import annotations

import re
from typing import Any

MEANINGS = {
    "focus": "the class that matters, or the decision in force",
    "compare": "what it is compared with: other classes, raw scores, the state before",
    "found": "images of a class that are found; hollow: missed",
    "alarm": "false alarms, and wrong decisions",
    "validation": "measured on validation, or expected from it",
    "rest": "all other images",
    "ink": "text",
    "muted": "text of less weight",
    "axis": "axes and reference lines",
    "hair": "grid lines",
    "track": "the full length of a bar",
    "card": "the background of a chart",
}
"""Colour -> what it means."""
LIGHT = {
    "focus": "#17324d",
    "compare": "#838e9a",
    "found": "#0072b2",
    "alarm": "#d55e00",
    "validation": "#6b1a9c",
    "rest": "#d9dbd9",
    "ink": "#1c2127",
    "muted": "#5c646d",
    "axis": "#a5aab0",
    "hair": "#e6e6e1",
    "track": "#f1f1ed",
    "card": "#ffffff",
}
DARK = {
    "focus": "#f0f4f8",
    "compare": "#7a8794",
    "found": "#3d9be0",
    "alarm": "#e8772e",
    "validation": "#d4b8ff",
    "rest": "#3a4149",
    "ink": "#e7eaed",
    "muted": "#a0a8b1",
    "axis": "#69717a",
    "hair": "#2b3037",
    "track": "#20252b",
    "card": "#191d22",
}
FONT = "Liberation Sans"
"""Comes with vl-convert, so that a chart has the same size on every machine. The page sets its own font over it."""
TEXT_PX = 12
SHAPES = ("circle", "diamond", "square", "triangle-up", "cross", "triangle-down")
"""Series differ by shape as well as by colour."""
DASHES = ((1, 0), (6, 3), (2, 3), (8, 3, 2, 3), (1, 3), (12, 4))


def color(meaning: str) -> str:
    """Name a colour by what it means.

    Raises:
        KeyError: There is no such meaning.

    Example:
        >>> color("found")
        'var(--found)'
    """
    if meaning not in MEANINGS:
        raise KeyError(f"no colour means {meaning!r}; expected one of {sorted(MEANINGS)}")
    return f"var(--{meaning})"


def painted(text: str, palette: dict[str, str]) -> str:
    """Replace the names of colours by their values, for a picture outside of the page.

    Example:
        >>> painted('fill="var(--found)"', LIGHT)
        'fill="#0072b2"'
    """
    return re.sub(r"var\(--(\w+)\)", lambda match: palette[match[1]], text)


def style_sheet() -> str:
    """Write the colours as CSS variables, for light and for dark screens. Paper is light."""
    light, dark = ("".join(f"--{name}:{value};" for name, value in palette.items()) for palette in (LIGHT, DARK))
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def config() -> dict[str, Any]:
    """Return Vega-Lite's `config` of every chart."""
    text: dict[str, Any] = {"font": FONT, "fontSize": TEXT_PX, "color": color("ink"), "fill": color("ink")}
    labels = {"labelFont": FONT, "labelFontSize": TEXT_PX, "labelColor": color("muted")}
    titles = {"titleFont": FONT, "titleFontSize": TEXT_PX, "titleColor": color("muted"), "titleFontWeight": "normal"}
    return {
        "background": "transparent",
        "font": FONT,
        "view": {"stroke": None},
        "text": text,
        "axis": {
            **labels,
            **titles,
            **{"gridColor": color("hair"), "domainColor": color("axis"), "tickColor": color("axis")},
            **{"tickSize": 4, "labelPadding": 4, "titlePadding": 8},
        },
        "legend": {
            **labels,
            **titles,
            **{"labelColor": color("ink"), "orient": "bottom", "direction": "vertical", "labelLimit": 0},
            **{"symbolStrokeWidth": 2, "symbolSize": 60, "offset": 8, "rowPadding": 3, "title": None},
        },
    }
