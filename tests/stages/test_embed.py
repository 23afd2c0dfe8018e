"""Features are what the backbone gives for each tile and view, wherever and however they are computed."""

import io
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from tests import processes

from counterpoise import config
from counterpoise.artifacts import features, splits, tiles
from counterpoise.dataset import inputs
from counterpoise.engine import unfinished
from counterpoise.networks import pretrained
from counterpoise.stages import embed

SIZES = {"train": 5, "val": 3, "test": 4}
Array = np.ndarray[Any, Any]


@pytest.fixture(autouse=True)
def one_process_of_one_thread(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(inputs, "workers_count", lambda: 0)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(split: str, number: int) -> Array:
    return np.random.default_rng([len(split), number]).integers(256, size=(40, 48, 3), dtype=np.uint8)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for split, count in SIZES.items():
        with tiles.writing(tmp_path, split) as append:
            for number in range(count):
                buffer = io.BytesIO()
                Image.fromarray(picture(split, number)).save(buffer, format="PNG")
                tile_id = f"{split}{number}"
                append(tiles.Tile(tile_id, tile_id, "a", (0, 0, 48, 40), buffer.getvalue()))
    return tmp_path


def a_params(
    *,
    views: int = 0,
    policy: str = "standard",
    freeze: str = "backbone",
    pool: str = "avg",
    precision: str = "float32",
    batch: int = 2,
    input_px: int = 32,
    tta: str = "none",
    weights: str = "none",
) -> embed.Params:
    content = {
        "seed": 0,
        "model": {
            "backbone": "test_efficientnet",
            "weights": weights,
            "input_px": input_px,
            "freeze": freeze,
            "pool": pool,
            "head": "linear",
            "dropout": 0.2,
            "device": "cpu",
            "precision": precision,
        },
        "oversample": {"views": views, "policy": policy, "strategy": "over"},
        "predict": {"tta": tta, "aggregate": "mean"},
        "embed": {"batch_size": batch},
    }
    return config.validate(embed.Params, content)


def computed(root: Path, split: str, **changes: Any) -> features.Features:
    embed.main(root, a_params(**changes))
    found = features.read(root, split)
    assert found is not None
    return found


def by_hand(split: str) -> Array:
    """Compute features with timm and Pillow, one picture at a time."""
    torch.manual_seed(0)
    backbone: Any = timm.create_model("test_efficientnet", pretrained=False)
    backbone.reset_classifier(0)
    mean, std = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])
    rows = []
    for number in range(SIZES[split]):
        pixels = Image.fromarray(picture(split, number)).resize((32, 32), Image.Resampling.BICUBIC)
        batch = torch.from_numpy(((np.asarray(pixels) / 255 - mean) / std).transpose(2, 0, 1)[None]).float()
        with torch.inference_mode():
            rows.append(backbone.eval()(batch).numpy()[0])
    return np.array(rows)


@pytest.mark.parametrize("split", splits.NAMES)
def test_features_are_those_of_the_backbone_on_each_tile(split: str, root: Path) -> None:
    found = computed(root, split)
    assert found.index["tile_id"].tolist() == [f"{split}{number}" for number in range(SIZES[split])]
    assert (found.index["view"] == 0).all()
    np.testing.assert_allclose(found.values, by_hand(split), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(("precision", "runtime"), [("float32", "onnxruntime"), ("bfloat16", "torch")])
def test_features_say_what_computed_them(precision: str, runtime: str, root: Path) -> None:
    assert computed(root, "train", precision=precision).runtime == runtime


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_portions_give_the_same_features(precision: str, root: Path, in_portions: Callable[[], None]) -> None:
    whole = computed(root, "val", precision=precision, views=2, tta="flips", batch=3)
    in_portions()
    found = computed(root, "val", precision=precision, views=2, tta="flips", batch=3)
    assert found.runtime == whole.runtime
    assert found.index.equals(whole.index)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-5)


def test_portions_use_the_same_file_of_weights(
    root: Path, monkeypatch: pytest.MonkeyPatch, in_portions: Callable[[], None]
) -> None:
    monkeypatch.chdir(root)  # where a stage runs
    (root / pretrained.FOLDER).mkdir(parents=True)
    torch.manual_seed(1)
    own = timm.create_model("test_efficientnet", pretrained=False)
    torch.save(own.state_dict(), root / pretrained.path("own.pth"))
    whole = computed(root, "val", weights="own.pth")
    in_portions()
    found = computed(root, "val", weights="own.pth")
    np.testing.assert_allclose(found.values, whole.values, atol=1e-5)
    assert not np.allclose(found.values, computed(root, "val").values, atol=1e-2)


def test_every_split_has_all_views(root: Path) -> None:
    embed.main(root, a_params(views=2))
    for split, size in SIZES.items():
        found = features.read(root, split)
        assert found is not None
        assert found.index["view"].tolist() == [0, 1, 2] * size
        assert len(found.values) == 3 * size


def test_view_0_is_the_tile_and_other_views_are_not(root: Path) -> None:
    plain = computed(root, "val").values[:]
    found = computed(root, "val", views=2)
    np.testing.assert_allclose(found.values[::3], plain, rtol=1e-3, atol=1e-4)
    assert np.abs(found.values[1::3] - plain).max(axis=1).min() > 1e-3
    assert np.abs(found.values[1::3] - found.values[2::3]).max(axis=1).min() > 1e-3


def test_more_views_leave_the_earlier_ones_as_they_were(root: Path) -> None:
    one, two = computed(root, "train", views=1).values[1::2], computed(root, "train", views=2).values[1::3]
    np.testing.assert_allclose(one, two, rtol=1e-3, atol=1e-4)


