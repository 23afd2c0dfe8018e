"""`counterpoise export`; `tests/deployment/test_onnx_export.py` compares the graph with PyTorch."""

from pathlib import Path

import pytest
from tests.deployment.test_predictor import a_decision, build, write_params

from counterpoise import __main__ as cli

EXPORTED = ["export.sums", "model.json", "model.onnx"]


def test_it_says_what_it_wrote_and_how_well_it_agrees_and_overwrites_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=True)
    write_params(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    cli.main(["export", "--model", "..", "--out", "out"])
    said = capsys.readouterr().out
    assert "compared with PyTorch on 3 tiles of validation: logits differ by at most" in said
    assert "decisions agree on 3 of 3" in said
    assert sorted(path.name for path in Path("out").iterdir()) == EXPORTED
    with pytest.raises(SystemExit, match="--out out already exists; name a new folder"):
        cli.main(["export", "--model", "..", "--out", "out"])
    Path("file").write_text("mine")
    with pytest.raises(SystemExit, match="--out file already exists"):
        cli.main(["export", "--model", "..", "--out", "file"])
    with pytest.raises(SystemExit, match=r"is a model that `counterpoise export` wrote"):
        cli.main(["export", "--model", "out", "--out", "again"])
    assert not Path("again").exists()


def test_without_a_model_the_way_to_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_params(tmp_path)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["export", "--out", "out"])
