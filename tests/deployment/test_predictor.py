"""What the built model says of images, against the predictions that the pipeline wrote of the same images."""

import io
import os
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from counterpoise import __main__ as cli
from counterpoise import config, images
from counterpoise.artifacts import clusters, decision, features, model, predictions, tiles, unlabelled
from counterpoise.conflicts.network import POOL_OF_HEAD
from counterpoise.dataset import inputs as tile_inputs
from counterpoise.dataset.inputs import TileInputs
from counterpoise.decision import rules
from counterpoise.deployment import predictor
from counterpoise.networks import backbones as networks
from counterpoise.networks import devices, ensembling
from counterpoise.networks.backbones import build_backbone, width
from counterpoise.networks.heads import HEADS, build_head
from counterpoise.networks.network import Network
from counterpoise.networks.tta import VIEWS
from counterpoise.stages import predict

ROOT = Path(__file__).parents[2]
BOXES: dict[str, Any] = {
    "merge": "nms",
    "match": "iou",
    "overlap": 0.5,
    "edge_px": 2.0,
    "edge_factor": 0.0,
    "min_score": 0.01,
}
NAMES = ("rust", "moss", "crack")
SIZES = {"small.png": (40, 30), "large.png": (100, 64)}
TILE_PX = 64
Tta = Literal["none", "flips", "dihedral"]
How = Literal["logits", "probabilities"]


@pytest.fixture(autouse=True)
def one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: 0)


def content(**decide: Any) -> dict[str, Any]:
    found = config.load(ROOT)
    found["tile"] = {"size_px": TILE_PX, "overlap_px": 8}
    found["model"] |= {"device": "cpu", "precision": "float32"}
    return found


def a_decision(task: str, thresholds: tuple[float | None, ...] = ()) -> decision.Decision:
    third = (1 / 3,) * 3
    return decision.Decision(
        task=task,
        classes=NAMES,
        positive="crack",
        positive_reason="as evaluate.positive states it",
        calibrator="temperature",
        pooled=(),
        scale=(0.7,) * 3,
        bias=(0.0,) * 3,
        ledger=(),
        natural=third,
        seen=third,
        val=third,
        target=third,
        val_offset=(0.1, 0.0, -0.1),
        target_offset=(0.0,) * 3,
        rule="most_probable",
        gain=() if thresholds else tuple(tuple(row) for row in np.eye(3).tolist()),
        thresholds=thresholds,
        at_least=0,
        val_images=(1, 1, 1),
        val_total=3,
        val_decided=((1, 0, 0, 2),) * 3,
        val_raw=((1, 0, 0, 2),) * 3,
        val_decided_effects=(1.0, 1.0),
        val_raw_effects=(1.0, 1.0),
        prevalences=(),
    )


