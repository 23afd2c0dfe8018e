"""Views of training tiles with boxes: deterministic, with pasted objects, and with places that nobody may count."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from counterpoise import images
from counterpoise.artifacts import tile_boxes, tiles
from counterpoise.dataset import box_examples, copy_paste
from counterpoise.dataset.box_examples import Donor, Example, Pasting, Views

NAMES = ["car", "panel", "roof"]
COUNTS = np.array([50, 3, 90])
RED = (250, 0, 0)


def grey(side: int = 96) -> images.RGB:
    return np.random.default_rng(0).integers(60, 120, (side, side, 3), dtype=np.uint8)


def a_tile(*, ignore: tuple[bool, ...] = (False, False)) -> Example:
    boxes = np.array([[4.0, 4, 14, 12], [60, 50, 96, 90]])
    return Example(grey(), boxes, np.array([0, 2]), np.array([1.0, 0.5]), np.array(ignore))


def donors(count: int = 3) -> list[Donor]:
    tile = np.full((40, 40, 3), 90, dtype=np.uint8)
    tile[10:18, 12:24] = RED
    patch = copy_paste.cut(tile, np.array([12.0, 10, 24, 18]), 1, 3)
    return [Donor(f"donor{number}", patch) for number in range(count)]


def views(policy: str = "none", *, frac: float = 1.0, objects: int = 1, found: list[Donor] | None = None) -> Views:
    return Views(policy, 0, 0.3, COUNTS, Pasting(donors() if found is None else found, frac, objects))


def same(first: Example, second: Example) -> bool:
    names = ("image", "boxes", "labels", "visible_frac", "ignore")
    return all(np.array_equal(getattr(first, name), getattr(second, name)) for name in names)


def test_view_0_is_the_tile():
    tile = a_tile()
    assert box_examples.view(tile, "a", 0, views("strong")) is tile


@pytest.mark.parametrize("policy", ["flips", "dihedral", "standard", "strong"])
def test_a_view_depends_on_its_tile_number_and_seed_alone(policy):
    tile, asked = a_tile(), views(policy, objects=3)
    alone = box_examples.view(tile, "a", 2, asked)
    for number in (1, 2, 3):
        again = box_examples.view(tile, "a", number, asked)
    assert same(box_examples.view(tile, "a", 2, asked), alone)
    assert not same(again, alone)
    assert not same(box_examples.view(tile, "b", 2, asked), alone)


def test_pasted_objects_are_objects_and_what_was_there_stays():
    found = box_examples.view(a_tile(ignore=(False, True)), "a", 1, views(objects=1))
    assert found.labels.tolist() == [0, 1, 2]
    assert found.ignore.tolist() == [False, False, True]
    assert found.visible_frac.tolist() == [1.0, 1.0, 0.5]
    x0, y0, x1, y1 = found.boxes[1].astype(int)
    assert (found.image[y0:y1, x0:x1] == RED).all()
    assert (found.image[50:90, 60:96] == a_tile().image[50:90, 60:96]).all()


def test_no_view_gets_an_object_of_its_own_tile_or_more_than_are_asked_for():
    tile = a_tile()
    assert same(box_examples.view(tile, "donor0", 1, views(found=donors(1))), tile)
    added = [len(box_examples.view(tile, "a", number, views(objects=3)).boxes) - 2 for number in range(1, 60)]
    assert set(added) == {1, 2, 3}


def test_a_share_of_the_views_gets_objects():
    tile, asked = a_tile(), views(frac=0.25)
    count = sum(len(box_examples.view(tile, "a", number, asked).boxes) > 2 for number in range(1, 401))
    assert 70 <= count <= 130  # 100 are expected, standard deviation 8.7
    assert same(box_examples.view(tile, "a", 1, views(frac=0.0)), tile)


def test_what_a_view_shows_too_little_of_is_ignored_by_the_whole_object():
    """Half of the roof is in its tile already, so a view that has 60 % of that shows 30 % of it."""
    tile = a_tile()
    for number in range(1, 200):
        found = box_examples.view(tile, "a", number, Views("strong", 0, 0.3, COUNTS))
        assert (found.ignore == (found.visible_frac < 0.3)).all()
        assert (found.visible_frac[found.labels == 2] <= 0.5).all()


def test_a_place_of_no_class_alone_gets_views_too():
    tile = a_tile()
    only = Example(tile.image, tile.boxes[:1], np.array([-1]), np.ones(1), np.array([True]))
    for number in range(1, 20):
        found = box_examples.view(only, "a", number, Views("strong", 0, 0.3, COUNTS))
        assert found.image.shape == (96, 96, 3)
        assert found.ignore.all()


def test_a_stored_tile_is_read_with_places_of_no_class():
    rows = pd.DataFrame(
        [("a", "a", 0, "panel", 1.0, 2.0, 3.0, 4.0, 0.7, 0), ("a", "a", 1, "", 0.0, 0.0, 9.0, 9.0, 1.0, 1)],
        columns=list(tile_boxes.COLUMNS),
    )
    found = box_examples.of_tile(grey(), rows, NAMES)
    assert found.labels.tolist() == [1, -1]
    assert found.ignore.tolist() == [False, True]
    assert found.boxes.tolist() == [[1.0, 2.0, 3.0, 4.0], [0.0, 0.0, 9.0, 9.0]]


def collected(root: Path, rows: list[tuple[object, ...]], *, margin_px: int = 2, seed: int = 0) -> list[Donor]:
    with tiles.writing(root, "train") as append:
        for name in ("a", "b"):
            append(tiles.Tile(name, name, "", (0, 0, 96, 96), images.encode_png(grey())))
    boxes = pd.DataFrame(rows, columns=list(tile_boxes.COLUMNS))
    return box_examples.collect(
        tiles.read(root, "train"), boxes, NAMES, ["panel"], margin_px=margin_px, min_visible=0.3, seed=seed
    )


def panel(tile: str, number: int, *box: float, visible: float = 1.0, ignore: int = 0) -> tuple[object, ...]:
    return (tile, tile, number, "panel", *box, visible, ignore)


def test_donors_are_whole_small_objects_of_the_wanted_classes_that_show_no_other_object(tmp_path):
    found = collected(
        tmp_path,
        [
            panel("a", 0, 10.0, 10.0, 20.0, 20.0),
            panel("a", 1, 40.0, 40.0, 50.0, 50.0, visible=0.9),
            panel("a", 2, 60.0, 40.0, 70.0, 50.0, ignore=1),
            ("a", "a", 3, "roof", 0.0, 0.0, 40.0, 40.0, 1.0, 0),
            panel("b", 0, 0.0, 0.0, 60.0, 20.0),
            panel("b", 1, 70.0, 70.0, 80.0, 80.0),
            ("b", "b", 2, "car", 81.0, 72.0, 84.0, 75.0, 1.0, 0),
        ],
    )
    assert [(donor.tile_id, donor.patch.label) for donor in found] == [("a", 1)]
    assert (found[0].patch.image == grey()[8:22, 8:22]).all()


def test_donors_are_at_most_so_many_and_chosen_by_the_seed(tmp_path, monkeypatch):
    monkeypatch.setattr(box_examples, "DONORS", 2)
    rows = [panel("a", number, 8.0 * number, 40.0, 8.0 * number + 4, 44.0) for number in range(12)]
    chosen = [collected(tmp_path, rows, margin_px=0, seed=seed) for seed in (0, 0, 1)]
    assert [len(found) for found in chosen] == [2, 2, 2]
    one, again, other = ([donor.patch.image.tolist() for donor in found] for found in chosen)
    assert one == again != other
