"""Exported models say what the pipeline says; the programs of docs/deployment.md run without this package."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from tests.deployment.test_predictor import NAMES, a_decision, build, content
from tests.detection import plans

from counterpoise import config
from counterpoise.artifacts import decision, model, tiles
from counterpoise.calibration import calibrators
from counterpoise.config import InputError
from counterpoise.decision import rules
from counterpoise.deployment import onnx_boxes, onnx_check, onnx_export, predictor
from counterpoise.deployment.built import Built
from counterpoise.detection import building, detectors, necks
from counterpoise.detection.settings import Detector

DOCS = (Path(__file__).parents[2] / "docs/deployment.md").read_text()
EXAMPLE, FUNCTION = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)
BLOCKED = "import sys\nfor name in ('counterpoise', 'torch', 'timm'): sys.modules[name] = None\n"
CURVE = ((-1.0, 0.0, 2.0), (0.1, 0.4, 0.9))


def a_model(root: Path, chosen: decision.Decision, **how: Any) -> Built:
    build(root, chosen, **how)
    asked = content()
    asked["predict"] |= {name: how[name] for name in ("tta",) if name in how}
    asked["predict"] |= {"average": how["how"]} if "how" in how else {}
    return Built(root, asked, model.read_card(root), chosen)


@pytest.mark.parametrize(
    ("frozen", "how"),
    [
        (True, {}),
        (False, {"name": "concat_pool"}),
        (True, {"members": 2, "tta": "dihedral", "how": "probabilities"}),
        (False, {"members": 2, "tta": "flips", "how": "logits"}),
    ],
)
def test_the_graph_agrees_with_pytorch_whatever_is_averaged(frozen: bool, how: Any, tmp_path: Path) -> None:
    of = a_model(tmp_path, a_decision("multiclass"), frozen=frozen, **how)
    found = onnx_export.write(of, tmp_path / "out")
    assert 0 < found.tiles == found.rows
    assert found.largest_difference < 1e-4
    assert found.decided_otherwise == 0
    said = json.loads((tmp_path / "out/model.json").read_text())
    assert said["classes"] == list(NAMES)
    assert said["checked"]["largest_difference"] == found.largest_difference


def test_the_example_of_the_docs_runs_without_this_package_and_says_the_same(tmp_path: Path) -> None:
    of = a_model(tmp_path, replace(a_decision("multiclass"), target_offset=(0.5, 0.0, -0.5)), frozen=True)
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports/model_card.md").write_text("card")
    onnx_export.write(of, tmp_path / "exported")
    assert (tmp_path / "exported/model_card.md").read_text() == "card"
    (tmp_path / "small.png").rename(tmp_path / "photo.png")
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED + EXAMPLE], cwd=tmp_path, capture_output=True, text=True, check=True
    )
    (said,) = predictor.answer(tmp_path, [tmp_path / "photo.png"], of.content, of.decision)
    name, _, numbers = done.stdout.partition(" [")
    assert (name,) == said.decided
    found = dict(zip(NAMES, map(float, numbers.strip("[] \n").split()), strict=True))
    assert found == pytest.approx(dict(said.ranked), abs=1e-3)
    assert len(EXAMPLE.splitlines()) <= 11


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
@pytest.mark.parametrize("calibrator", ["temperature", "platt", "isotonic"])
def test_the_function_of_the_docs_holds_for_every_calibrator(task: str, calibrator: str) -> None:
    chosen = replace(
        a_decision(task, (0.5, 0.5, 0.5) if task == "multilabel" else ()),
        calibrator=calibrator,
        bias=(0.0,) * 3 if calibrator == "temperature" else (0.2, 0.0, -0.1),
        val_offset=(0.1, 0.0, -0.1) if calibrator == "temperature" else (0.0,) * 3,
        target_offset=(0.3, -0.2, 0.0),
        knots=(CURVE, ((), ()), CURVE) if calibrator == "isotonic" else (),
    )
    logits = np.random.default_rng(0).normal(size=(20, 3)) * 3
    space: dict[str, Any] = {}
    exec(FUNCTION, space)
    said = json.loads(json.dumps(onnx_export.classes_say(chosen)))
    assert said["one_vs_rest"] == (calibrator in calibrators.of_task(task).ONE_VS_REST)
    np.testing.assert_allclose(space["probabilities"](logits, said), rules.probabilities(chosen, logits), atol=1e-9)


def test_a_graph_that_differs_is_refused_and_a_decision_near_its_margin_counted() -> None:
    logits = np.array([[0.0, 1.0], [0.0, 5e-5]])

    def decide(of: np.ndarray[Any, Any]) -> Any:
        return np.eye(2, dtype=bool)[of.argmax(axis=1)]

    turned = logits + np.array([[0, 0], [6e-5, 0]])
    found = onnx_check.compare(logits, turned, decide)
    assert (found.near, found.decided_otherwise) == (1, 1)
    with pytest.raises(InputError, match=r"differs from PyTorch by 2\.0e-04"):
        onnx_check.compare(logits, logits + 2e-4, decide)
    with pytest.raises(InputError, match="decides 1 of them otherwise"):
        onnx_check.stop_if_different(0.0, 1)
    with pytest.raises(InputError, match="differs from PyTorch by nan"):
        onnx_check.compare(logits, logits * np.nan, decide)


def a_detector(root: Path, **changes: Any) -> Built:
    """Write a detector with random weights, and two tiles of validation."""
    asked = content()
    asked["task"], asked["predict"]["tta"] = "detection", "none"
    of_anchors = changes.pop("anchors", {})
    asked["detector"] |= {"levels": [2, 3], "channels": 32, "hidden": 32, "proposal_count": 40, **changes}
    asked["detector"]["anchors"] |= {
        "kind": "stated",
        "sizes_px": [16, 32],
        "ratios": [0.5, 1.0],
        **of_anchors,
    }
    section = config.validate(Detector, asked["detector"], "detector")
    shapes = building.shapes(section, np.zeros((0, 2)), 0)
    plan = building.plan_of("test_resnet", 2, 64, section, "smooth_l1", {"beta": 0.1}, shapes)
    detector = building.build(plan, "none", 0)
    torch.manual_seed(0)
    for parameter in detector.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    common: dict[str, Any] = {"head": "", "dropout": 0.0, "frozen": False, "backbone_weights": "none", "loss": "focal"}
    card = model.DetectorCard(
        task="detection", backbone="test_resnet", input_px=64, classes=NAMES[:2], ledger=(), pool="avg", hidden=0,
        width=0, **common, detector=asked["detector"], box_loss="smooth_l1", box_params={"beta": 0.1}, anchors=shapes,
    )  # fmt: skip
    model.write(root, card, detector.state_dict())
    rng = np.random.default_rng(0)
    with tiles.writing(root, "val") as append:
        for number in range(2):
            Image.fromarray(rng.integers(0, 256, (48, 64, 3)).astype(np.uint8)).save(root / "tile.png")
            data = (root / "tile.png").read_bytes()
            append(tiles.Tile(f"{number}@0", f"{number}", NAMES[0], (0, 0, 64, 48), data))
    two = (1.0, 1.0)
    boxes = decision.Boxes(
        0.5, "platt", two, (0.1, 0.1), (), (False, False), (0.0, 0.0), "f_beta", (0.3, None), ((1, 0, 1),) * 2, 2
    )
    return Built(root, asked, card, replace(a_decision("detection"), classes=NAMES[:2], boxes=boxes))


@pytest.mark.parametrize("name", detectors.names())
def test_a_detector_is_exported_and_finds_the_same_boxes(name: str, tmp_path: Path) -> None:
    of = a_detector(tmp_path, name=name)
    found = onnx_export.write(of, tmp_path / "out")
    assert found.rows > 10
    assert found.lost == found.decided_otherwise == 0
    said = json.loads((tmp_path / "out/model.json").read_text())
    assert said["outputs"] == list(onnx_boxes.OUTPUTS)
    assert said["decision"]["thresholds"] == [0.3, None]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"name": "retinanet", "after_regression": True}, "after_regression is true, whose deformable convolution"),
        ({"name": "faster_rcnn", "anchors": {"kind": "guided"}}, "kind is 'guided', whose deformable convolution"),
    ],
)
def test_a_detector_that_cannot_be_exported_is_refused_with_the_reason(
    changes: Any, message: str, tmp_path: Path
) -> None:
    of = a_detector(tmp_path, **changes)
    with pytest.raises(InputError, match=message):
        onnx_export.write(of, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_boxes_that_are_merged_after_the_network_are_refused(tmp_path: Path) -> None:
    of = a_detector(tmp_path, name="fcos")
    with pytest.raises(InputError, match=r"2 members, whose boxes predict\.merge joins"):
        onnx_export.write(replace(of, card=replace(of.card, members=2)), tmp_path / "out")
    of.content["predict"]["tta"] = "flips"
    with pytest.raises(InputError, match=r"predict\.tta is 'flips'"):
        onnx_export.write(of, tmp_path / "out")


def test_a_part_without_an_operator_is_named() -> None:
    network = onnx_boxes.OneTile(plans.build(plans.plan("retinanet", after_regression=True)))
    with pytest.raises(InputError, match=r"ONNX cannot express a part of it: .*deform_conv2d"):
        onnx_export.graph(network, torch.zeros(1, 3, 64, 64), onnx_boxes.OUTPUTS, batches=False)


@pytest.mark.slow
@pytest.mark.parametrize("neck", necks.names())
@pytest.mark.parametrize("name", detectors.names())
def test_every_detector_is_exported_with_every_neck(name: str, neck: str) -> None:
    torch.manual_seed(0)
    detector = plans.build(plans.plan(name, neck=neck))
    for parameter in detector.parameters():
        parameter.data.add_(torch.randn_like(parameter) * 0.05)
    first, *others = torch.rand(4, 1, 3, 64, 64).unbind()
    network = onnx_boxes.OneTile(detector).eval()
    session = onnx_export.opened(onnx_export.graph(network, first, onnx_boxes.OUTPUTS, batches=False))
    for picture in others:
        with torch.inference_mode():
            ours = network(picture)
        theirs = tuple(map(torch.from_numpy, session.run(None, {"images": picture.numpy()})))
        (rows, partners), lost = onnx_boxes.matched(ours, theirs)
        assert lost == 0
        np.testing.assert_allclose(ours[1][rows], theirs[1][partners], atol=1e-4)
