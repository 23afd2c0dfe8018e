"""What is found in folders of many forms, and whether the stages agree with it."""

from pathlib import Path

import pytest
from tests.planning import folders

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.planning import folder, proposal, reading, writing
from counterpoise.stages import check, ingest, split

PLACE = "data/raw/mine"


def propose(root: Path, **stated: str) -> proposal.Proposal:
    return proposal.propose(root, PLACE, folder.look(root / PLACE), reading.Stated(**stated))


@pytest.mark.parametrize("kind", folders.KINDS)
def test_labels_of_every_kind_are_found_and_the_stages_take_the_parameters(kind: str, tmp_path: Path) -> None:
    write, source, task, block = folders.KINDS[kind]
    write(tmp_path / PLACE)
    made = propose(tmp_path)
    assert (made.content["ingest"]["source"], made.content["task"]) == (source, task)
    found = made.content["ingest"]["sources"][source]
    assert {key: found[key] for key in block} == block
    assert made.rehearsed is not None
    assert not any(str(tmp_path) in line for line in made.doubts)  # which are committed
    assert check.problems(made.content) == []
    ingest.main(tmp_path, config.validate(ingest.Params, {key: made.content[key] for key in ("task", "ingest")}))
    split.main(tmp_path, config.validate(split.Params, {key: made.content[key] for key in split.Params.model_fields}))
    sides = [line.rpartition(",")[2] for line in (tmp_path / "data/splits.csv").read_text().splitlines()[1:]]
    assert {side: sides.count(side) for side in ("train", "val", "test")} == made.rehearsed.images


def test_the_file_has_a_comment_at_every_choice_and_dvc_keeps_it(tmp_path: Path) -> None:
    from dvc.utils.serialize import modify_yaml

    folders.groups_and_split(tmp_path / PLACE)
    made = propose(tmp_path, positive="rare")
    text = writing.text_of(made.content, made.notes, writing.head(PLACE, "about 1 minute", made.doubts))
    assert config.parse(text) == made.content
    lines = text.splitlines()
    for dotted in ("task", "ingest.source", "ingest.rare", "ingest.pixel_range", "split", "tile.size_px", "evaluate"):
        *above, key = dotted.split(".")
        first = f"{'  ' * len(above)}# {' '.join(made.notes[dotted].split())}"
        row = next(number for number, line in enumerate(lines) if line.startswith("  " * len(above)) and line == first)
        assert lines[row + 1].startswith(f"{'  ' * len(above)}{key}:"), dotted
    assert "# - no groups" not in text
    path = tmp_path / config.PATH
    path.write_text(text)
    with modify_yaml(str(path)) as content:
        content["seed"] = 7
    assert path.read_text() == text.replace("\nseed: 0\n", "\nseed: 7\n")


def test_the_baseline_is_the_shipped_file_but_for_the_data() -> None:
    shipped = config.load(Path(__file__).parents[2])
    found = reading.baseline()
    shipped["demo"]["name"], shipped["ingest"]["root"] = "none", found["ingest"]["root"]
    assert found == shipped


def test_what_a_person_states_wins(tmp_path: Path) -> None:
    folders.groups_and_split(tmp_path / PLACE)
    made = propose(tmp_path, positive="usual", source="csv", group_column="subset")
    assert made.content["evaluate"]["positive"] == "usual"
    assert made.content["ingest"]["sources"]["csv"]["group_column"] == "subset"


def test_rows_that_cannot_be_used_are_allowed_for_and_said(tmp_path: Path) -> None:
    folders.unlabelled_rows(tmp_path / PLACE)
    made = propose(tmp_path)
    assert made.content["ingest"]["max_rejected_frac"] == pytest.approx(0.11)
    assert any("4 of 40 rows cannot be used" in line and "the row has no label" in line for line in made.doubts)


def test_classes_that_only_test_has_are_left_out(tmp_path: Path) -> None:
    folders.split_folders(tmp_path / PLACE)
    for number in range(3):
        folders.write_image(tmp_path / PLACE / "test" / "new" / f"n{number}.png", 200 + number)
    made = propose(tmp_path)
    assert made.content["ingest"]["exclude"] == ["new"]
    assert any("your split gives train no image of new" in line for line in made.doubts)


def test_few_large_scenes_are_cut_into_blocks(tmp_path: Path) -> None:
    header = ("image", "xmin", "ymin", "xmax", "ymax", "label")
    rows = []
    for number in range(2):
        folders.write_image(tmp_path / PLACE / f"{number}.png", number, 640)
        rows += [(f"{number}.png", x, y, x + 20, y + 20, "car") for x in range(10, 600, 60) for y in range(10, 600, 60)]
    folders.write_table(tmp_path / PLACE / "boxes.csv", header, rows)
    made = propose(tmp_path)
    assert made.content["split"]["blocks"]["size_px"] is not None
    assert any("too few to assign them whole" in line for line in made.doubts)


@pytest.mark.parametrize(
    ("files", "part"),
    [
        ({}, "it is empty"),
        ({"a.docx": "x", "b.mp4": "x"}, r"it holds 2 other files \(.docx, .mp4\)"),
        (
            {"ok/a.png": "x", "bad/b.png": "x"},
            "no usable image is left of 2 rows. Most frequent reason .* not an image",
        ),
        ({"a.png": "x", "b.png": "x"}, "no table, no file of boxes, and no folder per class"),
        ({"a.png": "x", "b.png": "x", "l.csv": "a.png,ok\nb.png,bad\n"}, "is the header missing"),
        ({"a.png": "x", "b.png": "x", "l.csv": "name\n"}, "no table with columns"),
        ({"a.png": "x", "l.csv": 'file,bbox\na.png,"[1, 2, 3, 4]"\n'}, "column 'bbox' holds boxes"),
        ({"a.png": "x", "labels.csv": "file,label\nz1.png,ok\nz2.png,ok\n"}, "none of the columns .* names images"),
        ({"images/a.png": "x", "labels/a.txt": "0 .5 .5 .1 .1"}, "but no data.yaml with the names"),
    ],
)
def test_a_folder_that_cannot_be_read_ends_in_words(files: dict[str, str], part: str, tmp_path: Path) -> None:
    (tmp_path / PLACE).mkdir(parents=True)
    for name, text in files.items():
        path = tmp_path / PLACE / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    with pytest.raises(InputError, match=part):
        propose(tmp_path)