def build(
    root: Path,
    chosen: decision.Decision,
    *,
    frozen: bool,
    name: str = "linear",
    members: int = 1,
    tta: Tta = "none",
    how: How = "logits",
    std: float = 0.3,
) -> None:
    """Write images, a small random model, and what the stage `predict` says of the images."""
    pool = POOL_OF_HEAD.get(name, "avg")
    backbone = build_backbone("test_efficientnet", "none", config.load(ROOT)["seed"], pool)
    count = width(backbone, 32)
    card = model.Card(
        task=chosen.task,
        backbone="test_efficientnet",
        head=name,
        dropout=0.5,
        input_px=32,
        frozen=frozen,
        backbone_weights="none",
        classes=NAMES,
        loss="cross_entropy",
        ledger=(),
        pool=pool,
        hidden=24,
        width=count,
        members=members,
    )
    weights = []
    for member in range(members):
        head = build_head(name, count, 3, 0.5, seed=member, hidden=24)
        torch.manual_seed(member)
        head[-1].weight.data.normal_(std=std)  # type: ignore[index]
        weights.append((head if frozen else Network(backbone, head)).state_dict())
    model.write(root, card, *weights)
    decision.write(root, chosen)
    rng = np.random.default_rng(0)
    for split in ("val", "test"):
        with tiles.writing(root, split) as append:
            for name, size in SIZES.items():
                picture = rng.integers(0, 256, (*size[::-1], 3)).astype(np.uint8)
                Image.fromarray(picture).save(root / name)
                for x0 in (0,) if size[0] <= TILE_PX else (0, size[0] - TILE_PX):
                    window = (x0, 0, min(x0 + TILE_PX, size[0]), size[1])
                    buffer = io.BytesIO()
                    Image.fromarray(picture[:, window[0] : window[2]]).save(buffer, format="PNG")
                    append(tiles.Tile(f"{name}@{x0}", name, NAMES[0], window, buffer.getvalue()))
        found = None
        if frozen:
            table = tiles.read(root, split).table
            inputs = TileInputs(
                tiles.read(root, split),
                np.arange(len(table)),
                np.zeros(len(table), dtype=np.int64),
                32,
                "none",
                0,
                "none",
                "test_efficientnet",
            )
            turned = [ensembling.Averaged([backbone], [view], "logits", chosen.task) for view in VIEWS[tta]]
            values = np.concatenate(
                [tile_inputs.infer(network, inputs, 8, devices.pick("cpu", "float32")) for network in turned]
            )
            rows = [table[["tile_id"]].assign(view=-number) for number in range(len(turned))]
            found = features.Features(pd.concat(rows, ignore_index=True), values)
        features.write(root, split, found)
    ids = sorted(SIZES)
    clusters.write(
        root, pd.DataFrame({"image_id": ids, "unit": ids, "centre": ids, "kind": "single", "correlation": 1.0})
    )
    predict.main(root, params(tta, how))


def params(tta: Tta = "none", how: How = "logits") -> predict.Params:
    return predict.Params(
        model=predict.Device(device="cpu", precision="float32"),
        predict=predict.Predict(aggregate="mean", tta=tta, average=how, batch_size=8, **BOXES),
    )


def write_params(root: Path, task: str = "multiclass") -> None:
    text = (ROOT / config.PATH).read_text().replace("task: multiclass", f"task: {task}")
    (root / config.PATH).write_text(text)


@pytest.mark.parametrize("name", HEADS)
@pytest.mark.parametrize("frozen", [True, False])
def test_an_image_gets_the_probabilities_that_the_pipeline_gave_it(frozen: bool, name: str, tmp_path: Path) -> None:
    chosen = a_decision("multiclass")
    build(tmp_path, chosen, frozen=frozen, name=name)
    test = predictions.read(tmp_path, "test")
    probs = rules.probabilities(chosen, test.logits)
    found = list(predictor.answer(tmp_path, [tmp_path / name for name in test.image_ids], content(), chosen))
    for row, said in enumerate(found):
        assert dict(said.ranked) == pytest.approx(dict(zip(NAMES, probs[row].tolist(), strict=True)), abs=1e-5)
        assert [name for name, _ in said.ranked] == [NAMES[index] for index in np.argsort(-probs[row])]
        assert said.decided == (said.ranked[0][0],)


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_tiles_go_through_the_network_no_more_than_asked_for_at_a_time(
    aggregate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=False)
    asked, path = content(), [tmp_path / "large.png"]
    asked["predict"] |= {"aggregate": aggregate, "batch_size": 8}
    ((_, whole),) = predictor.logits(tmp_path, path, asked)
    sizes, real = [], networks.normalise

    def note(batch: torch.Tensor, *how: Any) -> torch.Tensor:
        sizes.append(len(batch))
        return real(batch, *how)

    monkeypatch.setattr(predictor, "normalise", note)
    asked["predict"]["batch_size"] = 1
    ((_, again),) = predictor.logits(tmp_path, path, asked)
    assert again == pytest.approx(whole, abs=1e-5)
    assert sizes == [1, 1]


