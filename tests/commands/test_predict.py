"""`counterpoise predict`; `tests/deployment/test_predictor.py` compares what it says with what the pipeline wrote."""

from pathlib import Path

import pytest

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.deployment import predictor

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)


def test_a_line_for_each_image_and_one_for_each_probable_class(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        predictor.Answer("a.png", (("moss", 0.75), ("rust", 0.25)), ("moss",)),
        predictor.Answer("b.png", (("rust", 0.125),), ()),
    ]
    monkeypatch.setattr(predictor, "answer", lambda root, paths, content, top: answers)
    cli.main(["predict", "a.png", "b.png"])
    assert capsys.readouterr().out.splitlines() == [
        "a.png: moss",
        "     0.750  moss",
        "     0.250  rust",
        "b.png: no label reaches its threshold",
        "     0.125  rust",
    ]


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("there", r"--logits there is a folder; name a file in it, such as there/there\.parquet"),
        ("photo.png", r"expected a file name that ends in \.parquet"),
        ("params.yaml/x.parquet", r"cannot be written, since .*params\.yaml is no folder"),
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


def test_without_a_model_the_way_to_one_is_named() -> None:
    Path("a.png").write_bytes(b"")
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["predict", "a.png", "--logits", "logits.parquet"])
