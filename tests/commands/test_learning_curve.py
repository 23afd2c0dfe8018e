"""`counterpoise learning-curve` where nothing is built yet; `tests/study/test_learning_curve.py` runs it."""

from pathlib import Path

import pytest

from counterpoise import __main__ as cli
from counterpoise import config

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def at_a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--fractions", "half", "1/0", "1"], "--fractions: found .*expected numbers such as 1/4"),
        (["--out", "curve.png"], r"--out curve\.png: expected a file name that ends in \.svg"),
    ],
)
def test_arguments_that_cannot_work_are_refused(arguments: list[str], part: str) -> None:
    with pytest.raises(SystemExit, match=part):
        cli.main(["learning-curve", *arguments])


def test_without_a_built_repository_the_way_to_one_is_named() -> None:
    with pytest.raises(SystemExit, match="run `dvc repro`"):
        cli.main(["learning-curve"])
