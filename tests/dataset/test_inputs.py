"""Batches against pictures decoded by hand, and what must not depend on workers, order or luck."""

import gc
import io
import multiprocessing
import os
import shutil
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from counterpoise import config
from counterpoise.artifacts import tiles
from counterpoise.dataset import augmentation
from counterpoise.dataset import inputs as tile_inputs
from counterpoise.dataset.batch_samplers import Batches, drawn_before, shuffled
from counterpoise.dataset.inputs import Chance, FeatureInputs, Inputs, TileInputs, in_order, workers_count
from counterpoise.engine import process_group
from counterpoise.networks import backbones
from counterpoise.storage import ArtifactError
from counterpoise.training import batching
from counterpoise.training.settings import Train

COUNT = 7


def png(pixels: np.ndarray[Any, Any]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return buffer.getvalue()


def pictures() -> list[np.ndarray[Any, Any]]:
    rng = np.random.default_rng(0)
    sizes = rng.integers(20, 60, size=(COUNT, 2))
    return [rng.integers(256, size=(height, width, 3), dtype=np.uint8) for height, width in sizes]


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> tiles.Tiles:
    root: Path = tmp_path_factory.mktemp("repository")
    with tiles.writing(root, "train", shard_bytes=20_000) as append:
        for number, pixels in enumerate(pictures()):
            append(tiles.Tile(f"t{number}", f"t{number}", "a", (0, 0, *pixels.shape[1::-1]), png(pixels)))
    return tiles.read(root, "train")


def inputs(stored: tiles.Tiles, **changes: Any) -> TileInputs:
    settings: dict[str, Any] = {
        "tiles": stored,
        "rows": np.arange(COUNT),
        "views": np.zeros(COUNT, dtype=np.int64),
        "input_px": 32,
        "policy": "standard",
        "seed": 0,
        "on_the_fly": "none",
        "backbone": "test_efficientnet",
    }
    return TileInputs(**(settings | changes))


def drawn(found: Inputs, order: Batches, epoch: int = 0, seed: int = 0) -> torch.Tensor:
    return torch.cat(list(found.batches(order, Chance(seed, epoch, drawn_before(order)))))


def everything(found: Inputs, epoch: int = 0, batch_size: int = 3) -> torch.Tensor:
    return drawn(found, in_order(len(found), batch_size), epoch)


def test_batches_are_the_tiles_decoded_resized_and_normalised(stored: tiles.Tiles) -> None:
    order = [np.array([6, 0]), np.array([3])]
    batches = list(inputs(stored).batches(order))
    assert [tuple(batch.shape) for batch in batches] == [(2, 3, 32, 32), (1, 3, 32, 32)]
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    for numbers, batch in zip(order, batches, strict=True):
        assert batch.dtype == torch.float32
        for number, tensor in zip(numbers, batch, strict=True):
            pixels = Image.fromarray(pictures()[number]).resize((32, 32), Image.Resampling.BICUBIC)
            expected = ((np.asarray(pixels) / 255 - mean) / std).transpose(2, 0, 1)
            np.testing.assert_allclose(tensor.numpy(), expected, atol=1e-5)


def test_examples_may_repeat_and_reorder_the_tiles(stored: tiles.Tiles) -> None:
    rows = np.array([2, 2, 5])
    found = everything(inputs(stored, rows=rows, views=np.zeros(3, dtype=np.int64)))
    torch.testing.assert_close(found, everything(inputs(stored))[rows], rtol=0, atol=0)


@pytest.mark.parametrize("workers", [1, 2])
def test_the_number_of_workers_changes_nothing(
    workers: int, stored: tiles.Tiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = inputs(stored, views=np.arange(COUNT), policy="strong", on_the_fly="strong")
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: 0)
    alone = everything(found, epoch=2)
    torch.manual_seed(workers)  # nor does the global state, which the workers inherit
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: workers)
    assert torch.equal(everything(found, epoch=2), alone)


def test_there_is_a_worker_for_each_core_and_at_most_eight(monkeypatch: pytest.MonkeyPatch) -> None:
    assert 1 <= workers_count() <= 8
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(64)), raising=False)
    assert workers_count() == 8


