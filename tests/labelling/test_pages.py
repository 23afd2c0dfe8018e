"""Pages: whole without network and scripts, with whatever names images and classes have."""

import base64
import hashlib
import html.parser
import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from counterpoise.images import Pixels
from counterpoise.labelling import pages
from counterpoise.labelling.candidates import Candidate
from counterpoise.labelling.corrections import Line
from counterpoise.labelling.suggestions import Suggestion, Suggestions, Tally

HOSTILE = "<b>\"rust\" & 'moss'</b>"
PICTURE = "data:image/jpeg;base64,AA=="
BROWSER = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


class Page(html.parser.HTMLParser):
    """The elements of a page, with their attributes."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.found if name == tag]


def of_suspects() -> str:
    lines = [Line(f"{HOSTILE}.png", HOSTILE, "moss", -0.75), Line("b.png", "moss", "", -0.5)]
    shown = [pages.Shown(line, PICTURE) for line in lines]
    return pages.suspects(shown, 3, "arm 'x' of the study", (HOSTILE, "moss", "crack"), Path("suspects.csv"))


def test_suspects_carry_what_the_table_needs_and_another_class_can_be_chosen() -> None:
    text = of_suspects()
    page = Page(text)
    (first, second) = [item for item in page.all("li") if "data-image" in item]
    assert (first["data-image"], first["data-given"], first["data-suggested"]) == (f"{HOSTILE}.png", HOSTILE, "moss")
    assert (second["data-suggested"], second["data-margin"]) == ("", "-0.5000")
    assert [option.get("data-other") for option in page.all("option")] == [
        *[None] * 3,
        "crack",
        *[None] * 3,
        HOSTILE,
        "crack",
    ]
    assert "2 of 3 suspects" in text
    assert not page.all("b")


@pytest.mark.parametrize("kind", ["suspects", "suggestions"])
def test_a_page_loads_nothing_and_runs_only_its_own_script(kind: str, tmp_path: Path) -> None:
    page = Page(of_suspects() if kind == "suspects" else of_suggestions(tmp_path))
    (policy,) = [str(item["content"]) for item in page.all("meta") if item.get("http-equiv")]
    assert "default-src 'none'" in policy
    own = base64.b64encode(hashlib.sha256(pages.SCRIPT.encode()).digest()).decode()
    assert (f"'sha256-{own}'" in policy) == (kind == "suspects")
    sources = [str(item.get("src")) for item in page.all("img")]
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert not [item for item in page.all("script") + page.all("link") if item.get("src")]


def of_suggestions(folder: Path) -> str:
    Image.new("RGB", (400, 300)).save(folder / "a.png")
    nothing = np.zeros(0, dtype=np.float32), np.zeros((32, 32), dtype=np.uint8)
    chosen = tuple(
        Suggestion(Candidate(folder / name, "", 0.25, 0.5, (HOSTILE,), *nothing), rank, "")
        for rank, name in enumerate(("a.png", "gone.png"), start=1)
    )
    return pages.suggestions(Suggestions(HOSTILE, False, Tally(seen=9), chosen), Pixels(), Path("there.csv"))


def test_suggestions_show_a_small_picture_even_of_a_file_that_is_gone(tmp_path: Path) -> None:
    text = of_suggestions(tmp_path)
    assert [item["alt"] for item in Page(text).all("img")] == ["a.png", "gone.png"]
    assert "2 of 9 images without a label" in text
    assert not Page(text).all("b")
    assert len(text) < 60_000


@pytest.mark.skipif(BROWSER is None, reason="no chromium found: the page was not opened in a browser")
def test_a_browser_saves_what_was_decided_as_a_table(tmp_path: Path) -> None:
    """A second script, under the same policy, decides on both suspects and shows the table that would be saved."""
    probe = """
(() => {
  const saved = URL.createObjectURL;
  URL.createObjectURL = (blob) => {
    const shown = document.createElement("pre");
    blob.text().then((text) => document.body.append(Object.assign(shown, {textContent: text})));
    return saved(blob);
  };
  const [first, second] = document.querySelectorAll("select");
  first.value = "no";
  second.selectedIndex = 4;
  second.dispatchEvent(new Event("change", {bubbles: true}));
  document.getElementById("save").click();
})();"""
    allowed = base64.b64encode(hashlib.sha256(probe.encode()).digest()).decode()
    text = of_suspects().replace("script-src ", f"script-src 'sha256-{allowed}' ")
    (tmp_path / "page.html").write_text(text.replace("</body>", f"<script>{probe}</script></body>"), encoding="utf-8")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--virtual-time-budget=5000"]
    command = [str(BROWSER), *options, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom"]
    done = subprocess.run(
        [*command, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120, check=True
    )
    table = html.unescape(re.findall(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)[0])
    assert table.splitlines()[0] == "image,given,suggested,margin,confirmed"
    assert table.splitlines()[1].endswith(',"moss","-0.7500","no"')
    assert table.splitlines()[2] == '"b.png","moss","crack","-0.5000","yes"'
    assert "2 of 2 decided" in done.stdout
