"""Choosing among the images of a folder, with a reader that stands for the model."""

import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from tests.deployment import test_predictor as small

from counterpoise import config, images, sources
from counterpoise.artifacts import decision, manifest, thumbnails
from counterpoise.labelling import image_candidates, suggestions
from counterpoise.labelling.candidates import Candidate, File, files
from counterpoise.sources import csv as source

ROOT = Path(__file__).parents[2]
PX = 32


def picture(number: int) -> np.ndarray:
    """Draw a picture that resembles no other."""
    coarse = np.random.default_rng(number).integers(0, 256, (8, 8, 3)).astype(np.uint8)
    return coarse.repeat(4, axis=0).repeat(4, axis=1)


def save(path: Path, number: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(number)).save(path)


def told(found: suggestions.Suggestions) -> list[tuple[str, str]]:
    return [(one.candidate.path.name, one.reason) for one in found.chosen]


@pytest.fixture
def content() -> dict[str, Any]:
    return config.load(ROOT)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Write two labelled images and a decision; the file name says the probability of a new image."""
    decision.write(tmp_path, small.a_decision("multiclass"))
    for number in (0, 1):
        save(tmp_path / "data" / "demo" / f"old{number}.png", number)
    found = list(files(tmp_path / "data" / "demo", lambda line: None))
    rows = [
        (f"old{n}.png", f"data/demo/old{n}.png", "rust", "rust", f"old{n}.png", "", PX, PX, file.sha256)
        for n, file in enumerate(found)
    ]
    manifest.write(tmp_path, pd.DataFrame(rows, columns=list(manifest.COLUMNS)))
    thumbnails.write(tmp_path, np.stack([images.thumbnail(picture(number)) for number in (0, 1)]))

    def read(root: Path, content: Any, found: Iterator[File], label: str, say: Callable[[str], None]) -> Any:
        for file in found:
            pixels = np.asarray(Image.open(file.path).convert("RGB"))
            prob = float(f"0.{file.path.stem.split('-')[1]}")
            feature = pixels.reshape(-1)[:16].astype(np.float32)
            thumbnail = images.thumbnail(pixels)
            yield Candidate(file.path, file.sha256, prob**2, prob, ("moss",), feature, thumbnail)

    monkeypatch.setattr(image_candidates, "read", read)
    return tmp_path


def test_the_most_likely_images_are_chosen_and_none_twice_or_labelled(root: Path, content: dict[str, Any]) -> None:
    folder = root / "new"
    for number, prob in enumerate(("90", "80", "70", "60", "01", "02")):
        save(folder / "deep" / f"{number}-{prob}.png", 10 + number)
    save(folder / "copy-99.png", 1)  # of a labelled image
    Image.fromarray(np.clip(picture(0).astype(int) + 2, 0, 255).astype(np.uint8)).save(folder / "like-98.png")
    Image.fromarray(np.clip(picture(10).astype(int) + 2, 0, 255).astype(np.uint8)).save(folder / "again-50.png")
    (folder / "note.txt").write_text("no image")
    found = suggestions.choose(root, content, folder, 4, None)
    assert found.label == "crack"
    assert [one.candidate.path.name for one in found.chosen] == ["0-90.png", "1-80.png", "2-70.png", "3-60.png"]
    assert (found.tally.labelled, found.tally.like_labelled, found.tally.seen) == (1, 1, 8)
    assert found.chosen[0].reason.startswith("number 1 for crack among 7 images; the model decides for moss; unlike")
    again = suggestions.choose(root, content, folder, 4, None)
    assert told(again) == told(found)


def test_blocks_are_joined_and_memory_does_not_grow_with_the_folder(
    root: Path, content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(60):
        save(root / "new" / f"{number}-{number + 10}.png", 100 + number % 50)
    whole = suggestions.choose(root, content, root / "new", 3, None)
    monkeypatch.setattr(suggestions, "BLOCK", 7)
    assert told(suggestions.choose(root, content, root / "new", 3, None)) == told(whole)
    assert {int(name.split("-")[0]) for name, _ in told(whole)} <= set(range(51, 60))  # the nine most likely ones


def test_of_many_candidates_only_the_best_are_kept() -> None:
    labelled = suggestions.Labelled(
        np.zeros((0, PX, PX), dtype=np.uint8), np.array([], dtype=str), {"max_distance": 8, "min_correlation": 0.98}
    )

    def many(count: int) -> Iterator[Candidate]:
        rng = np.random.default_rng(0)
        for number in range(count):
            pixels = rng.integers(0, 256, (PX, PX)).astype(np.uint8)
            prob = float(rng.random())
            yield Candidate(Path(f"{number}.png"), str(number), prob, prob, (), np.zeros(5000, np.float32), pixels)

    def peak(count: int) -> int:
        tracemalloc.start()
        best = suggestions._best(many(count), labelled, 20, suggestions.Tally())
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert len(best) == 20
        return used

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(suggestions, "BLOCK", 25)
        assert peak(300) < 1.3 * peak(100)


@pytest.mark.parametrize(
    ("decided", "said"),
    [
        ((), "decides for nothing;"),
        (("a", "b"), "decides for a, b;"),
        (tuple("abcde"), "decides for a, b, c, and 2 more;"),
    ],
)
def test_a_reason_names_a_few_labels_and_counts_the_others(decided: tuple[str, ...], said: str) -> None:
    pixels = np.zeros((PX, PX), np.uint8)
    best = [Candidate(Path("a.png"), "0", 0.5, 0.5, decided, np.zeros(3, np.float32), pixels)]
    assert said in suggestions._suggestion(best, 0, suggestions.Tally(seen=1), "a").reason


def test_a_filled_in_table_is_read_back_by_the_source(root: Path, content: dict[str, Any]) -> None:
    for number in range(3):
        save(root / "data" / "demo" / "new" / f"{number}-{number + 5}0.png", 10 + number)
    found = suggestions.choose(root, content, root / "data" / "demo" / "new", 2, "moss")
    path = root / "data" / "demo" / "suggested.csv"
    suggestions.write(path, found, "image", ["label"], ",", root / "data" / "demo")
    params = source.Params(**{**content["ingest"]["sources"]["csv"], "file": "suggested.csv"})
    rows = source.read(root / "data" / "demo", params, print)
    assert [(row.image, row.labels) for row in rows] == [("new/2-70.png", ()), ("new/1-60.png", ())]
    path.write_text(path.read_text().replace(".png,", ".png,moss"))
    assert [row.labels for row in sources.find("csv").read(root / "data" / "demo", params, print)] == [("moss",)] * 2


def test_a_table_with_ids_in_place_of_paths_gets_ids(root: Path, content: dict[str, Any]) -> None:
    folder = root / "data" / "demo"
    save(folder / "new" / "1-60.png", 11)
    found = suggestions.choose(root, content, folder / "new", 1, "moss")
    assert suggestions.image_column("new/{id}", found, folder) == "new/{id}"
    assert suggestions.image_column("old/{id}", found, folder) == "image"
    suggestions.write(folder / "suggested.csv", found, "new/{id}", ["label"], ",", folder)
    own = {"file": "suggested.csv", "image_column": "new/{id}"}
    params = source.Params(**{**content["ingest"]["sources"]["csv"], **own})
    (row,) = source.read(folder, params, print)
    assert row.image == "new/1-60"  # which `ingest` finds, as it does for the user's own rows


@pytest.mark.parametrize(
    ("made", "message"),
    [
        ({}, "new: no image found; expected image files in it or below it"),
        ({"copy-99.png": 1}, "new: all 1 images that can be read have labels already"),
        ({"like-99.png": None}, "new: all 1 images without a label look like labelled ones"),
    ],
)
def test_where_there_is_nothing_to_suggest_a_message_says_why(
    made: dict[str, int | None], message: str, root: Path, content: dict[str, Any]
) -> None:
    folder = root / "new"
    folder.mkdir()
    for name, number in made.items():
        pixels = picture(0) // 2 + 60 if number is None else picture(number)
        Image.fromarray(pixels).save(folder / name)
    with pytest.raises(config.InputError, match=message):
        suggestions.choose(root, content, folder, 2, None)


def test_another_task_and_an_unknown_class_are_refused(root: Path, content: dict[str, Any]) -> None:
    with pytest.raises(config.InputError, match=r"--class: the model has no class 'crak'.*did you mean 'crack'"):
        suggestions.choose(root, content, root, 2, "crak")
    with pytest.raises(config.InputError, match="task is 'multilabel', but the model is of task 'multiclass'"):
        suggestions.choose(root, content | {"task": "multilabel"}, root, 2, None)


def test_files_that_cannot_be_read_are_told_and_the_first_few_are_named(tmp_path: Path) -> None:
    tally = suggestions.Tally()
    for number in range(7):
        (tmp_path / f"{number}.png").symlink_to("nowhere")
    (tmp_path / ".hidden.png").write_bytes(b"")
    (tmp_path / "circle").symlink_to(tmp_path)
    assert list(files(tmp_path, tally.say)) == []
    assert tally.unusable == 7
    assert len(tally.lines) == suggestions.MOST_NAMED
    assert tally.lines[0] == f"{tmp_path}/0.png: a link that leads nowhere"
