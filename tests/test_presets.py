"""Every preset is a whole parameter file: it passes `check`, and only values differ from `params.yaml`."""

from pathlib import Path
from typing import Any

import pytest

from counterpoise import config, demos
from counterpoise.stages import check

REPOSITORY = Path(__file__).resolve().parents[1]
PRESETS = sorted((REPOSITORY / "presets").glob("*.yaml"))
OPEN = ("losses", "sources", "merge", "costs", "target", "subclasses")
"""Mappings whose keys are the user's choice; blocks of losses and sources that both files hold have the same keys."""


@pytest.fixture(params=PRESETS, ids=[path.stem for path in PRESETS])
def preset(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def differing_keys(one: dict[str, Any], other: dict[str, Any], name: str = "") -> list[str]:
    found = [] if name.rpartition(".")[2] in OPEN else [f"{name}.{key}".strip(".") for key in one.keys() ^ other.keys()]
    for key in one.keys() & other.keys():
        if isinstance(one[key], dict) and isinstance(other[key], dict):
            found += differing_keys(one[key], other[key], f"{name}.{key}".strip("."))
    return found


def test_there_are_presets():
    assert PRESETS


def test_it_passes_the_check(preset):
    assert check.problems(config.parse(preset.read_text(encoding="utf-8"))) == []


def test_it_has_the_keys_of_the_shipped_parameters_in_their_order(preset):
    shipped, found = config.load(REPOSITORY), config.parse(preset.read_text(encoding="utf-8"))
    assert list(found) == list(shipped)
    assert differing_keys(found, shipped) == []


def test_rewriting_by_dvc_keeps_it_byte_for_byte(preset, tmp_path):
    from dvc.utils.serialize import modify_yaml

    path, text = tmp_path / config.PATH, preset.read_bytes()
    path.write_bytes(text)
    with modify_yaml(str(path)) as found:
        seed = found["seed"]
        found["seed"] = seed + 1
    assert path.read_bytes() == text.replace(f"\nseed: {seed}\n".encode(), f"\nseed: {seed + 1}\n".encode())
    with modify_yaml(str(path)) as found:
        found["seed"] = seed
    assert path.read_bytes() == text


def test_it_is_in_the_format_that_dvc_writes_from_nothing(preset):
    from dvc.utils.serialize import dumps_yaml

    text = preset.read_text(encoding="utf-8")
    assert dumps_yaml(config.parse(text)) == text


def test_its_demo_set_is_there(preset):
    content = config.parse(preset.read_text(encoding="utf-8"))
    assert content["demo"]["name"] in ["none", *demos.names()]


def test_the_icons_are_a_problem_of_many_labels_in_which_no_group_straddles():
    content = config.parse((REPOSITORY / "presets" / "icons.yaml").read_text(encoding="utf-8"))
    assert (content["task"], content["demo"]["name"]) == ("multilabel", "icons")
    table = content["ingest"]["sources"]["csv"]
    assert (table["image_column"], table["label_column"], table["group_column"]) == ("image", "labels", "group")