@pytest.mark.parametrize("how", ["logits", "probabilities"])
@pytest.mark.parametrize("frozen", [True, False])
def test_members_and_views_are_averaged_as_the_pipeline_does(frozen: bool, how: How, tmp_path: Path) -> None:
    chosen = a_decision("multiclass")
    build(tmp_path, chosen, frozen=frozen, members=2, tta="dihedral", how=how, std=10.0)
    test = predictions.read(tmp_path, "test")
    probs = rules.probabilities(chosen, test.logits)
    asked = content()
    plain = list(predictor.answer(tmp_path, [tmp_path / name for name in test.image_ids], asked, chosen))
    asked["predict"] |= {"tta": "dihedral", "average": how}
    found = predictor.answer(tmp_path, [tmp_path / name for name in test.image_ids], asked, chosen)
    for row, said in enumerate(found):
        assert dict(said.ranked) == pytest.approx(dict(zip(NAMES, probs[row].tolist(), strict=True)), abs=1e-4)
        assert dict(said.ranked) != pytest.approx(dict(plain[row].ranked), abs=1e-3)


def test_of_many_labels_those_that_reach_their_threshold_are_decided_and_k_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    chosen = a_decision("multilabel", (0.0, None, 0.0))
    build(tmp_path, chosen, frozen=True)
    (said,) = predictor.answer(tmp_path, [tmp_path / "small.png"], content(), chosen)
    assert set(said.decided) == {"rust", "crack"}
    assert len(said.details(2)) == 2
    write_params(tmp_path, "multilabel")
    monkeypatch.chdir(tmp_path)
    cli.main(["predict", "small.png", "large.png", "--top", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines if not line.startswith(" ")] == ["small.png", "large.png"]
    assert len(lines) == 4


def test_no_label_at_all_is_said(tmp_path: Path) -> None:
    chosen = a_decision("multilabel", (None, None, None))
    build(tmp_path, chosen, frozen=True)
    (said,) = predictor.answer(tmp_path, [tmp_path / "small.png"], content(), chosen)
    assert said.decided == ()


def test_an_image_that_cannot_be_read_is_named_and_the_others_are_predicted(tmp_path: Path) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=True)
    (tmp_path / "text.png").write_text("text")
    (tmp_path / "folder.png").mkdir()
    paths = [tmp_path / name for name in ("text.png", "none.png", "folder.png", "small.png")]
    *unread, said = predictor.answer(tmp_path, paths, content(), a_decision("multiclass"))
    assert [answer.decided for answer in unread] == [(), (), ()]
    reasons = (
        "text.png: not an image",
        "none.png: the image cannot be read: No such",
        "folder.png: the image cannot be read: Is a",
    )
    for answer, reason in zip(unread, reasons, strict=True):
        assert answer.error.startswith(f"{tmp_path}/{reason}")
    assert [said] == list(predictor.answer(tmp_path, paths[3:], content(), a_decision("multiclass")))
    assert not said.error


def test_a_folder_is_predicted_file_by_file_and_the_exit_code_tells_of_a_bad_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=True)
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    (tmp_path / "there" / ".hidden").mkdir(parents=True)
    for name in SIZES:
        (tmp_path / name).rename(tmp_path / "there" / name)
    (tmp_path / "there" / ".hidden" / "x.png").write_text("text")
    monkeypatch.chdir(tmp_path)
    cli.main(["predict", "there", "--top", "1"])
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()[::2]] == sorted(
        f"there/{name}" for name in SIZES
    )
    (tmp_path / "there" / "notes.png").write_text("text")
    with pytest.raises(SystemExit, match="1 of 3 images cannot be read"):
        cli.main(["predict", "there", "--top", "1"])
    lines = capsys.readouterr().out.splitlines()
    assert "ERROR there/notes.png: not an image" in "\n".join(lines)
    assert len(lines) == 2 * len(SIZES) + 1
    with pytest.raises(SystemExit, match="1 of 3 images cannot be read"):
        cli.main(["predict", "there", "--logits", "data/unlabelled/there.parquet"])
    assert "raw logits of 2 images" in capsys.readouterr().out
    assert len(unlabelled.read(tmp_path, unlabelled.FOLDER).image_ids) == 2
    with pytest.raises(SystemExit, match=r"none of 1 images can be read; other\.parquet is not written"):
        cli.main(["predict", "there/notes.png", "--logits", "other.parquet"])
    assert not (tmp_path / "other.parquet").exists()


