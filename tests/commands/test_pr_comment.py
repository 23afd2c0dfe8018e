"""What the command refuses, before it compares; `tests/test_pipeline.py` runs it on a built problem."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from counterpoise import __main__ as cli


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make a git repository with parameters and nothing else."""
    (tmp_path / "params.yaml").write_text("loss: focal\n")
    for command in ("init -q -b main", "add .", "-c user.name=t -c user.email=t@t commit -q -m one"):
        subprocess.run(["git", *command.split()], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["mian"], r"'mian' is no commit of this repository; .*did you mean 'main'"),
        (["main", "--page", "page.html"], r"--page: found 'page\.html'; expected an address such as https://"),
        (["main", "--page", "https://x)[y](z"], r"--page: found .*; expected an address"),
        (["main", "--out", "."], r"--out \. is a folder; name a file in it, such as new"),
        (["main", "--out", "params.yaml/comment.md"], r"cannot be written in .*params\.yaml \(Not a directory\)"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_line(arguments: list[str], said: str, here: Path) -> None:
    with pytest.raises(SystemExit, match=said):
        cli.main(["pr-comment", *arguments])


def test_without_dvc_it_says_so(here: Path) -> None:
    with pytest.raises(SystemExit, match=r"is no DVC repository: it has no folder \.dvc; run from the top of one"):
        cli.main(["pr-comment", "main"])


def test_a_commit_without_figures_is_refused(here: Path) -> None:
    (here / ".dvc").mkdir()
    (here / ".dvc/config").touch()
    with pytest.raises(SystemExit, match=r"main \([0-9a-f]+\) has no reports/metrics\.json, so there are no figures"):
        cli.main(["pr-comment", "main"])