def test_views_are_the_same_every_time_and_differ_from_the_tile_and_each_other(stored: tiles.Tiles) -> None:
    three = inputs(stored, rows=np.zeros(3, dtype=np.int64), views=np.arange(3))
    tile, first, second = everything(three)
    assert torch.equal(everything(three, epoch=9)[1], first)
    assert not torch.equal(tile, first)
    assert not torch.equal(tile, second)
    assert not torch.equal(first, second)


def test_a_view_depends_on_seed_tile_and_number_alone(stored: tiles.Tiles) -> None:
    wanted = everything(inputs(stored, views=np.full(COUNT, 2)))[4]
    alone = inputs(stored, rows=np.array([4]), views=np.array([2]))
    assert torch.equal(everything(alone)[0], wanted)
    other = inputs(stored, rows=np.array([4]), views=np.array([2]), seed=1)
    assert not torch.equal(everything(other)[0], wanted)


def test_augmentation_on_the_fly_differs_per_epoch_and_draw_and_is_the_same_again(stored: tiles.Tiles) -> None:
    twice = inputs(stored, rows=np.zeros(2, dtype=np.int64), views=np.zeros(2, dtype=np.int64), on_the_fly="standard")
    first = everything(twice, epoch=1)
    assert torch.equal(everything(twice, epoch=1), first)
    assert not torch.equal(everything(twice, epoch=2), first)
    assert not torch.equal(first[0], first[1])


def test_augmentation_on_the_fly_follows_the_seed_of_the_training_and_no_seed_is_none(stored: tiles.Tiles) -> None:
    found, order = inputs(stored, on_the_fly="standard"), in_order(COUNT, 3)
    plain = everything(inputs(stored))
    assert torch.equal(torch.cat(list(found.batches(order))), plain)
    one, other = (drawn(found, order, seed=seed) for seed in (0, 1))
    assert not torch.equal(one, plain)
    assert not torch.equal(one, other)


