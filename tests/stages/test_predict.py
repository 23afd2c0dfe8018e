"""Tiles folded by hand, and logits equal to those of the network that was trained."""

import dataclasses
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from counterpoise import config, storage
from counterpoise.artifacts import clusters, features, model, predictions, tiles
from counterpoise.dataset import inputs as tile_inputs
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.networks import devices
from counterpoise.networks.backbones import build_backbone, normalisation, normalise
from counterpoise.networks.heads import build_head
from counterpoise.networks.network import Network, rebuild
from counterpoise.stages import predict

NAMES = ("a", "b")
TILES = (("z", "b"), ("x@0,0", "a"), ("x@0,9", "a"), ("y", "a"), ("x@9,0", "a"))
"""Tiles of each split, in the order of their file, with their label; not sorted."""
BOXES: dict[str, Any] = {
    "merge": "nms",
    "match": "iou",
    "overlap": 0.5,
    "edge_px": 2.0,
    "edge_factor": 0.0,
    "min_score": 0.01,
}
Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def one_process_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: 0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def image_of(tile_id: str) -> str:
    return tile_id.partition("@")[0]


def picture(number: int) -> Array:
    return np.random.default_rng(number).integers(256, size=(32, 32, 3), dtype=np.uint8)


def a_params(
    aggregate: str = "mean",
    precision: str = "float32",
    batch_size: int = 2,
    tta: str = "none",
    average: str = "logits",
) -> predict.Params:
    content = {
        "model": {"device": "cpu", "precision": precision, "backbone": "is left to others"},
        "predict": {"aggregate": aggregate, "tta": tta, "average": average, "batch_size": batch_size, **BOXES},
    }
    return config.validate(predict.Params, content)


def a_card(*, frozen: bool, width: int = 3) -> model.Card:
    return model.Card(
        task="multiclass",
        backbone="test_efficientnet",
        head="linear",
        dropout=0.5,
        input_px=32,
        frozen=frozen,
        backbone_weights="none",
        classes=NAMES,
        loss="cross_entropy",
        ledger=(),
        pool="avg",
        hidden=512,
        width=width if frozen else 256,
    )


def a_head(width: int) -> torch.nn.Module:
    head = build_head("linear", width, 2, 0.5, seed=0)
    torch.manual_seed(0)
    torch.nn.init.normal_(head[2].weight)  # type: ignore[index]
    return head


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split in ("val", "test"):
        with tiles.writing(tmp_path, split) as append:
            for number, (tile_id, label) in enumerate(TILES):
                buffer = io.BytesIO()
                Image.fromarray(picture(number)).save(buffer, format="PNG")
                append(tiles.Tile(tile_id, image_of(tile_id), label, (0, 0, 32, 32), buffer.getvalue()))
        features.write(tmp_path, split, None)
    table = pd.DataFrame({"image_id": ["w", "x", "y", "z"], "unit": ["w", "roof", "roof", "z"]})
    clusters.write(tmp_path, table.assign(centre=table["image_id"], kind="single", correlation=1.0))
    return tmp_path


def test_mean_and_max_fold_class_by_class_by_hand() -> None:
    table = pd.DataFrame({"image_id": [image_of(tile_id) for tile_id, _ in TILES], "labels": [y for _, y in TILES]})
    logits = np.array([[9, -9], [1, 2], [3, -4], [5, 6], [-1, 8]], dtype=np.float32)
    units = {"x": "roof", "y": "roof", "z": "z"}
    mean = predict.aggregate(table, logits, units, NAMES, "mean")
    assert mean.image_ids == ("x", "y", "z")
    assert mean.groups == ("roof", "roof", "z")
    assert mean.labels == ("a", "a", "b")
    assert mean.logits.tolist() == [[1, 2], [5, 6], [9, -9]]
    highest = predict.aggregate(table, logits, units, NAMES, "max")
    assert highest.logits.tolist() == [[3, 8], [5, 6], [9, -9]]
    assert highest.logits.dtype == mean.logits.dtype == np.float32
    assert highest.image_ids == mean.image_ids


@pytest.mark.parametrize("aggregate", ["mean", "max"])
def test_an_image_of_one_tile_keeps_its_logits(aggregate: str) -> None:
    table = pd.DataFrame({"image_id": ["b", "a"], "labels": ["a", "a"]})
    logits = np.array([[0.1, -0.7], [-3.3, 2.2]], dtype=np.float32)
    folded = predict.aggregate(table, logits, {"a": "a", "b": "b"}, NAMES, aggregate)
    assert (folded.logits == logits[::-1]).all()