def test_the_size_of_batches_changes_nothing_that_matters(root: Path) -> None:
    one, many = computed(root, "train", batch=1).values[:], computed(root, "train", batch=64).values[:]
    np.testing.assert_allclose(one, many, rtol=1e-3, atol=1e-4)


def test_avg_max_stores_the_maximum_of_each_map_beside_its_mean(root: Path) -> None:
    plain, wide = (computed(root, "val", pool=pool, input_px=64).values[:] for pool in ("avg", "avg_max"))
    np.testing.assert_allclose(wide[:, :256], plain, rtol=1e-3, atol=1e-4)
    assert wide.shape == (3, 512)
    assert (wide[:, 256:] > plain).all()


@pytest.mark.parametrize("freeze", ["none", "all_but_batchnorm", "first_n"])
def test_where_the_backbone_is_trained_an_index_says_so_and_nothing_is_computed(freeze: str, root: Path) -> None:
    embed.main(root, a_params())
    embed.main(root, a_params(freeze=freeze))
    for split in splits.NAMES:
        assert features.read(root, split) is None
        assert sorted(path.name for path in (root / features.path(split)).iterdir()) == ["embed.sums", "index.json"]


def test_bfloat16_on_the_cpu_is_close_to_float32(root: Path) -> None:
    exact, half = computed(root, "train").values[:], computed(root, "train", precision="bfloat16").values[:]
    assert half.dtype == np.float32
    assert (half != exact).any()
    distance = np.linalg.norm(half - exact, axis=1) / np.linalg.norm(exact, axis=1)
    assert distance.max() < 0.05


def test_computing_twice_gives_equal_bytes(root: Path) -> None:
    def written() -> list[bytes]:
        embed.main(root, a_params(views=1, policy="strong"))
        return [path.read_bytes() for path in sorted((root / features.FOLDER).rglob("*")) if path.is_file()]

    assert written() == written()


DYING = """
import os, signal, sys
from pathlib import Path
from counterpoise.dataset import inputs
from counterpoise.engine import unfinished
from counterpoise.networks import pretrained
from tests.stages.test_embed import a_params
from counterpoise.stages import embed

inputs.workers_count = lambda: 0
append, left = unfinished.Rows.append, int(sys.argv[2])

def append_and_die(self, rows):
    global left
    append(self, rows)
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

unfinished.Rows.append = append_and_die
embed.main(Path(sys.argv[1]), a_params(views=1, tta="flips"))
"""


def test_a_killed_run_keeps_its_batches_and_ends_with_the_same_bytes(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def written() -> dict[str, bytes]:
        embed.main(root, a_params(views=1, tta="flips"))
        paths = sorted((root / features.FOLDER).rglob("*"))
        return {path.relative_to(root).as_posix(): path.read_bytes() for path in paths if path.is_file()}

    computed: list[int] = []
    append = unfinished.Rows.append

    def counted(self: unfinished.Rows, rows: Array) -> None:
        computed.append(len(rows))
        append(self, rows)

    monkeypatch.setattr(unfinished.Rows, "append", counted)
    whole, batches = written(), len(computed)
    shutil.rmtree(root / features.FOLDER)
    for _ in range(2):
        died = processes.start("-c", DYING, str(root), "4", folder=Path(__file__).parents[2]).wait()
        assert died.returncode == -signal.SIGKILL, died.stderr
    computed.clear()
    assert written() == whole
    assert len(computed) == batches - 8
    assert not (root / unfinished.FOLDER).exists()


def test_other_tiles_in_test_leave_the_features_of_train_and_val_as_they_were(root: Path) -> None:
    """`embed` reads all splits, but no split speaks to another."""

    def written() -> dict[str, bytes]:
        embed.main(root, a_params(views=1))
        return {split: (root / features.path(split) / "features.npy").read_bytes() for split in splits.NAMES}

    before = written()
    buffer = io.BytesIO()
    Image.fromarray(picture("another", 0)).save(buffer, format="PNG")
    with tiles.writing(root, "test") as append:
        append(tiles.Tile("other", "other", "a", (0, 0, 48, 40), buffer.getvalue()))
    after = written()
    assert [split for split in splits.NAMES if before[split] != after[split]] == ["test"]


def test_the_index_lists_views_of_one_tile_together() -> None:
    rows = embed.index(["b", "a"], 1)
    assert list(rows.itertuples(index=False, name=None)) == [("b", 0), ("b", 1), ("a", 0), ("a", 1)]


@pytest.mark.parametrize(("tta", "count"), [("flips", 4), ("dihedral", 8)])
def test_views_that_predictions_are_averaged_over_follow(tta: str, count: int, root: Path) -> None:
    embed.main(root, a_params(views=1))
    plain = {split: features.read(root, split) for split in splits.NAMES}
    embed.main(root, a_params(views=1, tta=tta))
    for split, before in plain.items():
        found = features.read(root, split)
        assert found is not None
        assert before is not None
        own = len(before.index)
        assert found.index.iloc[:own].equals(before.index)
        np.testing.assert_array_equal(found.values[:own], before.values)
        size = SIZES[split]
        more = [-number for number in range(1, count) for _ in range(size)]
        assert found.index["view"].iloc[own:].tolist() == more
    found = features.read(root, "val")
    assert found is not None
    mirrored = found.values[(found.index["view"] == -1).to_numpy()]
    with tiles.writing(root, "val") as append:
        for number in range(SIZES["val"]):
            buffer = io.BytesIO()
            small = Image.fromarray(picture("val", number)).resize((32, 32), Image.Resampling.BICUBIC)
            small.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(buffer, format="PNG")
            append(tiles.Tile(f"val{number}", f"val{number}", "a", (0, 0, 32, 32), buffer.getvalue()))
    np.testing.assert_allclose(computed(root, "val").values, mirrored, rtol=1e-3, atol=1e-4)