def test_no_file_of_a_folder_is_left_out_in_silence_and_no_name_stops_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=True)
    write_params(tmp_path)
    there, elsewhere = tmp_path / "there", tmp_path / "elsewhere"
    there.mkdir()
    elsewhere.mkdir()
    (tmp_path / "small.png").rename(elsewhere / "small.png")
    (there / "linked").symlink_to(elsewhere)
    (there / "circle").symlink_to(there)
    (there / "lost.png").symlink_to("nowhere.png")
    os.mkfifo(there / "pipe.png")
    name = os.fsencode(there) + b"/\xff.png"
    shutil.copy(os.fsencode(elsewhere / "small.png"), name)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="2 of 4 images cannot be read"):
        cli.main(["predict", "there", "--top", "1"])
    assert [line for line in capsys.readouterr().out.splitlines() if not line.startswith("  ")] == [
        "there/linked/small.png: rust",
        "ERROR there/lost.png: the image cannot be read: No such file or directory",
        "ERROR there/pipe.png: not a regular file",
        "there/\\udcff.png: rust",
    ]
    with pytest.raises(SystemExit, match="3 of 4 images cannot be read"):
        cli.main(["predict", "there", "--logits", "data/unlabelled/there.parquet"])
    assert "ERROR there/\\udcff.png: its name is not UTF-8, as" in capsys.readouterr().out
    assert unlabelled.read(tmp_path, unlabelled.FOLDER).image_ids == ("there/linked/small.png",)


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_raw_logits_of_unlabelled_images_are_those_of_the_pipeline_and_need_no_decision(
    aggregate: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=True)
    (tmp_path / decision.PATH).unlink()
    (tmp_path / "there").mkdir()
    for name in SIZES:
        (tmp_path / name).rename(tmp_path / "there" / name)
    text = (ROOT / config.PATH).read_text().replace("size_px: 512", f"size_px: {TILE_PX}")
    text = text.replace("overlap_px: 64", "overlap_px: 8").replace("aggregate: mean", f"aggregate: {aggregate}")
    (tmp_path / config.PATH).write_text(text.replace("precision: auto", "precision: float32"))
    monkeypatch.chdir(tmp_path)
    cli.main(["predict", "there", "--logits", "data/unlabelled/there.parquet"])
    assert "data/unlabelled/there.parquet: raw logits of 2 images" in capsys.readouterr().out
    found, test = unlabelled.read(tmp_path, unlabelled.FOLDER), predictions.read(tmp_path, "test")
    assert found.image_ids == tuple(f"there/{name}" for name in test.image_ids)
    assert (found.classes, found.fingerprint) == (NAMES, predictions.fingerprint(tmp_path, "val"))
    rows = slice(None) if aggregate == "mean" else [list(found.image_ids).index("there/small.png")]
    np.testing.assert_allclose(found.logits[rows], test.logits[rows], atol=1e-4)
    cli.main(["predict", "there", "there/small.png", "--logits", "data/unlabelled/there.parquet"])
    assert "raw logits of 2 images" in capsys.readouterr().out


def test_without_a_model_the_way_to_one_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / config.PATH).write_text((ROOT / config.PATH).read_text())
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit, match="does not exist; run `dvc repro`"):
        cli.main(["predict", "a.png"])


def test_a_new_image_is_shown_to_the_model_as_the_images_of_its_data_set_were(tmp_path: Path) -> None:
    build(tmp_path, a_decision("multiclass"), frozen=False)
    card = replace(model.read_card(tmp_path), pixels=images.Pixels({"integer": (0.0, 4095.0)}))
    model.write(tmp_path, card, model.read_weights(tmp_path))
    eight = np.random.default_rng(0).integers(0, 256, (20, 20)).astype(np.uint8)
    Image.fromarray(eight).save(tmp_path / "8.png")
    Image.fromarray((eight.astype(float) / 255 * 4095).round().astype(np.uint16)).save(tmp_path / "12.png")
    Image.fromarray(eight.astype(np.float32)).save(tmp_path / "float.tif")
    (_, plain), (_, deep) = predictor.logits(tmp_path, [tmp_path / "8.png", tmp_path / "12.png"], content())
    assert deep == pytest.approx(plain, abs=1e-5)
    ((_, fault),) = predictor.logits(tmp_path, [tmp_path / "float.tif"], content())
    assert re.search(r"float\.tif: its values are float ones .* no range is known", str(fault))
