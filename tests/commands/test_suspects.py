"""`counterpoise suspects`: what it says and writes; `tests/labelling/` tests how suspects are found."""

import csv
import importlib.util
from pathlib import Path

import pandas as pd
import pytest
import yaml
from tests.study.conftest import built as built
from tests.study.conftest import content as content

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.artifacts import classes, manifest
from counterpoise.labelling import confident_learning, cross_fitting
from counterpoise.labelling.confident_learning import Suspect

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(built: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Go to a small repository, fitted by L-BFGS."""
    changed = yaml.safe_load((built / config.PATH).read_text())
    changed["train"]["solver"] = "lbfgs"
    (built / config.PATH).write_text(yaml.safe_dump(changed, sort_keys=False))
    monkeypatch.chdir(built)
    return built


def test_suspects_are_listed_and_shown(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("cleanlab", reason="cleanlab is not installed (extra `labels`): no suspects were looked for")
    cli.main(["suspects", "--show", "2"])
    said = capsys.readouterr().out
    rows = list(csv.DictReader(Path("suspects.csv").read_text().splitlines()))
    assert len(rows) > 2
    assert f"suspects.csv: {len(rows)} of 280 images of train and validation" in said
    assert "among the 70 of 'solar'" in said
    assert "suspects.html: 2 of them to confirm" in said
    assert {(row["given"], row["suggested"]) for row in rows} <= {("plain", "solar"), ("solar", "plain")}
    assert all(not row["confirmed"] and row["image"].startswith(("train", "val")) for row in rows)
    assert Path("suspects.html").read_text().count("<li data-image=") == 2
    with pytest.raises(SystemExit, match=r"--out suspects\.csv already exists"):
        cli.main(["suspects"])


def test_without_cleanlab_nothing_is_computed(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(cross_fitting, "read", lambda *given: pytest.fail("it was computed"))
    with pytest.raises(SystemExit, match=r"run `pip install 'counterpoise\[labels\]'`"):
        cli.main(["suspects"])


def test_labels_without_suspects_leave_a_page_that_says_so(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[Suspect] = []
    monkeypatch.setattr(confident_learning, "check_installed", lambda: None)
    monkeypatch.setattr(confident_learning, "find", lambda *given, **named: found)
    cli.main(["suspects", "--out", "none.csv"])
    assert "0 of 0 suspects" in Path("none.html").read_text()


@pytest.fixture
def ingested(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write a manifest of two images below `data/raw/roofs`."""
    text = (ROOT / config.PATH).read_text().replace("root: data/demo", "root: data/raw/roofs")
    (tmp_path / config.PATH).write_text(text)
    (tmp_path / "data" / "raw" / "roofs").mkdir(parents=True)
    rows = [
        (f"{name}.png", f"data/raw/roofs/{name}.png", label, label, f"{name}.png", "", 4, 4, name * 64)
        for name, label in (("a", "moss"), ("b", "rust"))
    ]
    manifest.write(tmp_path, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    classes.write(tmp_path, classes.Classes(("moss", "rust"), (1, 1), 2))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_confirmed_suspects_become_a_table_of_labels_with_the_lines_to_set(
    ingested: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("confirmed.csv").write_text("image,given,suggested,margin,confirmed\na.png,moss,rust,-0.5,yes\n")
    cli.main(["suspects", "--apply", "confirmed.csv"])
    said = capsys.readouterr().out
    assert "data/raw/roofs/corrected.csv: labels of all 2 images, 1 of them corrected" in said
    written = ingested / "data" / "raw" / "roofs" / "corrected.csv"
    assert written.read_text().splitlines() == ["image,label", "a.png,rust", "b.png,rust"]
    block = yaml.safe_load(said[said.index("  ingest:") :])["ingest"]
    known = config.load(ingested)["ingest"]["sources"]["csv"]
    assert block["source"] == "csv"
    assert block["sources"]["csv"].keys() == known.keys()
    assert block["sources"]["csv"]["file"] == "corrected.csv"
    with pytest.raises(SystemExit, match="already exists"):
        cli.main(["suspects", "--apply", "confirmed.csv"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--apply", "gone.csv"], r"--apply gone\.csv: no such file"),
        (["--apply", "empty.csv"], r"empty\.csv: no row is confirmed"),
        (
            ["--apply", "empty.csv", "--out", "x.csv"],
            r"--out x\.csv: expected a file below data/raw/roofs, ingest\.root",
        ),
    ],
)
def test_a_table_that_cannot_be_applied_is_refused(ingested: Path, arguments: list[str], message: str) -> None:
    Path("empty.csv").write_text("image,given,suggested,margin,confirmed\na.png,moss,rust,-0.5,\n")
    with pytest.raises(SystemExit, match=message):
        cli.main(["suspects", *arguments])
    assert not list(ingested.glob("data/raw/roofs/*"))


def test_the_demo_is_not_corrected_in_place(ingested: Path) -> None:
    Path(config.PATH).write_text((ROOT / config.PATH).read_text())
    with pytest.raises(SystemExit, match=r"ingest\.root is 'data/demo', which stage `demo` writes again; copy it"):
        cli.main(["suspects", "--apply", "confirmed.csv"])


def test_before_the_pipeline_has_run_a_message_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(confident_learning, "check_installed", lambda: None)
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["suspects"])
