import csv
import importlib
import sys
from collections import Counter
from pathlib import Path

import pytest
from PIL import Image

from counterpoise import demos
from counterpoise.config import InputError
from counterpoise.demos import elpv


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    pytest.importorskip("elpv_dataset")
    path = tmp_path_factory.mktemp("elpv")
    elpv.write(path)
    return path


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_classes_have_the_published_counts(folder):
    # Deitsch et al. (2019), table 1: 2,624 cells.
    assert Counter(row["label"] for row in rows(folder)) == {
        "functional": 1508,
        "probably_functional": 295,
        "probably_defective": 106,
        "defective": 715,
    }
    assert Counter(row["cell_type"] for row in rows(folder)) == {"mono": 1074, "poly": 1550}


def test_every_row_has_its_image_and_every_image_its_row(folder):
    images = sorted(path.relative_to(folder).as_posix() for path in (folder / "images").iterdir())
    assert images == sorted(row["image"] for row in rows(folder))
    with Image.open(folder / images[0]) as image:
        assert image.size == (300, 300)


def test_the_licence_stands_beside_the_images(folder):
    assert "CC BY-NC-SA 4.0" in (folder / "NOTICE.txt").read_text(encoding="utf-8")


def test_without_its_package_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "elpv_dataset", None)
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'counterpoise\[demo\]'"):
        elpv.write(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_unknown_demo_is_refused_with_the_one_that_was_meant():
    with pytest.raises(InputError, match=r"demo\.name is 'elvp'; .* did you mean 'elpv'\?"):
        demos.find("elvp")


def test_every_demo_can_be_found():
    assert "elpv" in demos.names()
    assert all(callable(demos.find(name).write) for name in demos.names())
