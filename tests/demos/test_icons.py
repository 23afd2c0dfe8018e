import csv
import importlib
import json
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from counterpoise.config import InputError
from counterpoise.demos import icons


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("fontawesomefree")
    path = tmp_path_factory.mktemp("icons")
    icons.write(path)
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def labels(row: dict[str, str]) -> list[str]:
    return row["labels"].split("|")


def pixels(folder: Path, row: dict[str, str]) -> np.ndarray:
    with Image.open(folder / row["image"]) as image:
        return np.asarray(image)


def frequent(counts: Counter[str], at_least: int = 20) -> set[str]:
    return {name for name, count in counts.items() if count >= at_least}


def test_drawings_icons_and_categories_are_as_many_as_stated(folder):
    found = rows(folder)
    assert len(found) == 1558
    assert Counter(row["image"].rpartition("_")[2] for row in found) == {"solid.png": 1395, "regular.png": 163}
    assert len({row["group"] for row in found}) == 1395
    counts = Counter(name for row in found for name in labels(row))
    assert len(counts) == 68
    assert counts.most_common(2) == [("humanitarian", 343), ("maps", 157)]
    assert min(counts.items(), key=lambda item: item[1]) == ("fruits-vegetables", 7)


def test_52_categories_have_20_icons_and_54_have_20_drawings(folder):
    found = rows(folder)
    of_icons = frequent(
        Counter(name for labels, _ in {(row["labels"], row["group"]) for row in found} for name in labels.split("|"))
    )
    of_drawings = frequent(Counter(name for row in found for name in labels(row)))
    assert len(of_icons) == 52
    assert of_drawings - of_icons == {"time", "toggle"}
    assert sum(not of_icons.isdisjoint(labels(row)) for row in found) == 1487
    assert sum(not of_drawings.isdisjoint(labels(row)) for row in found) == 1515


def test_drawings_have_1_to_9_labels_and_many_have_several(folder):
    numbers = [len(labels(row)) for row in rows(folder)]
    assert (min(numbers), max(numbers), sum(number > 1 for number in numbers)) == (1, 9, 880)
    assert round(float(np.mean(numbers)), 2) == 2.02


def test_labels_are_the_keys_of_the_categories_that_list_the_icon(folder):
    by_image = {row["image"]: row["labels"] for row in rows(folder)}
    assert by_image["images/address-book_solid.png"] == "business|communication|users-people"
    assert by_image["images/address-card_regular.png"] == "accessibility|alphabet|business|communication|users-people"
    assert by_image["images/7_solid.png"] == "numbers"


def test_brands_are_left_out(folder):
    groups = {row["group"] for row in rows(folder)}
    assert groups.isdisjoint({"bluetooth", "cc-visa", "github", "python"})


def test_every_row_has_its_image_and_every_image_its_row(folder):
    images = sorted(path.relative_to(folder).as_posix() for path in (folder / "images").iterdir())
    assert images == sorted(row["image"] for row in rows(folder))


def test_the_solid_and_the_regular_drawing_of_an_icon_share_group_and_labels(folder):
    by_group: dict[str, list[dict[str, str]]] = {}
    for row in rows(folder):
        assert row["image"] in (f"images/{row['group']}_solid.png", f"images/{row['group']}_regular.png")
        by_group.setdefault(row["group"], []).append(row)
    pairs = [same for same in by_group.values() if len(same) == 2]
    assert len(pairs) == 163
    assert all(one["labels"] == other["labels"] for one, other in pairs)


def test_every_drawing_is_black_on_white_and_whole(folder):
    for row in rows(folder):
        drawing = pixels(folder, row)
        assert drawing.shape == (icons.CANVAS_PX, icons.CANVAS_PX)
        assert drawing.min() == 0
        assert 0.02 < (drawing < 128).mean() < 0.6, row["image"]
        border = np.ones(drawing.shape, dtype=bool)
        border[11:-11, 11:-11] = False
        assert (drawing[border] == 255).all(), row["image"]


def test_no_two_drawings_are_equal(folder):
    assert len({pixels(folder, row).tobytes() for row in rows(folder)}) == 1558


def test_no_glyph_is_missing_from_the_fonts(folder):
    # A missing glyph would be the same box again and again; one pair differs by its place alone.
    by_shape: dict[tuple[tuple[int, ...], bytes], list[str]] = {}
    for row in rows(folder):
        drawing = pixels(folder, row)
        y, x = np.nonzero(drawing < 255)
        shape = drawing[y.min() : y.max() + 1, x.min() : x.max() + 1]
        by_shape.setdefault((shape.shape, shape.tobytes()), []).append(row["group"])
    assert [same for same in by_shape.values() if len(same) > 1] == [["caret-up", "sort-up"]]


def test_what_is_centred_is_the_box_of_an_icon_and_not_its_ink(folder):
    def height(name: str) -> float:
        y, _ = np.nonzero(pixels(folder, {"image": f"images/{name}_solid.png"}) < 128)
        return float(y.mean()) / icons.CANVAS_PX

    assert height("minus") == pytest.approx(0.5, abs=0.01)
    assert height("circle") == pytest.approx(0.5, abs=0.01)
    assert height("window-minimize") > 0.7


def test_a_second_run_writes_equal_bytes(folder, tmp_path):
    icons.write(tmp_path)
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            assert path.read_bytes() == (tmp_path / path.relative_to(folder)).read_bytes(), path


def test_an_icon_without_a_category_is_left_out(tmp_path, monkeypatch):
    data = Path(pytest.importorskip("fontawesomefree").__file__).parent / "static" / "fontawesomefree"
    copy = tmp_path / "package" / "static" / "fontawesomefree"
    (copy / "metadata").mkdir(parents=True)
    (copy / "webfonts").symlink_to(data / "webfonts")
    known = json.loads((data / "metadata" / "icons.json").read_text(encoding="utf-8"))
    (copy / "metadata" / "icons.json").write_text(json.dumps({name: known[name] for name in ("bell", "star")}))
    (copy / "metadata" / "categories.yml").write_text("time:\n  icons:\n    - bell\nalert:\n  icons:\n    - bell\n")
    spec = importlib.machinery.ModuleSpec("fontawesomefree", None, origin=str(tmp_path / "package" / "__init__.py"))
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: spec)
    folder = tmp_path / "icons"
    folder.mkdir()
    icons.write(folder)
    assert rows(folder) == [
        {"image": "images/bell_regular.png", "labels": "alert|time", "group": "bell"},
        {"image": "images/bell_solid.png", "labels": "alert|time", "group": "bell"},
    ]


def test_the_licence_and_the_changes_stand_beside_the_images(folder):
    notice = (folder / "NOTICE.txt").read_text(encoding="utf-8")
    assert all(part in notice for part in ("CC BY 4.0", "SIL OFL 1.1", "Fonticons", "Changes:"))


def test_without_its_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "fontawesomefree", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'counterpoise\[demo\]'"):
        icons.write(tmp_path)
    assert list(tmp_path.iterdir()) == []