def test_copies_of_an_example_in_two_processes_are_augmented_apart(
    stored: tiles.Tiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    found, order = inputs(stored, on_the_fly="standard"), [np.array([2, 2, 2, 2])]
    alone, shares = drawn(found, order), []
    params = config.load(Path(__file__).parents[2])
    settings = config.validate(Train, params["train"] | {"seed": 0, "accumulate": 1})
    monkeypatch.setattr(process_group, "count", lambda: 2)
    for rank in range(2):
        monkeypatch.setattr(process_group, "rank", lambda rank=rank: rank)
        own = batching.parts(order[0], 1)
        shares.append(torch.cat(list(found.batches(own, batching.chance(order, settings, 0)))))
    assert torch.equal(torch.stack(shares, dim=1).flatten(0, 1), alone)
    assert all(not torch.equal(alone[i], alone[j]) for i in range(4) for j in range(i))


def test_augmentation_on_the_fly_does_not_depend_on_the_order_of_the_batches(stored: tiles.Tiles) -> None:
    found = inputs(stored, on_the_fly="strong")
    order = shuffled(COUNT, 2, np.random.default_rng(0))
    pictures = drawn(found, order, 3)
    assert torch.equal(pictures, everything(found, epoch=3)[np.concatenate(order)])


@pytest.mark.parametrize("policy", augmentation.POLICIES)
def test_every_policy_keeps_shape_and_type(policy: str, stored: tiles.Tiles) -> None:
    image = inputs(stored, views=np.ones(COUNT, dtype=np.int64), policy=policy).image(0)
    assert image.shape == (32, 32, 3)
    assert image.dtype == np.uint8


def test_features_are_picked_by_row_in_the_order_asked() -> None:
    values = np.arange(12, dtype=np.float32).reshape(6, 2)
    found = FeatureInputs(values, np.array([5, 0, 5]))
    assert len(found) == 3
    batches = list(found.batches([np.array([2]), np.array([1, 0])]))
    assert [batch.tolist() for batch in batches] == [[[10, 11]], [[0, 1], [10, 11]]]


def test_features_mapped_from_a_read_only_file_are_copied(tmp_path: Path) -> None:
    np.save(tmp_path / "features.npy", np.ones((4, 2), dtype=np.float32))
    mapped = np.load(tmp_path / "features.npy", mmap_mode="r")
    batch = everything(FeatureInputs(mapped, np.arange(4)))
    batch += 1
    assert (np.load(tmp_path / "features.npy") == 1).all()


def test_the_normalisation_is_that_of_the_named_backbone(stored: tiles.Tiles) -> None:
    batch = everything(inputs(stored, backbone="tf_efficientnet_lite0"))
    mean, std = backbones.normalisation("tf_efficientnet_lite0")
    assert float(batch.min()) >= -mean[0] / std[0] - 1e-6
    assert float(batch.max()) <= (1 - mean[0]) / std[0] + 1e-6


def test_an_example_drawn_again_in_one_epoch_is_augmented_anew(stored: tiles.Tiles) -> None:
    found = inputs(stored, on_the_fly="standard")
    first, again = drawn(found, [np.array([2, 0]), np.array([2, 1])])[[0, 2]]
    assert not torch.equal(first, again)
    alone = drawn(found, [np.array([2])])[0]
    assert torch.equal(first, alone)


def test_in_order_keeps_the_order() -> None:
    assert np.concatenate(in_order(10, 4)).tolist() == list(range(10))
    assert [len(batch) for batch in in_order(10, 4)] == [4, 3, 3]


def test_the_processes_that_decode_outlive_an_epoch_and_end_with_the_inputs(
    stored: tiles.Tiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: 2)
    before = {process.pid for process in multiprocessing.active_children()}

    def started() -> set[int | None]:
        return {process.pid for process in multiprocessing.active_children()} - before

    found = inputs(stored, on_the_fly="flips")
    first, pids = everything(found, epoch=0), started()
    assert len(pids) == 2
    assert not torch.equal(everything(found, epoch=1), first)
    assert torch.equal(everything(found, epoch=0), first)
    assert started() == pids
    del found
    gc.collect()
    assert not started()


@pytest.mark.parametrize("workers", [0, 2])
def test_a_pass_that_was_broken_off_leaves_nothing_to_the_next(
    workers: int, stored: tiles.Tiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: workers)
    found = inputs(stored)
    expected = everything(found, batch_size=2)
    broken_off = found.batches(in_order(COUNT, 2))
    next(broken_off)
    assert torch.equal(everything(found, batch_size=2), expected)
    with pytest.raises(RuntimeError, match="before the previous pass had ended"):
        next(broken_off)


def test_opencv_starts_no_threads_that_a_forked_process_would_wait_for() -> None:
    augmentation.prepare("flips")
    assert sys.modules["cv2"].getNumThreads() == 1


def test_processes_are_as_many_as_shared_memory_has_room_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    batch = 64 * 3 * 160 * 160
    monkeypatch.setattr(tile_inputs, "SHARED_MEMORY", tmp_path)
    for free, fitting in ((2**34, 8), (64 * 2**20, 3), (2**20, 0)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: SimpleNamespace(free=free))
        assert tile_inputs.workers_that_fit(8, batch) == fitting
        told = capsys.readouterr().err
        assert (f"room for {fitting} of 8 processes" in told and "--shm-size" in told) == (fitting < 8)
    monkeypatch.setattr(tile_inputs, "SHARED_MEMORY", tmp_path / "absent")
    assert tile_inputs.workers_that_fit(8, batch) == 8


@pytest.mark.parametrize("workers", [0, 2])
def test_a_damaged_shard_is_named_with_its_tile_and_without_a_traceback(
    workers: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tiles.writing(tmp_path, "train") as append:
        for number, pixels in enumerate(pictures()):
            append(tiles.Tile(f"t{number}", f"t{number}", "a", (0, 0, *pixels.shape[1::-1]), png(pixels)))
    found = tiles.read(tmp_path, "train")
    shard = found.folder / "shard-00000.tar"
    data = bytearray(shard.read_bytes())
    data[found.table["offset"].tolist()[3] + 99] ^= 1
    shard.write_bytes(data)
    monkeypatch.setattr(tile_inputs, "workers_count", lambda: workers)
    with pytest.raises(ArtifactError) as caught:
        list(inputs(found).batches(in_order(COUNT, 2)))
    assert "tile 't3'" in str(caught.value)
    assert str(shard) in str(caught.value)
    assert "`dvc repro -f tile`" in str(caught.value)
    assert "Traceback" not in str(caught.value)
