"""Outlines of backbones: the table that ships, and the file of those that were built before."""

import json
from pathlib import Path

import pytest

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.networks import backbones, outlines
from counterpoise.networks.outlines import CACHE, Outline

ROOT = Path(__file__).resolve().parents[2]
OTHER = Outline(width=7, blocks=3, has_batchnorm=False, has_imagenet=False)


@pytest.fixture
def unbuilt(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Count the backbones that are built, none of which takes time."""
    built: list[str] = []

    def measure(name: str, pool: str, input_px: int) -> Outline:
        built.append(f"{name} {pool} {input_px}")
        return OTHER

    monkeypatch.setattr(outlines, "measure", measure)
    return built


@pytest.mark.parametrize("name", outlines.TABULATED)
def test_the_table_holds_what_the_built_backbones_have_at_any_size(name: str) -> None:
    for pool, input_px in zip(backbones.POOLS, (32, 97, 64), strict=True):
        assert outlines.measure(name, pool, input_px) == outlines.outline(name, pool, 2048)


def test_the_table_holds_the_backbones_that_ship_with_every_pooling() -> None:
    files = [ROOT / config.PATH, *(ROOT / "presets").glob("*.yaml")]
    shipped = {config.parse(file.read_text(encoding="utf-8"))["model"]["backbone"] for file in files}
    assert shipped <= set(outlines.TABULATED)
    assert set(outlines.TABULATED_POOLS) == set(backbones.POOLS)
    table = json.loads(outlines.TABLE.read_text(encoding="utf-8"))
    assert set(table) == {f"{name} {pool}" for name in outlines.TABULATED for pool in backbones.POOLS}


def test_a_backbone_of_the_table_is_not_built(unbuilt: list[str]) -> None:
    assert outlines.outline("resnet18", "avg_max", 128) == Outline(1024, 5, has_batchnorm=True, has_imagenet=True)
    assert unbuilt == []


def test_another_backbone_is_built_once_for_each_repository(unbuilt: list[str], tmp_path: Path) -> None:
    for _ in range(2):
        outlines.recall(tmp_path)
        assert outlines.outline("test_vit", "avg", 160) == OTHER
        outlines.keep(tmp_path)
    assert unbuilt == ["test_vit avg 160"]
    outlines.recall(tmp_path / "another")
    outlines.outline("test_vit", "avg", 160)
    assert unbuilt == ["test_vit avg 160"] * 2


def test_pooling_size_and_version_of_timm_tell_outlines_apart(
    unbuilt: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outlines.recall(tmp_path)
    for pool, input_px in (("avg", 160), ("as_made", 160), ("avg", 96)):
        outlines.outline("test_vit", pool, input_px)
    monkeypatch.setattr(outlines, "version", lambda _: "0.0.1")
    outlines.outline("test_vit", "avg", 160)
    assert len(unbuilt) == 4


def test_what_was_kept_before_stays(unbuilt: list[str], tmp_path: Path) -> None:
    for name in ("test_vit", "test_resnet"):
        outlines.recall(tmp_path)
        outlines.outline(name, "avg", 160)
        outlines.keep(tmp_path)
    assert [key.split()[0] for key in json.loads((tmp_path / CACHE).read_text())] == ["test_resnet", "test_vit"]


def test_nothing_new_writes_nothing(unbuilt: list[str], tmp_path: Path) -> None:
    outlines.recall(tmp_path)
    outlines.outline("resnet18", "avg", 160)
    outlines.keep(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[]", b'{"a": {"width": 3}}', b'{"a": 3}'])
def test_a_damaged_file_counts_as_none_and_is_written_anew(content: bytes, unbuilt: list[str], tmp_path: Path) -> None:
    (tmp_path / CACHE).write_bytes(content)
    for _ in range(2):
        outlines.recall(tmp_path)
        outlines.outline("test_vit", "avg", 160)
        outlines.keep(tmp_path)
    assert unbuilt == ["test_vit avg 160"]
    assert [path.name for path in tmp_path.iterdir()] == [CACHE]


def test_a_refusal_is_not_kept(tmp_path: Path) -> None:
    outlines.recall(tmp_path)
    with pytest.raises(InputError, match=r"model\.backbone is 'resnet1'"):
        outlines.outline("resnet1", "avg", 160)
    outlines.keep(tmp_path)
    assert not (tmp_path / CACHE).exists()
