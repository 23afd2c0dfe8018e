"""The files below a folder, through links."""

from pathlib import Path

import pytest

from counterpoise.images import listing
from counterpoise.images.listing import files_below


def test_files_are_found_through_links_but_no_folder_twice_within_itself(tmp_path: Path) -> None:
    for name in ("b/2.png", "b/.hidden", ".git/x", "a.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    (tmp_path / "c").symlink_to("b")
    (tmp_path / "b" / "up").symlink_to("..")
    for name, target in (("self", "self"), ("gone.png", "nowhere")):
        (tmp_path / name).symlink_to(target)
    assert list(files_below(tmp_path)) == ["a.png", "b/2.png", "c/2.png", "gone.png", "self"]


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_listed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "locked").mkdir()
    (tmp_path / "z.png").touch()
    scandir = listing.os.scandir  # type: ignore[attr-defined]

    def refuse(folder: Path) -> object:
        if folder.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(folder)

    monkeypatch.setattr(listing.os, "scandir", refuse)  # type: ignore[attr-defined]
    told: list[str] = []
    found = list(files_below(tmp_path, lambda place, error: told.append(f"{place.name}: {error.strerror}")))
    assert (found, told) == (["z.png"], ["locked: Permission denied"])
