"""`counterpoise export-boxes`: what it says; `tests/deployment/test_box_exports.py` reads the files back."""

from pathlib import Path

import pytest
from tests import test_detection as problem
from tests.artifacts import test_contract as artifacts

from counterpoise import __main__ as cli
from counterpoise import config

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)


def test_a_line_says_what_is_where_and_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    problem.write_problem(tmp_path)
    problem.run(tmp_path)
    capsys.readouterr()
    cli.main(["export-boxes", "there"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("there: ")
    assert "boxes of 60 scenes" in lines[0]
    assert lines[-1] == "60 scenes state no position on the earth, so they have no GeoJSON"
    assert not list(Path("there").glob("*.geojson"))
    with pytest.raises(SystemExit, match="there already exists; name a new folder"):
        cli.main(["export-boxes", "there"])


def test_labels_of_whole_images_have_no_boxes_to_export(tmp_path: Path) -> None:
    artifacts.EXAMPLES["decision"].write(tmp_path)
    with pytest.raises(SystemExit, match="no boxes to export: its task is 'multiclass'; expected 'detection'"):
        cli.main(["export-boxes", "there"])


def test_before_the_pipeline_has_run_a_message_says_so(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"models/decision\.json .*dvc repro"):
        cli.main(["export-boxes", "there"])


@pytest.mark.parametrize("side", ["0", "-1", "many"])
def test_a_cell_has_a_side(side: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        cli.main(["export-boxes", "there", f"--cell-px={side}"])
    assert f"--cell-px: expected a whole number of 1 or more, found '{side}'" in capsys.readouterr().err
