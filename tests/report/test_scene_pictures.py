import numpy as np
import pytest

from counterpoise.report import scene_pictures
from counterpoise.report.charts import theme
from counterpoise.report.scene_pictures import Drawn


@pytest.mark.parametrize("box", [[0, 0, 10.0, 10], [600, 600, 640, 640], [300, 10, 500, 40]])
def test_a_place_lies_in_the_scene_and_holds_the_box(box: list[float]) -> None:
    left, top, right, bottom = scene_pictures.around(np.array(box), 640, 640)
    assert 0 <= left <= box[0]
    assert box[2] <= right <= 640
    assert 0 <= top <= box[1]
    assert box[3] <= bottom <= 640
    assert min(right - left, bottom - top) >= scene_pictures.SHORTEST_PX


def test_boxes_are_drawn_where_they_lie_at_any_scale(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(scene_pictures, "place", lambda *_: Image.new("RGB", (80, 80), "#000000"))
    layers = [Drawn(np.array([[120, 220, 140.0, 250]]), "alarm", 3)]
    shown = scene_pictures.draw(None, "a", (100, 200, 180, 280), layers)  # type: ignore[arg-type]
    assert shown.size == (320, 320)
    color = tuple(bytes.fromhex(theme.LIGHT["alarm"][1:]))
    where = np.argwhere((np.array(shown) == color).all(axis=2))
    assert np.abs(where.min(axis=0) - [80, 80]).max() <= 2
    assert np.abs(where.max(axis=0) - [200, 160]).max() <= 2


def test_a_missed_box_is_dashed_and_a_found_one_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.setattr(scene_pictures, "place", lambda *_: Image.new("RGB", (320, 320), "#000000"))
    color = tuple(bytes.fromhex(theme.LIGHT["found"][1:]))
    drawn = {}
    for style in ("found", "missed"):
        layers = [Drawn(np.array([[20, 20, 300.0, 300]]), style)]
        shown = scene_pictures.draw(None, "a", (0, 0, 320, 320), layers)  # type: ignore[arg-type]
        drawn[style] = int((np.array(shown) == color).all(axis=2).sum())
    assert 0.4 * drawn["found"] < drawn["missed"] < 0.8 * drawn["found"]
