"""What a model says of unlabelled images, against the predictions of the pipeline."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.deployment import test_predictor as small

from counterpoise import images
from counterpoise.artifacts import decision, model
from counterpoise.dataset import inputs
from counterpoise.deployment import detector, predictor
from counterpoise.images import Pixels
from counterpoise.labelling import box_candidates, image_candidates
from counterpoise.labelling.candidates import File


@pytest.mark.parametrize("frozen", [True, False])
def test_probabilities_are_those_of_predict_and_features_those_of_the_backbone(
    frozen: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "workers_count", lambda: 0)
    small.build(tmp_path, small.a_decision("multiclass"), frozen=frozen, members=2, tta="flips")
    content = small.content()
    content["predict"]["tta"] = "flips"
    paths = [tmp_path / name for name in sorted(small.SIZES)]
    (tmp_path / "bad.png").write_bytes(b"no image")
    said: list[str] = []
    given = [File(path, path.name) for path in [*paths, tmp_path / "bad.png"]]
    found = list(image_candidates.read(tmp_path, content, given, "crack", said.append))
    expected = predictor.answer(tmp_path, paths, content, decision.read(tmp_path))
    assert [one.path for one in found] == paths
    for one, answer in zip(found, expected, strict=True):
        assert one.prob == pytest.approx(dict(answer.ranked)["crack"], abs=1e-6)
        assert one.worth == pytest.approx(one.prob**2)
        assert one.decided == answer.decided
        assert one.features.shape == (model.read_card(tmp_path).width,)
        assert np.isfinite(one.features).all()
        np.testing.assert_array_equal(one.thumbnail, images.thumbnail(np.asarray(Image.open(one.path))))
    assert said == [f"{tmp_path}/bad.png: not an image in a known format"]


def test_images_with_uncertain_boxes_are_worth_more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = np.zeros((0, 4))
    answers = {
        "sure.png": ((1.0, 0.0), ("crack", "crack"), (True, False), ""),
        "unsure.png": ((0.5, 0.5, 0.5), ("crack", "crack", "rust"), (False, False, True), ""),
        "empty.png": ((), (), (), ""),
        "gone.png": ((), (), (), "it cannot be read"),
    }

    def answer(root: Path, paths: Any, content: Any, decided: Any) -> Any:
        for path in paths:
            probs, names, decided, error = answers[path.name]
            yield detector.Answer(str(path), none, names, np.array(probs), np.array(decided, dtype=bool), error=error)

    class Card:
        pixels = Pixels()

    monkeypatch.setattr(detector, "answer", answer)
    monkeypatch.setattr(model, "read_card", lambda root: Card)
    monkeypatch.setattr(decision, "read", lambda root: None)
    for number, name in enumerate(answers):
        Image.new("RGB", (40, 30), (number, 0, 0)).save(tmp_path / name)
    said: list[str] = []
    given = [File(tmp_path / name, name) for name in answers]
    sure, unsure, empty = box_candidates.read(tmp_path, {}, given, "crack", said.append)
    assert (sure.worth, unsure.worth, empty.worth) == (0.0, 0.5, 0.0)
    assert (sure.prob, unsure.prob, empty.prob) == (1.0, 0.5, 0.0)
    assert (sure.decided, unsure.decided, empty.decided) == (("crack",), ("rust",), ())
    assert sure.features.shape == (32 * 32,)
    assert said == ["it cannot be read"]
