import base64
import hashlib
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import altair as alt
import pandas as pd
import platformdirs
import pytest
import vl_convert

from counterpoise.report.charts import render, theme
from counterpoise.report.charts.prevalence import over_prevalence
from counterpoise.report.charts.rates import rates_by_class

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def grid() -> pd.DataFrame:
    table = pd.DataFrame({"prevalence": [0.01, 0.1, 0.5], "value": [0.2, 0.4, 0.8]})
    return table.assign(low=table["value"] - 0.1, high=table["value"] + 0.1, printed=["one", "ten", "half"])


def chart(description: str = 'a "quoted" <text>') -> alt.LayerChart:
    return over_prevalence(grid(), start=0.1, title="Precision", description=description)


def classes(count: int) -> pd.DataFrame:
    table = pd.DataFrame({"class": [f"c{i}" for i in range(count)], "value": 0.5, "low": 0.4, "high": 0.6})
    return table.assign(reference=0.1, focus=False, printed="0.50", detail="9 images")


def test_a_picture_carries_its_description_and_little_else():
    svg = render.svg(chart())
    assert 'aria-label="a &quot;quoted&quot; &lt;text&gt;"' in svg
    assert not re.findall(r"\s(?:class|id|style|role|aria-\w+|pointer-events|font-family)=", svg.split(">", 1)[1])
    assert "\n" not in svg
    assert len(svg) < 6000


def test_coordinates_have_two_decimals():
    assert not re.search(r"\d\.\d{3}", render.svg(chart()))


def test_a_specification_is_json_that_cannot_end_its_script():
    text = render.Drawing(chart("</script><script>alert(1)</script>")).__html__()
    embedded = re.findall(r'<script type="application/json">(.*?)</script>', text)
    assert len(embedded) == 1
    assert json.loads(embedded[0])["description"] == "</script><script>alert(1)</script>"
    assert "alert" not in text.replace(embedded[0], "").replace(
        "&lt;/script&gt;&lt;script&gt;alert(1)&lt;/script&gt;", ""
    )


def test_an_error_of_vega_is_raised_where_the_chart_is_inserted(monkeypatch):
    monkeypatch.setattr(render, "specification", lambda chart: {"data": {"values": [{}]}, "mark": "no such mark"})
    drawing = render.Drawing(chart())
    with pytest.raises(ValueError, match="Vega-Lite to SVG conversion failed"):
        drawing.__html__()


def test_the_configuration_is_once_in_the_page_and_not_in_each_specification():
    assert "config" not in render.specification(chart())
    assert theme.FONT in render.scripts()[1]


def test_the_runtime_is_made_once_and_needs_no_network(tmp_path, monkeypatch):
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    made: list[str] = []

    def bundle(snippet: str, version: str) -> str:
        made.append(snippet)
        return f"the bundle of {version}"

    monkeypatch.setattr(vl_convert, "javascript_bundle", bundle)
    assert [render.runtime(), render.runtime()] == ["the bundle of 6.4"] * 2
    assert made == ["window.vegaEmbed = vegaEmbed;"]
    assert [path.suffix for path in (tmp_path / "counterpoise").iterdir()] == [".js"]


def test_a_home_that_cannot_be_written_costs_time_only(tmp_path, monkeypatch):
    (tmp_path / "counterpoise").write_text("a file where the folder should be")
    monkeypatch.setattr(platformdirs, "user_cache_path", lambda name: tmp_path / name)
    monkeypatch.setattr(vl_convert, "javascript_bundle", lambda snippet, version: "the bundle")
    assert render.runtime() == "the bundle"


def test_scripts_cannot_end_their_element_and_are_small_enough():
    runtime, own = render.scripts()
    assert "</script" not in (runtime + own).lower()
    assert "<!--" not in runtime + own
    assert len(runtime) < 1_000_000
    assert len(own) < 8_000


