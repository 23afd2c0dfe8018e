"""`counterpoise suggest-labels`: what it says and writes; `tests/labelling/` tests what it chooses."""

import csv
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.deployment import test_predictor as small
from tests.deployment.test_model_folder import changed

from counterpoise import __main__ as cli
from counterpoise import config, images
from counterpoise.artifacts import manifest, model, thumbnails
from counterpoise.dataset import inputs

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(inputs, "workers_count", lambda: 0)


def test_images_of_a_folder_are_chosen_and_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small.build(tmp_path, small.a_decision("multiclass"), frozen=True)
    rng = np.random.default_rng(1)
    old = rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)
    row = ("old.png", "data/demo/old.png", "moss", "moss", "old.png", "", 64, 64, "0" * 64)
    manifest.write(tmp_path, pd.DataFrame([row], columns=list(manifest.COLUMNS)))
    thumbnails.write(tmp_path, images.thumbnail(old)[None])
    (tmp_path / "new").mkdir()
    Image.fromarray(old).save("new/old.png")
    (tmp_path / "new" / "bad.png").write_bytes(b"no image")
    for number in range(4):
        Image.fromarray(rng.integers(0, 256, (64, 64, 3)).astype(np.uint8)).save(f"new/{number}.png")
    capsys.readouterr()
    cli.main(["suggest-labels", "new", "--n", "3", "--out", "there.csv"])
    said = capsys.readouterr().out
    assert "WARNING: new/bad.png: not an image in a known format" in said
    assert "there.csv: 3 images to label for 'crack', of 5 without a label; paths start from new" in said
    assert "copy the images that you label into data/demo, where the paths of ingest.source start" in said
    assert "left out: 0 that have labels already, 1 that look like them" in said
    rows = list(csv.DictReader(Path("there.csv").read_text().splitlines()))
    assert list(rows[0])[:2] == ["image", "label"]
    assert {row["image"] for row in rows} < {f"{number}.png" for number in range(4)}
    assert all(row["label"] == "" and row["why_suggested"] for row in rows)
    assert Path("there.html").read_text().count("<li><figure>") == 3
    Path("there.csv").write_text("filled in")
    with pytest.raises(SystemExit, match=r"--out there\.csv already exists"):
        cli.main(["suggest-labels", "new", "--out", "there.csv"])
    assert Path("there.csv").read_text() == "filled in"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["gone"], "gone: no such folder"),
        (["params.yaml"], r"params\.yaml: no folder"),
        (["."], r"models/model/model\.json .*dvc repro"),
        ([".", "--out", "there.txt"], r"--out there\.txt: expected a file name that ends in \.csv"),
        ([".", "--out", "params.yaml/x.csv"], r"cannot be written in .*params\.yaml \(Not a directory\)"),
        ([".", "--out", "."], r"--out \. is a folder; name a file in it, such as new\.csv"),
    ],
)
def test_what_cannot_be_done_is_said_before_anything_is_looked_at(arguments: list[str], message: str) -> None:
    with pytest.raises(SystemExit, match=message):
        cli.main(["suggest-labels", *arguments])
    assert not list(Path().glob("*.csv"))


def test_a_model_of_another_version_is_told_from_damage(tmp_path: Path) -> None:
    small.build(tmp_path, small.a_decision("multiclass"), frozen=True)
    changed(tmp_path, model.CARD, model.SUMS, backbone_of_tomorrow=1)
    with pytest.raises(SystemExit, match="so another version of counterpoise wrote it"):
        cli.main(["suggest-labels", "."])


@pytest.mark.parametrize("count", ["0", "-1", "many"])
def test_fewer_than_one_image_cannot_be_chosen(count: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["suggest-labels", ".", f"--n={count}"])
    assert f"--n: expected a whole number in 1..100000, found '{count}'" in capsys.readouterr().err
