import time
from pathlib import Path

import pytest

from counterpoise.dataset import image_paths

ROOT = "data/raw/own"


def touch(folder: Path, *paths: str) -> None:
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


def find(folder: Path, *paths: str) -> image_paths.Found:
    return image_paths.find(folder, ROOT, paths)


def test_paths_that_files_bear_are_left_alone_and_the_folder_is_not_listed(tmp_path, monkeypatch):
    touch(tmp_path, "a.png", "B.png", "x/.hidden.png", "c")
    (tmp_path / "gone.png").symlink_to("nowhere")
    monkeypatch.setattr(image_paths, "files_below", None)
    paths = ["a.png", "./a.png", "x/../B.png", "x/.hidden.png", "c", "gone.png", ""]
    assert find(tmp_path, *paths) == image_paths.ALL_EXACT


@pytest.mark.parametrize(
    ("path", "file"),
    [
        ("img\\a.png", "img/a.png"),
        (".\\img\\a.png", "img/a.png"),
        ("IMG/A.PNG", "img/a.png"),
        ("img/a", "img/a.png"),
        ("img\\A", "img/a.png"),
        (f"{ROOT}/img/a.png", "img/a.png"),
        (f"./{ROOT}/img/a", "img/a.png"),
        ("data\\raw\\own\\img\\a.png", "img/a.png"),
        ("1.2.840", "1.2.840.PNG"),
        ("stra\u00dfe.jpg", "STRASSE.jpg"),
    ],
)
def test_a_path_is_found_where_exactly_one_file_fits(tmp_path, path, file):
    touch(tmp_path, "img/a.png", "img/a.txt", "img/b.png", "1.2.840.PNG", "STRASSE.jpg")
    assert find(tmp_path, path).files == {path: file}


def test_a_folder_of_the_name_does_not_hide_the_file(tmp_path):
    touch(tmp_path, "a/x.txt", "a.png")
    assert find(tmp_path, "a").files == {"a": "a.png"}


def test_nothing_is_chosen_where_several_files_fit(tmp_path):
    touch(tmp_path, "a.png", "a.jpg", "B.png", "b.PNG")
    found = find(tmp_path, "a", "b.png", "a.png")
    assert found.files == {}
    assert found.hints == {
        "a": "; it fits several files: 'a.jpg', 'a.png'; write one of them",
        "b.png": "; it fits several files: 'B.png', 'b.PNG'; write one of them",
    }


@pytest.mark.parametrize(
    ("path", "nearest"),
    [
        ("a_01.png", "img/a_01.png"),
        ("other/a_01.jpg", "img/a_01.png"),
        ("/home/me/data/raw/own/img/a_01.png", "img/a_01.png"),
        ("../own/img/a_01.png", "img/a_01.png"),
        ("img/a_01.jpg", "img/a_01.png"),
        ("img/a_o1.png", "img/a_01.png"),
        ("C:\\data\\img\\a_01.png", "img/a_01.png"),
    ],
)
def test_the_nearest_file_is_named_where_none_fits(tmp_path, path, nearest):
    touch(tmp_path, "img/a_01.png", "readme.txt", "labels.csv")
    assert find(tmp_path, path) == image_paths.Found({}, (), {path: f"; the nearest is {nearest!r}"})


def test_nothing_is_named_where_nothing_is_near(tmp_path):
    touch(tmp_path, "img/a_01.png")
    assert find(tmp_path, "zzz.png", "\0") == image_paths.ALL_EXACT


def test_links_in_a_circle_end(tmp_path):
    touch(tmp_path, "img/A.png")
    (tmp_path / "img" / "up").symlink_to("..")
    (tmp_path / "self").symlink_to("self")
    assert find(tmp_path, "img/a.png").files == {"img/a.png": "img/A.png"}


@pytest.mark.parametrize("count", [20_000, pytest.param(100_000, marks=pytest.mark.slow)])
def test_a_hundred_thousand_paths_take_seconds(count, tmp_path, monkeypatch):
    files = [f"img/{number:06d}.PNG" for number in range(count)]
    monkeypatch.setattr(image_paths, "files_below", lambda *_: iter(files))
    half = range(count // 2)
    paths = [f"img\\{number:06d}" for number in half] + [f"no/such{number}.png" for number in half]
    begin = time.perf_counter()
    found = find(tmp_path, *paths)
    took = time.perf_counter() - begin
    assert len(found.files) == count // 2
    assert took < 30 * count / 100_000  # of which two cores need a seventh