def test_a_head_predicts_from_view_0_of_the_features(root: Path) -> None:
    head = a_head(3).train()
    for _ in range(5):  # so that the running mean and variance of the norm are not those of a fresh one
        head(torch.randn(20, 3) * 3 + 1)
    model.write(root, a_card(frozen=True), head.state_dict())
    rng = np.random.default_rng(0)
    stored = {}
    for split in ("val", "test"):
        values = rng.normal(size=(10, 3)).astype(np.float32)
        index = pd.DataFrame({"tile_id": np.repeat([tile_id for tile_id, _ in TILES], 2), "view": [0, 1] * 5})
        features.write(root, split, features.Features(index, values))
        stored[split] = values[::2]
    predict.main(root, a_params())
    for split, values in stored.items():
        found = predictions.read(root, split)
        with torch.inference_mode():
            logits = head.eval()(torch.from_numpy(values)).numpy()
        expected = [logits[[1, 2, 4]].mean(axis=0), logits[3], logits[0]]
        np.testing.assert_allclose(found.logits, expected, rtol=1e-5, atol=1e-6)
        assert found.image_ids == ("x", "y", "z")
        assert found.groups == ("roof", "roof", "z")
        assert found.labels == ("a", "a", "b")


def test_an_unfrozen_network_predicts_from_the_tiles(root: Path) -> None:
    backbone = build_backbone("test_efficientnet", "none", seed=4)
    network = Network(backbone, a_head(backbone.num_features))  # type: ignore[arg-type]
    model.write(root, a_card(frozen=False), network.state_dict())
    predict.main(root, a_params("max"))
    mean, std = normalisation("test_efficientnet")
    batch = torch.from_numpy(np.stack([picture(number) for number in range(len(TILES))])).permute(0, 3, 1, 2)
    with torch.inference_mode():
        logits = network.eval()(normalise(batch, mean, std)).numpy()
    expected = [logits[[1, 2, 4]].max(axis=0), logits[3], logits[0]]
    for split in ("val", "test"):
        np.testing.assert_allclose(predictions.read(root, split).logits, expected, rtol=1e-3, atol=1e-4)


def test_portions_give_the_same_predictions(root: Path, in_portions: Callable[[], None]) -> None:
    model.write(root, a_card(frozen=False), a_network().state_dict())
    whole = logits_by(root, a_params(batch_size=1, tta="flips"))
    in_portions()
    np.testing.assert_allclose(logits_by(root, a_params(batch_size=1, tta="flips")), whole, atol=1e-5)


def test_batches_and_half_precision_change_little(root: Path) -> None:
    backbone = build_backbone("test_efficientnet", "none", seed=4)
    network = Network(backbone, a_head(backbone.num_features))  # type: ignore[arg-type]
    model.write(root, a_card(frozen=False), network.state_dict())
    found = {}
    for name, params in {
        "alone": a_params(batch_size=1),
        "together": a_params(batch_size=64),
        "bfloat16": a_params(precision="bfloat16"),
    }.items():
        predict.main(root, params)
        found[name] = predictions.read(root, "test").logits
    np.testing.assert_allclose(found["alone"], found["together"], rtol=1e-3, atol=1e-4)
    scale = np.abs(found["alone"]).max()
    assert np.abs(found["bfloat16"] - found["alone"]).max() < 0.05 * scale
    assert found["bfloat16"].dtype == np.float32


def test_predicting_twice_writes_equal_bytes(root: Path) -> None:
    head = a_head(3)
    model.write(root, a_card(frozen=True), head.state_dict())
    index = pd.DataFrame({"tile_id": [tile_id for tile_id, _ in TILES], "view": 0})
    values = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    for split in ("val", "test"):
        features.write(root, split, features.Features(index, values))

    def written() -> list[bytes]:
        predict.main(root, a_params())
        return [(root / predictions.path(split)).read_bytes() for split in ("val", "test")]

    assert written() == written()


def test_other_features_in_test_leave_the_predictions_of_val_as_they_were(root: Path) -> None:
    """`predict` reads val and test, but neither speaks to the other."""
    model.write(root, a_card(frozen=True), a_head(3).state_dict())
    index = pd.DataFrame({"tile_id": [tile_id for tile_id, _ in TILES], "view": 0})
    found = []
    for scale in (1.0, 1000.0):
        for split, factor in (("val", 1.0), ("test", scale)):
            values = factor * np.random.default_rng(0).normal(size=(5, 3))
            features.write(root, split, features.Features(index, values.astype(np.float32)))
        predict.main(root, a_params())
        found.append([(root / predictions.path(split)).read_bytes() for split in ("val", "test")])
    assert found[0][0] == found[1][0]
    assert found[0][1] != found[1][1]


def test_dropout_is_off_while_predicting() -> None:
    network = rebuild(a_card(frozen=True), a_head(3).state_dict())
    inputs = FeatureInputs(np.ones((50, 3), dtype=np.float32), np.arange(50))
    logits = tile_inputs.infer(network, inputs, 2, devices.pick("cpu", "float32"))
    assert len(np.unique(logits, axis=0)) == 1


