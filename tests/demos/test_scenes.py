"""Generated scenes: exact boxes, rare panels, look-alikes without boxes, equal bytes, and a limit on time."""

import json
import time
from collections import Counter
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from counterpoise import seeds
from counterpoise.demos import scenes
from counterpoise.demos.scenes import canvas, objects


def params(**changed: float) -> scenes.Params:
    return scenes.Params.model_validate({"scenes": 3, "panel_frac": 0.05, "look_alikes": 1.0, "seed": 0, **changed})


def written(folder: Path, **changed: float) -> None:
    folder.mkdir(exist_ok=True)
    scenes.write(folder, params(**changed))


@pytest.fixture(scope="module")
def default(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a set as it ships, but of three scenes."""
    folder = tmp_path_factory.mktemp("scenes") / "demo"
    written(folder)
    return folder


@cache
def placed(seed: int, panel_frac: float = 0.05) -> list[tuple[str, canvas.Floats]]:
    """Place the objects of a scene without painting them, which decides nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(objects, "fill", lambda *_: None)
        patch.setattr(scenes, "photograph", lambda scene: scene.picture)
        return scenes.draw(seeds.generator(seed, "scene"), panel_frac, 1.0)[1]


def labels(seed: int, panel_frac: float = 0.05) -> list[str]:
    return [label for label, _ in placed(seed, panel_frac)]


def test_where_objects_lie_does_not_depend_on_paint():
    painted = scenes.draw(seeds.generator(0, "scene"), 0.05, 1.0)[1]
    for (label, hull), (same, other) in zip(placed(0), painted, strict=True):
        assert label == same
        assert (hull == other).all()


def test_every_image_is_listed_and_every_box_lies_in_its_image(default):
    content = json.loads((default / "annotations.json").read_text(encoding="utf-8"))
    files = sorted(path.relative_to(default).as_posix() for path in (default / "images").iterdir())
    assert [image["file_name"] for image in content["images"]] == files
    for image in content["images"]:
        with Image.open(default / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"]) == (640, 640)
    assert [category["name"] for category in content["categories"]] == ["car", "panel", "pool", "roof"]
    assert len({row["id"] for row in content["annotations"]}) == len(content["annotations"])
    for row in content["annotations"]:
        x, y, width, height = row["bbox"]
        assert min(x, y) >= 0
        assert min(width, height) >= 1
        assert max(x + width, y + height) <= 640 + 1e-3


def test_cars_are_10_to_15_px_and_roofs_are_larger(default):
    content = json.loads((default / "annotations.json").read_text(encoding="utf-8"))
    inside = [row for row in content["annotations"] if min(row["bbox"][:2]) > 20 and max(row["bbox"][:2]) < 560]
    longest = {
        name: [max(row["bbox"][2:]) for row in inside if row["category_id"] == number]
        for number, name in enumerate(scenes.CLASSES, start=1)
    }
    assert 8 < min(longest["car"]) <= max(longest["car"]) < 17
    assert min(longest["roof"]) > 24


def test_equal_seeds_write_equal_bytes_and_other_seeds_other_pictures(tmp_path, default):
    for name, seed in (("same", 0), ("other", 1)):
        written(tmp_path / name, seed=seed)
    contents = [
        {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.*")}
        for folder in (default, tmp_path / "same", tmp_path / "other")
    ]
    assert contents[0] == contents[1]
    assert not any(contents[0][path] == contents[2][path] for path in contents[0] if path.suffix == ".jpg")


def test_more_scenes_leave_the_first_ones_unchanged(tmp_path, default):
    written(tmp_path / "more", scenes=4)
    for number in range(3):
        name = f"images/scene_{number:04d}.jpg"
        assert (default / name).read_bytes() == (tmp_path / "more" / name).read_bytes()


def test_one_roof_in_twenty_has_panels_and_the_share_can_be_set():
    drawn = Counter(label for seed in range(25) for label in labels(seed))
    assert 0.025 < drawn["panel"] / drawn["roof"] < 0.085
    every = Counter(label for seed in range(3) for label in labels(seed, panel_frac=1.0))
    assert every["panel"] / every["roof"] > 0.35


def test_look_alikes_change_pictures_and_have_no_boxes():
    plain, boxes = scenes.draw(seeds.generator(0, "scene"), 0.05, 0.0)
    many, more = scenes.draw(seeds.generator(0, "scene"), 0.05, 5.0)
    assert (plain != many).any()
    assert {label for label, _ in (*boxes, *more)} <= set(scenes.CLASSES)


def test_a_box_is_the_exact_hull_of_what_is_painted():
    rng = np.random.default_rng(0)
    for _ in range(40):
        black = np.zeros((canvas.FINE * 640, canvas.FINE * 640, 3), dtype=np.float32)
        scene = canvas.Scene(black, rng, 0.0, np.array([1.0, 0.0]), 0.5)
        points = canvas.rectangle(
            rng.uniform(100, 500, 2), rng.uniform(8, 40), rng.uniform(8, 40), rng.uniform(0, np.pi)
        )
        canvas.add(scene, "car", points)
        canvas.fill(scene, points, (255, 255, 255))
        rows, columns = np.nonzero(black[:, :, 0] > 0)
        hull = np.array([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]) / canvas.FINE
        # The tip of a corner may cover too little of its pixel to be seen.
        np.testing.assert_allclose(scene.objects[0][1], hull, atol=1.2)


def test_roofs_cover_no_car_and_no_pool():
    for seed in range(4):
        first = labels(seed)
        last_roof = max(index for index, label in enumerate(first) if label == "roof")
        assert set(first[: last_roof + 1]) <= {"roof", "panel"}, "what is painted later is never covered by a roof"
        cars = np.array([(hull[:2] + hull[2:]) / 2 for label, hull in placed(seed) if label == "car"])
        apart = np.hypot(*(cars[:, None] - cars[None]).transpose(2, 0, 1)) + 1e3 * np.eye(len(cars))
        assert apart.min() > 10


def test_the_default_set_is_written_in_20_seconds_of_one_core():
    seconds = []
    for seed in range(4):
        before = time.process_time()
        scenes.draw(seeds.generator(seed, "scene"), 0.05, 1.0)
        seconds.append(time.process_time() - before)
    assert min(seconds) * 36 < 20


@pytest.mark.parametrize("wrong", [{"scenes": 2}, {"panel_frac": 0.0}, {"panel_frac": 1.5}, {"look_alikes": -1.0}])
def test_parameters_out_of_range_are_refused(wrong):
    with pytest.raises(ValidationError):
        params(**wrong)