def test_the_policy_allows_the_two_scripts_of_the_page_and_no_address():
    policy = render.content_security_policy()
    sums = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in render.scripts()]
    assert re.findall(r"'sha256-([^']+)'", policy) == sums
    assert "default-src 'none'" in policy
    assert "unsafe-eval" not in policy
    assert "http" not in policy


def page(charts: list[alt.LayerChart]) -> str:
    """A page with a slider, a search field and some charts."""
    runtime, own = render.scripts()
    policy = render.content_security_policy()
    figures = "".join(render.Drawing(one).__html__() for one in charts)
    slider = (
        '<input type="range" id="share" min="0" max="2" value="1" data-signal="prevalence" '
        'data-values=\'[0.01,0.1,0.5]\' data-texts=\'["1 %","10 %","50 %"]\'><output for="share"></output>'
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>page</title><link rel="icon" href="data:,">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}"><style>{theme.style_sheet()}</style></head>'
        f'<body>{slider}<input type="search" data-signal="search"><p data-class="c1" tabindex="0">c1</p>'
        f"{figures}<script>{runtime}</script><script>{own}</script></body></html>"
    )


STEPS = """<iframe src="page.html" width="1280" height="3000"></iframe><script>
const wait = (ms) => new Promise((done) => setTimeout(done, ms));
window.onload = async () => {
  const page = document.querySelector("iframe").contentDocument, told = {};
  for (let i = 0; i < 100 && !page.documentElement.classList.contains("drawn"); i++) await wait(100);
  const texts = () => [...page.querySelectorAll(".chart text")].map((text) => text.textContent);
  const set = async (signal, value) => {
    const control = page.querySelector(`[data-signal=${signal}]`);
    control.value = value;
    control.dispatchEvent(new Event("input"));
    await wait(300);
  };
  told.drawn = page.querySelectorAll(".chart > div svg[role=img][aria-label]").length;
  told.before = texts();
  await set("prevalence", 2);
  told.after = texts();
  told.said = [page.querySelector("output").textContent, page.querySelector("#share").getAttribute("aria-valuetext")];
  await set("search", "c29");
  told.found = texts();
  const faint = () => page.querySelectorAll('.chart [opacity="0.25"]').length;
  told.faint = [faint()];
  page.querySelector("[data-class]").dispatchEvent(new Event("focusin"));
  await wait(300);
  told.faint.push(faint());
  const result = document.createElement("pre");
  result.textContent = JSON.stringify(told);
  document.body.append(result);
};</script>"""


def browse(root: Path) -> tuple[dict[str, Any], str]:
    """Open the steps in headless Chromium: what they told, and what the browser said."""
    options = "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    options += "--disable-component-update --disable-sync --allow-file-access-from-files --enable-logging=stderr --v=0 "
    options += f"--virtual-time-budget=20000 --window-size=1280,900 --user-data-dir={root / 'profile'} --dump-dom"
    command = [str(BROWSER), *options.split(), (root / "steps.html").as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return json.loads(re.findall(r"<pre>(.*?)</pre>", done.stdout)[0].replace("&lt;", "<")), done.stderr


@pytest.mark.skipif(BROWSER is None, reason="no chromium found: the page was not opened in a browser")
def test_controls_of_the_page_reach_the_charts_in_a_browser(tmp_path):
    charts = [chart("one"), rates_by_class(classes(30), title="t", description="two")]
    (tmp_path / "page.html").write_text(page(charts), encoding="utf-8")
    (tmp_path / "steps.html").write_text(STEPS, encoding="utf-8")
    told, said = browse(tmp_path)
    assert "CONSOLE" not in said
    assert told["drawn"] == 2
    assert "ten" in told["before"]
    assert "half" in told["after"]
    assert "ten" not in told["after"]
    assert told["said"] == ["50 %", "50 %"]
    assert [text for text in told["found"] if text.startswith("c")] == ["c29"]
    assert told["faint"][0] == 0 < told["faint"][1]