def test_weights_of_another_network_are_refused() -> None:
    with pytest.raises(RuntimeError, match="loading state_dict"):
        rebuild(a_card(frozen=False), a_head(3).state_dict())


# Several members, several views.


def a_network(seed: int = 4) -> Network:
    backbone = build_backbone("test_efficientnet", "none", seed)
    torch.manual_seed(seed)
    head = build_head("linear", backbone.num_features, 2, 0.5, seed)  # type: ignore[arg-type]
    torch.nn.init.normal_(head[2].weight)  # type: ignore[index]
    return Network(backbone, head)


def logits_by(root: Path, params: predict.Params) -> Array:
    predict.main(root, params)
    return predictions.read(root, "test").logits


def mirror_the_tiles(root: Path, turn: Any) -> None:
    for split in ("val", "test"):
        with tiles.writing(root, split) as append:
            for number, (tile_id, label) in enumerate(TILES):
                buffer = io.BytesIO()
                Image.fromarray(np.ascontiguousarray(turn(picture(number)))).save(buffer, format="PNG")
                append(tiles.Tile(tile_id, image_of(tile_id), label, (0, 0, 32, 32), buffer.getvalue()))


@pytest.mark.parametrize("average", ["logits", "probabilities"])
@pytest.mark.parametrize(
    ("tta", "turns"),
    [("flips", [np.fliplr, np.flipud]), ("dihedral", [np.fliplr, np.flipud, np.rot90, lambda x: x.transpose(1, 0, 2)])],
)
def test_what_is_said_of_an_image_is_said_of_its_mirror_image(
    tta: str, turns: list[Any], average: str, root: Path
) -> None:
    model.write(root, a_card(frozen=False), a_network().state_dict())
    plain = logits_by(root, a_params())
    found = logits_by(root, a_params(tta=tta, average=average))
    assert np.abs(plain - found).max() > 0.01
    for turn in turns:
        mirror_the_tiles(root, turn)
        np.testing.assert_allclose(logits_by(root, a_params(tta=tta, average=average)), found, rtol=1e-3, atol=1e-4)
        assert np.abs(logits_by(root, a_params()) - plain).max() > 0.01


def test_members_are_averaged_as_asked(root: Path) -> None:
    networks = [a_network(seed) for seed in (4, 5)]
    alone = []
    for network in networks:
        model.write(root, a_card(frozen=False), network.state_dict())
        alone.append(logits_by(root, a_params()))
    together = dataclasses.replace(a_card(frozen=False), members=2)
    model.write(root, together, *(network.state_dict() for network in networks))
    np.testing.assert_allclose(logits_by(root, a_params()), np.mean(alone, axis=0), rtol=1e-4, atol=1e-5)
    found = logits_by(root, a_params(average="probabilities"))
    one_tile = [1, 2]  # images of one tile alone, for which folding changes nothing
    probs = np.mean([torch.from_numpy(own).softmax(dim=1).numpy() for own in alone], axis=0)
    np.testing.assert_allclose(found[one_tile], np.log(probs)[one_tile], rtol=1e-3, atol=1e-4)


def test_a_member_without_weights_is_named(root: Path) -> None:
    with pytest.raises(ValueError, match="states 2 members; found weights of 1"):
        model.write(root, dataclasses.replace(a_card(frozen=True), members=2), a_head(3).state_dict())
    model.write(root, a_card(frozen=True), a_head(3).state_dict())
    with pytest.raises(storage.ArtifactError, match=r"model_1\.safetensors does not exist; run `dvc repro`"):
        model.read_weights(root, 1)


def test_a_frozen_backbone_averages_the_features_of_views_and_asks_for_those_that_are_missing(root: Path) -> None:
    head = a_head(3)
    model.write(root, a_card(frozen=True), head.state_dict())
    rng, ids = np.random.default_rng(0), [tile_id for tile_id, _ in TILES]
    index = pd.concat([pd.DataFrame({"tile_id": ids, "view": -number}) for number in range(4)], ignore_index=True)
    values = rng.normal(size=(20, 3)).astype(np.float32)
    for split in ("val", "test"):
        features.write(root, split, features.Features(index, values))
    with torch.inference_mode():
        logits = head.eval()(torch.from_numpy(values)).numpy().reshape(4, 5, 2)
    for tta, count in (("none", 1), ("flips", 4)):
        mean = logits[:count].mean(axis=0)
        expected = [mean[[1, 2, 4]].mean(axis=0), mean[3], mean[0]]
        np.testing.assert_allclose(logits_by(root, a_params(tta=tta)), expected, rtol=1e-4, atol=1e-5)
    with pytest.raises(
        config.InputError, match=r"predict\.tta is 'dihedral', but the features of its views are missing"
    ):
        logits_by(root, a_params(tta="dihedral"))
