"""Turn a chart into markup: an SVG picture, and its specification for readers whose browser runs scripts.

Picture and specification name colours by meaning (`theme`), carry no random ids, and are equal for equal figures.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import html
import json
import re
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

import platformdirs

from counterpoise import storage
from counterpoise.report.charts import theme, vega

if TYPE_CHECKING:
    import altair as alt

SVG = "http://www.w3.org/2000/svg"
KEPT = re.compile(
    r"font-size|font-weight|text-anchor|transform|stroke.*|fill.*|opacity|d[xy]?|x\d?|y\d?|[rc][xy]?|width|height"
)
"""Attributes of an SVG that draw something; fonts come from the page."""
INHERITED = ("fill", "fill-opacity", "font-size", "font-weight", "stroke", "stroke-width", "text-anchor")
"""Attributes that a group passes on to its children."""
WIDEN = 1.25
"""Largest factor by which a chart grows to fill its column, so that its text stays close to that of the page."""
DEFAULTS = {"opacity": "1", "stroke-width": "1", "transform": "translate(0,0)"}
FIRST = {"data": {"values": [{}]}, "mark": {"type": "text", "text": "a"}}
"""The smallest chart with a text."""
SCRIPT = Path(__file__).with_name("page.js")
"""Draws the specifications of the page again, with tooltips, and connects the controls of the page with them."""


@contextlib.contextmanager
def unchecked() -> Iterator[None]:
    """Skip the validation of charts, which takes a third of the time of a page. Tests validate each kind of chart."""
    from altair.utils import schemapi

    with schemapi.debug_mode(False):
        yield


def specification(chart: alt.TopLevelMixin) -> dict[str, Any]:
    """Return a chart as Vega-Lite without `config`, which is the same for all charts of the page."""
    content: dict[str, Any] = chart.to_dict(validate=False)
    if "datasets" in content:
        content["datasets"] = {name: list(rows) for name, rows in content["datasets"].items()}
    return {key: value for key, value in content.items() if key not in ("config", "$schema")}


def compact(content: object) -> str:
    """Write JSON for a script element: no spaces, and no `<` that could end the element.

    Example:
        >>> "<" in compact({"a": "</script>"})
        False
    """
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.replace("<", "\\u003c")


def svg(chart: alt.TopLevelMixin) -> str:
    """Draw a chart as SVG that fills its column, with its description as text alternative.

    Returns:
        One `<svg>` element without line breaks and ids. Its colours are CSS variables.
    """
    content = specification(chart)
    return _picture(content, _draw(content).result())


def _draw(content: Mapping[str, Any]) -> Future[str]:
    return vega.drawer().svg({**content, "config": theme.config()})


def _picture(content: Mapping[str, Any], drawn: str) -> str:
    root = ElementTree.fromstring(drawn)
    width, height = root.attrib["width"], root.attrib["height"]
    _strip(root)
    body = "".join(ElementTree.tostring(child, encoding="unicode") for child in root)
    body = body.replace(f' xmlns:ns0="{SVG}"', "").replace("ns0:", "")
    name = html.escape(str(content.get("description", "")), quote=True)
    return (
        f'<svg xmlns="{SVG}" viewBox="0 0 {width} {height}" width="{width}" height="{height}" role="img" '
        f'aria-label="{name}">{body}</svg>'
    )


def _strip(element: ElementTree.Element) -> None:
    """Remove what draws nothing, round coordinates to hundredths, and unwrap groups without attributes."""
    kept: list[ElementTree.Element] = []
    for child in element:
        _strip(child)
        tag = child.tag.split("}")[1]
        if (tag == "g" and not len(child)) or (tag == "path" and not _draws(child)):
            continue
        attributes = {key: value for key, value in child.attrib.items() if KEPT.fullmatch(key)}
        attributes = {key: _rounded(value) if _numeric(key) else value for key, value in attributes.items()}
        child.attrib = {key: value for key, value in attributes.items() if DEFAULTS.get(key) != value}
        if tag == "g":
            _share(child)
        kept += list(child) if tag == "g" and not child.attrib else [child]
    element[:] = kept


def _share(group: ElementTree.Element) -> None:
    """Move attributes that all children of a group have in common to the group."""
    for key in INHERITED:
        values = {child.get(key) for child in group}
        if len(group) > 1 and len(values) == 1 and None not in values and key not in group.attrib:
            group.set(key, values.pop() or "")
            for child in group:
                del child.attrib[key]


def _draws(path: ElementTree.Element) -> bool:
    painted = any(path.get(key, "none") not in ("none", "transparent") for key in ("fill", "stroke"))
    return bool(path.get("d")) and path.get("display") != "none" and painted


def _numeric(key: str) -> bool:
    return key in ("transform", "d") or key[0] in "xyrcwh"


def _rounded(text: str) -> str:
    return re.sub(r"-?\d+\.\d{3,}", lambda match: f"{float(match[0]):.2f}".rstrip("0").rstrip("."), text)


class Drawing:
    """A chart that another process draws while the page goes on; a template inserts it as markup.

    The markup is a picture and its specification, which `page.js` draws where scripts run.
    """

    def __init__(self, chart: alt.TopLevelMixin) -> None:
        """Start to draw."""
        self._content = specification(chart)
        self._drawn = _draw(self._content)

    def __html__(self) -> str:
        """Return the markup when it is drawn."""
        picture = _picture(self._content, self._drawn.result())
        widest = round(WIDEN * float(picture.split('" width="', 1)[1].split('"', 1)[0]))
        script = f'<script type="application/json">{compact(self._content)}</script>'
        return f'<div class="chart" style="max-width:{widest}px">{picture}{script}</div>'


def start() -> None:
    """Start to draw, which takes half a second before the first chart, beside what the caller does next."""
    _draw(FIRST)


def runtime() -> str:
    """Return Vega, Vega-Lite and vega-embed as one script of 0.9 MB, made once for each version of vl-convert.

    The script needs no network. It is kept in the user's cache folder, because making it takes seconds.
    """
    folder = platformdirs.user_cache_path("counterpoise")
    path = folder / f"vega-{version('vl-convert-python')}-{vega.VERSION}.js"
    if path.exists():
        return path.read_text(encoding="utf-8")
    import vl_convert

    text = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vega.VERSION)
    with contextlib.suppress(OSError):  # a home that cannot be written costs time, not the page
        storage.write_text(path, text)
    return text


@cache
def scripts() -> tuple[str, ...]:
    """Return the texts of the page's scripts, in their order."""
    start = f"const CONFIG={compact(theme.config())};"
    return runtime(), start + SCRIPT.read_text(encoding="utf-8")


def content_security_policy() -> str:
    """Return a policy under which the page's scripts run, nothing else does, and nothing is loaded from anywhere."""
    sums = (base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in scripts())
    allowed = " ".join(f"'sha256-{total}'" for total in sums)
    return f"default-src 'none'; style-src 'unsafe-inline'; img-src data:; script-src {allowed}"
