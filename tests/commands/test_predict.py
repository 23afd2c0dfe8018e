"""`counterpoise predict`; `tests/deployment/test_predictor.py` compares what it says with what the pipeline wrote."""

import json
from pathlib import Path
from typing import Any

import pytest
from tests.deployment.test_predictor import a_decision, build, write_params

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.commands import predict
from counterpoise.deployment import journal, predictor

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)


def test_a_line_for_each_image_and_one_for_each_probable_class() -> None:
    one = predictor.Answer("a.png", (("moss", 0.75), ("rust", 0.25)), ("moss",))
    assert [one.headline(), *one.details(3)] == ["a.png: moss", "     0.750  moss", "     0.250  rust"]
    assert one.details(1) == ["     0.750  moss"]
    other = predictor.Answer("b.png", (("rust", 0.125),), ())
    assert other.headline() == "b.png: no label reaches its threshold"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("there", r"--logits there is a folder; name a file in it, such as there/new\.parquet"),
        ("photo.png", r"expected a file name that ends in \.parquet"),
        ("params.yaml/x.parquet", r"cannot be written in .*params\.yaml \(Not a directory\)"),
    ],
)
def test_a_file_that_logits_cannot_go_to_is_refused_before_anything_is_predicted(target: str, message: str) -> None:
    Path("there").mkdir()
    Path("photo.png").write_bytes(b"a photo")
    with pytest.raises(SystemExit, match=message):
        cli.main(["predict", "photo.png", "--logits", target])
    assert Path("photo.png").read_bytes() == b"a photo"


@pytest.mark.parametrize("top", ["-1", "0", "many", "1.5"])
def test_fewer_than_one_class_cannot_be_shown(top: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["predict", "a.png", f"--top={top}"])
    assert f"--top: expected a whole number of 1 or more, found '{top}'" in capsys.readouterr().err


def test_a_folder_without_images_is_refused() -> None:
    Path("there").mkdir()
    (Path("there") / ".hidden.png").write_bytes(b"")
    with pytest.raises(SystemExit, match=r"no image found in \['there'\]"):
        cli.main(["predict", "there", "--logits", "logits.parquet"])


def test_what_is_kept_beside_images_in_a_folder_is_no_broken_image() -> None:
    for name in ("labels.csv", "a.png", "no_suffix", "notes.TXT", "scenes.csv/b.png", "c.tfw"):
        path = Path("there") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
    (Path("there") / "circle.json").symlink_to("circle.json")
    found = [str(path) for path in predict.Paths(["there"])]
    assert found == ["there/a.png", "there/no_suffix", "there/scenes.csv/b.png"]
    assert list(predict.Paths(["there/labels.csv"])) == [Path("there/labels.csv")]  # as stated


def test_without_a_model_the_way_to_one_is_named() -> None:
    Path("a.png").write_bytes(b"")
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["predict", "a.png", "--logits", "logits.parquet"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "parquet"], "--format parquet needs a file; name one by --out"),
        (["--out", "found.txt"], r"--out found\.txt: expected a file name that ends in \.csv"),
        (["--out", "there"], r"--out there is a folder; name a file in it, such as there/new\.csv"),
        (["--out", "found.geojson"], "format 'geojson' holds boxes, and this model finds none"),
        (["--logits", "a.parquet", "--out", "a.csv"], "--logits writes raw logits, without --out, --format"),
        (["--model", "nowhere"], "--model nowhere does not exist; name the top of a repository"),
    ],
)
def test_what_cannot_be_written_is_refused_before_anything_is_read(arguments: list[str], message: str) -> None:
    Path("there").mkdir()
    with pytest.raises(SystemExit, match=message):
        cli.main(["predict", "none.png", *arguments])


def test_a_file_of_rows_goes_on_where_it_was_and_is_never_overwritten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    of_model = tmp_path / "model"
    build(of_model, a_decision("multiclass"), frozen=True)
    write_params(of_model)
    (tmp_path / "broken.png").write_text("no image")
    names = [str(of_model / "small.png"), str(of_model / "large.png"), "broken.png"]
    real = journal.Journal.append

    def killed_at_the_second(self: journal.Journal, row: dict[str, Any]) -> None:
        if len(list(self.rows())) == 1:
            raise KeyboardInterrupt
        real(self, row)

    monkeypatch.setattr(journal.Journal, "append", killed_at_the_second)
    command = ["predict", *names, "--model", "model", "--out", "found.csv"]
    with pytest.raises(SystemExit, match="130"):
        cli.main(command)
    assert "what is predicted is kept in found.csv.part; the same command goes on" in capsys.readouterr().err
    monkeypatch.setattr(journal.Journal, "append", real)
    with pytest.raises(SystemExit, match="with another decision or prevalence; run the command as it was then"):
        cli.main([*command, "--prevalence", "0.01"])
    with pytest.raises(SystemExit, match=r"1 of 3 images cannot be read, as their rows in found\.csv say"):
        cli.main(command)
    assert "found.csv: 3 images, 1 of them by an interrupted run" in capsys.readouterr().out
    lines = Path("found.csv").read_text().splitlines()
    assert [line.split(",")[0] for line in lines] == ["image", *names]
    assert not Path("found.csv.part").exists()
    with pytest.raises(SystemExit, match=r"found\.csv already exists, and is left unchanged"):
        cli.main(command)
    cli.main(["predict", *names[:2], "--model", "model", "--format", "jsonl", "--prevalence", "0.01"])
    rarer = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [row["image"] for row in rarer] == names[:2]
    before = float(lines[1].split(",")[4])
    assert rarer[0]["probs"]["crack"] < before
