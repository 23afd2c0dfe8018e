"""Images that are dealt to splits anew, and the tiles and features that go with them."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from counterpoise import config
from counterpoise.artifacts import features, manifest, splits, tiles
from counterpoise.artifacts.splits import NAMES
from counterpoise.stages import embed
from counterpoise.study import experiment, shuffle_split
from counterpoise.study.experiment import Data, Split


@pytest.fixture
def data(built: Path) -> Data:
    return experiment.read(built, NAMES)


@pytest.fixture
def images(data: Data) -> shuffle_split.Images:
    """Pictures of noise, of which the first two are the same."""
    tables = [data.splits[name].tiles.table[["image_id", "labels"]].assign(split=name) for name in NAMES]
    table = pd.concat(tables).sort_values("image_id", ignore_index=True)
    pictures = np.random.default_rng(0).integers(0, 256, (len(table), 32, 32)).astype(np.uint8)
    pictures[1] = pictures[0]
    digests = [picture.tobytes().hex()[:64] for picture in pictures]
    own = table.assign(sha256=digests, group=table["image_id"], raw_labels=table["labels"])
    return shuffle_split.Images(own, pictures, own["split"].to_numpy().astype(str))


def test_every_image_is_dealt_and_twins_stay_together(
    data: Data, images: shuffle_split.Images, content: dict[str, Any]
) -> None:
    dealt = [shuffle_split.shuffle_split(images, data.classes, content, seed, keep_test=False) for seed in (0, 0, 1)]
    assert dealt[0] == dealt[1] != dealt[2]
    ids = images.manifest["image_id"].tolist()
    for split_of in dealt:
        assert list(split_of) == ids
        assert split_of[ids[0]] == split_of[ids[1]]
        assert abs(list(split_of.values()).count("test") - 0.2 * len(ids)) <= 2


def test_a_test_that_is_kept_is_the_one_that_was_built(
    data: Data, images: shuffle_split.Images, content: dict[str, Any]
) -> None:
    split_of = shuffle_split.shuffle_split(images, data.classes, content, 0, keep_test=True)
    again = shuffle_split.resplit(data, split_of)
    assert set(again.splits["test"].tiles.table["image_id"]) == set(data.splits["test"].tiles.table["image_id"])
    sizes = {name: len(again.splits[name].tiles.table) for name in NAMES}
    assert sizes == pytest.approx({"train": 210, "val": 70, "test": 60}, abs=2)


def test_tiles_and_features_go_with_their_image(data: Data) -> None:
    ids = [image_id for name in NAMES for image_id in data.splits[name].tiles.table["image_id"]]
    split_of = {image_id: NAMES[number % 3] for number, image_id in enumerate(ids)}
    split_of |= {ids[0]: "unused"}
    again = shuffle_split.resplit(data, split_of)
    for name, part in again.splits.items():
        wanted = sorted(image_id for image_id in ids if split_of[image_id] == name)
        assert part.tiles.table["image_id"].tolist() == wanted
        assert part.features is not None
        assert part.features.index["tile_id"].tolist() == wanted
        for number in (0, len(wanted) - 1):
            before = data.splits[wanted[number].rstrip("0123456789")]
            place = before.tiles.table["tile_id"].tolist().index(wanted[number])
            assert part.tiles.load(number) == before.tiles.load(place)
            assert before.features is not None
            np.testing.assert_array_equal(part.features.values[number], before.features.values[place])


def test_views_of_a_tile_go_along_in_the_order_of_the_tiles() -> None:
    table = pd.DataFrame({"tile_id": ["b", "a"], "image_id": ["b", "a"], "shard": "shard", "labels": "x"})
    index = pd.DataFrame({"tile_id": ["b", "a", "b", "a"], "view": [0, 0, -1, -1]})
    whole = Split(tiles.Tiles(table, Path("tiles")), features.Features(index, np.eye(4, dtype=np.float32)))
    part = shuffle_split._select(whole, np.array([1, 0]))
    assert part.features is not None
    for view, rows in ((0, [1, 0]), (-1, [3, 2])):
        own = part.features.index["view"] == view
        assert part.features.index["tile_id"][own].tolist() == ["a", "b"]
        np.testing.assert_array_equal(part.features.values[own.to_numpy()].argmax(axis=1), rows)


def test_blocks_of_scenes_are_refused(tmp_path: Path) -> None:
    rows = [("a", "a.png", "x", "x", "a", "", 64, 64, "00")]
    manifest.write(tmp_path, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    blocks = [("a#0", "train", "a", "x", 0, 0, 30, 64), ("a#1", "test", "a", "x", 34, 0, 64, 64)]
    splits.write(tmp_path, pd.DataFrame(blocks, columns=[*splits.COLUMNS, *splits.BLOCK_COLUMNS]))
    with pytest.raises(config.InputError, match="blocks cannot be given new splits"):
        shuffle_split.read(tmp_path)


def test_a_frozen_backbone_has_all_views_of_images_that_change_their_split(
    built: Path, content: dict[str, Any], images: shuffle_split.Images
) -> None:
    network = {"model.backbone": "test_efficientnet", "model.weights": "none", "train.epochs": 1}
    content = experiment.changed(content, network | {"predict.tta": "flips", "oversample.views": 1})
    content = experiment.changed(content, {"oversample.strategy": "over"})
    settings = config.validate(embed.Params, {key: content[key] for key in embed.Params.model_fields})
    embed.main(built, settings)
    whole = experiment.read(built, NAMES)
    split_of = shuffle_split.shuffle_split(images, whole.classes, content, 1, keep_test=False)
    outcome = experiment.run(content, shuffle_split.resplit(whole, split_of), 0)
    assert np.isfinite(outcome.predictions["test"].logits).all()
