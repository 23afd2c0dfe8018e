"""Boxes of tiles come back to their scene; objects of blocks."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests import perturbed

from counterpoise.artifacts import boxes, detections
from counterpoise.boxes.scenes import Merging
from counterpoise.dataset import blocks, scene_detections

CORNERS = list(detections.CORNERS)
CLASSES = ("panel", "roof")
HOW = Merging("nms", "iou", 0.9, 0, 0.01)


def index(areas: dict[str, tuple[int, int, int, int]], size_px: int = 100, overlap_px: int = 40) -> pd.DataFrame:
    """List the tiles of images that lie at these places of their scenes."""
    rows = [
        (f"{name}@{window[0]},{window[1]}", name, *window)
        for name, area in areas.items()
        for window in blocks.windows(area, size_px, overlap_px)
    ]
    return pd.DataFrame(rows, columns=["tile_id", "image_id", *CORNERS])


def found_in_scene(boxes_of: list[list[float]], logits: list[float], image_id: str = "s") -> pd.DataFrame:
    table = pd.DataFrame(boxes_of, columns=CORNERS, dtype=np.float64)
    return table.assign(image_id=image_id, label="roof", logit=logits)[list(detections.FOUND)]


@settings(max_examples=40)
@given(st.data())
def test_boxes_that_some_tile_shows_whole_come_back_exactly_and_once(data: st.DataObject) -> None:
    """Objects up to 40 px fit into the overlap; they lie in rows, so that none covers another."""
    table = index({"s": (0, 0, 340, 220)})
    sides = data.draw(st.lists(st.tuples(st.integers(1, 40), st.integers(1, 40)), min_size=1, max_size=8))
    tops = [data.draw(st.integers(0, 220 - height)) for _, height in sides]
    placed = [[41.0 * n, y, 41.0 * n + w, y + h] for n, ((w, h), y) in enumerate(zip(sides, tops, strict=True))]
    scene = found_in_scene(placed, np.linspace(2, -1, len(placed)).tolist())
    back = scene_detections.merged(perturbed.in_tiles(scene, table), table, CLASSES, HOW)
    assert list(back) == list(detections.FOUND)
    whole = back[back[CORNERS].apply(tuple, axis=1).isin(scene[CORNERS].apply(tuple, axis=1))]
    assert sorted(map(tuple, whole[CORNERS].to_numpy().tolist())) == sorted(map(tuple, placed))
    np.testing.assert_allclose(
        whole.sort_values("x0_px")["logit"], scene.sort_values("x0_px")["logit"], rtol=1e-5, atol=1e-5
    )


def test_parts_at_the_edge_of_a_tile_are_left_out_where_another_tile_shows_the_object() -> None:
    table = index({"s": (0, 0, 160, 100)})  # two tiles, at 0 and 60
    scene = found_in_scene([[70.0, 10, 110, 30]], [1.0])
    in_tiles = perturbed.in_tiles(scene, table)
    assert len(in_tiles) == 2
    edge = Merging("nms", "iou", 0.9, 2, 0.01)
    back = scene_detections.merged(in_tiles, table, CLASSES, edge)
    assert back[CORNERS].to_numpy().tolist() == [[70, 10, 110, 30]]


def test_each_setting_of_predict_changes_what_comes_back() -> None:
    table = index({"s": (0, 0, 100, 100)})
    scene = found_in_scene([[10.0, 10, 50, 50], [14, 10, 54, 50], [10, 10, 22, 50]], [2.0, 1.0, -1.0])
    tiles = perturbed.in_tiles(scene, table)

    def count(method: str = "nms", match: str = "iou", overlap: float = 0.5, min_score: float = 0.01) -> int:
        how = Merging(method, match, overlap, 0, min_score)  # type: ignore[arg-type]
        return len(scene_detections.merged(tiles, table, CLASSES, how))

    assert count() == 2
    assert count(match="ios") == 1
    assert count(overlap=0.95) == 3
    assert count(method="soft_nms_gaussian") == 3
    assert count(min_score=0.3) == 1


def test_sure_scores_keep_finite_log_odds_and_classes_stay_apart() -> None:
    table = index({"s": (0, 0, 100, 100), "t": (0, 0, 100, 100)})
    same = found_in_scene([[10.0, 10, 50, 50]] * 2, [80.0, 3.0]).assign(label=list(CLASSES))
    back = scene_detections.merged(perturbed.in_tiles(same, table), table, CLASSES, HOW)
    assert len(back) == 2
    assert np.isfinite(back["logit"]).all()
    nothing = scene_detections.merged(perturbed.in_tiles(same, table)[:0], table, CLASSES, HOW)
    assert nothing.empty
    assert list(nothing) == list(detections.FOUND)


@pytest.mark.parametrize(("column", "value"), [("tile_id", "elsewhere"), ("label", "car")])
def test_detections_of_what_is_not_there_are_refused(column: str, value: str) -> None:
    table = index({"s": (0, 0, 100, 100)})
    in_tiles = perturbed.in_tiles(found_in_scene([[10.0, 10, 50, 50]], [1.0]), table).assign(**{column: value})
    with pytest.raises(ValueError, match=f"a detection has {column} '{value}'"):
        scene_detections.merged(in_tiles, table, CLASSES, HOW)


def labelled(rows: list[tuple[float, float, float, float, int]]) -> pd.DataFrame:
    values = [("s", n, "roof", "roof", *corners, ignore, "") for n, (*corners, ignore) in enumerate(rows)]
    return pd.DataFrame(values, columns=list(boxes.COLUMNS))


def test_objects_of_a_scene_stay_unchanged() -> None:
    known = labelled([(10.1, 5, 30, 300, 0), (200, 5, 340, 220, 1)])
    there = scene_detections.objects(known, index({"s": (0, 0, 340, 220)}), {"s": "s"}, {"s": "unit"})
    assert list(there) == list(detections.THERE)
    assert there[CORNERS].to_numpy().tolist() == [[10.1, 5, 30, 220], [200, 5, 340, 220]]
    assert there["ignore"].tolist() == [0, 1]
    assert there["group"].tolist() == ["unit"] * 2
    assert scene_detections.labels_of(there, ["s"]) == ("roof",)


def test_an_object_belongs_to_the_block_with_its_centre_and_is_ignored_in_the_other() -> None:
    areas = {"s#0": (0, 0, 150, 220), "s#1": (150, 0, 300, 220)}
    known = labelled([(140, 10, 180, 30, 0), (5, 5, 20, 20, 0)])
    scene_of, units = dict.fromkeys(areas, "s"), {name: name for name in areas}
    there = scene_detections.objects(known, index(areas), scene_of, units)
    rows = there[["image_id", "box", *CORNERS, "ignore"]].to_numpy().tolist()
    assert rows == [
        ["s#0", 0, 140, 10, 150, 30, 1],
        ["s#0", 1, 5, 5, 20, 20, 0],
        ["s#1", 0, 150, 10, 180, 30, 0],
    ]
    assert scene_detections.labels_of(there, ["s#0", "s#1"]) == ("roof", "roof")


def test_an_image_has_the_highest_logit_of_each_class() -> None:
    box = [0.0, 0, 1, 1]
    found = pd.concat([found_in_scene([box, box], [1.0, 2.0]), found_in_scene([box], [-3.0], "t")])
    logits = scene_detections.highest(found, ["s", "t", "u"], CLASSES, 0.01)
    np.testing.assert_allclose(logits, [[-4.59512, 2], [-4.59512, -3], [-4.59512, -4.59512]], rtol=1e-5)
