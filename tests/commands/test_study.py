"""`counterpoise study` where nothing is built yet; `tests/study/test_study.py` runs studies."""

import shutil
from pathlib import Path

import pytest

from counterpoise import __main__ as cli
from counterpoise import config
from counterpoise.study import arms

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (config.PATH, arms.PATH):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--jobs", "0"], "--jobs: found 0; expected at least 1"),
        (["--budget", "two hours"], "--budget: found 'two hours'; expected a time such as 90s, 30m or 2h"),
        (["--budget", "0h"], "--budget: found '0h'"),
        (["--arms", "focl"], "--arms: 'focl' is no arm of study/params.yaml; .*did you mean 'focal'"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments: list[str], part: str) -> None:
    with pytest.raises(SystemExit, match=part):
        cli.main(["study", *arguments])


def test_without_a_built_repository_the_way_to_one_is_named() -> None:
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["study"])
