"""What holds for every source: a new one without an example fails here."""

import csv
from collections.abc import Callable
from pathlib import Path

import pytest

from counterpoise import config, sources
from counterpoise.config import InputError, Section

LABELS = {"a.png": "roof", "b, é.png": "NA", "deep/c.png": "roof"}


def write_csv(root: Path) -> dict[str, str]:
    with (root / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *LABELS.items()])
    return LABELS


def write_folder(root: Path) -> dict[str, str]:
    labels = {f"{label}/{image}": label for image, label in LABELS.items()}
    for image in labels:
        (root / image).parent.mkdir(parents=True, exist_ok=True)
        (root / image).touch()
    return labels


CSV: dict[str, object] = {
    "file": "labels.csv",
    "image_column": "image",
    "label_column": "label",
    "label_columns": [],
    "label_separator": "|",
    "join_columns": [],
    "group_column": "",
    "split_column": "",
    "delimiter": ",",
}
EXAMPLES: dict[str, tuple[dict[str, object], Callable[[Path], dict[str, str]]]] = {
    "csv": (CSV, write_csv),
    "folder": ({}, write_folder),
}
every = pytest.mark.parametrize("name", sources.names())


def settings(name: str) -> Section:
    return config.validate(sources.find(name).Params, EXAMPLES[name][0])


def test_every_source_has_an_example():
    assert sources.names() == sorted(EXAMPLES)


@every
def test_every_source_declares_strict_parameters_with_a_docstring_each(name):
    params = sources.find(name).Params
    assert issubclass(params, Section)
    assert params.model_config["extra"] == "forbid"
    assert all(field.description for field in params.model_fields.values())


@every
def test_every_source_reads_its_example_twice_alike(tmp_path, name):
    labels = EXAMPLES[name][1](tmp_path)
    found = sources.find(name).read(tmp_path, settings(name), print)
    assert {row.image: row.labels for row in found} == {image: (label,) for image, label in labels.items()}
    assert all(row.where and "\\" not in row.image for row in found)
    assert sources.find(name).read(tmp_path, settings(name), print) == found


@every
def test_every_source_refuses_an_absent_folder_in_words_for_the_user(tmp_path, name):
    with pytest.raises(InputError, match=r"ingest\.root"):
        sources.find(name).read(tmp_path / "absent", settings(name), print)


def test_an_unknown_source_is_refused_with_the_one_that_was_meant():
    with pytest.raises(InputError, match=r"ingest\.source is 'foldr'; .* did you mean 'folder'\?"):
        sources.find("foldr")
