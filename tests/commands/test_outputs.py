"""Places to which a command cannot write are refused before it computes."""

from pathlib import Path

import pytest

from counterpoise.commands import _outputs
from counterpoise.config import InputError


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", r"--out folder is a folder; name a file in it, such as folder/new\.csv"),
        ("there.txt", r"--out there\.txt: expected a file name that ends in \.csv or \.json$"),
        ("there.csv", r"--out there\.csv already exists, and is left unchanged"),
        ("link.csv", r"--out link\.csv already exists"),
        ("there.csv/new.csv", r"cannot be written in .*there\.csv \(Not a directory\)"),
        (f"{'a' * 300}.csv", r"cannot be written in .* \(File name too long\)"),
        ("/proc/new.csv", r"--out /proc/new\.csv: cannot be written in /proc \("),
    ],
)
def test_a_file_that_cannot_be_made_is_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("folder").mkdir()
    Path("there.csv").touch()
    Path("link.csv").symlink_to("nowhere")
    with pytest.raises(InputError, match=message):
        _outputs.check_file("--out", Path(name), [".csv", ".json"], new=True)


def test_a_file_may_be_replaced_where_that_is_meant_and_folders_above_may_be_missing(tmp_path: Path) -> None:
    (tmp_path / "there.md").touch()
    _outputs.check_file("--out", tmp_path / "there.md", new=False)
    _outputs.check_file("--out", tmp_path / "not" / "yet" / "new.md", new=True)
    assert [path.name for path in tmp_path.iterdir()] == ["there.md"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("full", "--out full already exists; name a new folder"),
        ("full/file", "--out full/file already exists"),
        ("link", "--out link already exists"),
        ("/proc/new", r"--out /proc/new: cannot be written in /proc \("),
    ],
)
def test_a_folder_that_cannot_be_made_is_refused(
    name: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("full").mkdir()
    Path("full/file").touch()
    Path("link").symlink_to("nowhere")
    with pytest.raises(InputError, match=message):
        _outputs.check_folder("--out", Path(name))
    Path("empty").mkdir()
    _outputs.check_folder("--out", Path("empty"))
