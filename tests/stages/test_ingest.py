import csv
import hashlib
import io
import os
import signal
import subprocess
import sys
import time
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from numpy.typing import NDArray
from PIL import Image

from counterpoise import config, images, sources
from counterpoise.artifacts import classes, manifest, rejected, thumbnails
from counterpoise.artifacts import pixels as pixels_file
from counterpoise.config import InputError
from counterpoise.dataset import decoding
from counterpoise.dataset.pixels import Seen
from counterpoise.images import samples, scenes
from counterpoise.images.budget import Budget
from counterpoise.images.samples import EIGHT_BITS
from counterpoise.sources import Row
from counterpoise.stages import ingest

ROOT = "data/raw/own"
CSV = {
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


def params(*, task: str = "multiclass", **changes: object) -> ingest.Params:
    values = {
        "root": ROOT,
        "source": "csv",
        "sources": {"csv": CSV, "folder": {}},
        "exclude": [],
        "merge": {},
        "rare": {"min_images": 1, "action": "keep"},
        "max_rejected_frac": 1.0,
        "pixel_range": "auto",
        "bands": "auto",
        "background": "auto",
        **changes,
    }
    return config.validate(ingest.Params, {"task": task, "ingest": values})


def picture(number: int, size: tuple[int, int] = (6, 4), **options: Any) -> bytes:
    pixels = np.random.default_rng(number).integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG", **options)
    return buffer.getvalue()


@pytest.fixture
def raw(tmp_path):
    folder = tmp_path / ROOT
    folder.mkdir(parents=True)
    return folder


NOWHERE = "it is a link that leads nowhere; if DVC made it, `dvc checkout` or `dvc pull` brings the image back"
MISSING = "the image does not exist; expected its path below ingest.root, with folder and suffix"


def fill(raw: Path, labels: Sequence[tuple[str, str]], missing: Sequence[str] = ()) -> None:
    """Write `labels.csv` with these (image, label) rows, and a picture for each image."""
    with (raw / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("image", "label"), *labels])
    for number, (image, _) in enumerate(labels):
        if image and image not in missing and not (raw / image).exists():
            (raw / image).parent.mkdir(parents=True, exist_ok=True)
            (raw / image).write_bytes(picture(number))


def reasons(root: Path) -> dict[tuple[str, ...], tuple[str, ...]]:
    table = rejected.read(root)
    return {tuple(found[:2]): tuple(found[2:]) for found in table.to_numpy().tolist()}


def assemble(rows: Sequence[Row], settings: ingest.Params) -> ingest.Ingested:
    """Assemble with images that all exist, each with bytes of its own."""
    picture = np.zeros((32, 32), np.uint8)
    seen = Seen(EIGHT_BITS, 0, 0, 0, "none", None)

    def look(names: Sequence[str]) -> tuple[list[decoding.Decoded | str], images.Pixels]:
        return [decoding.Decoded(1, 1, name, picture, seen) for name in names], images.Pixels()

    return ingest.assemble(rows, look, settings)


GOOD = [("b.png", "NA"), ("deep/a, é.png", "roof"), ("c.png", "NA")]


def test_a_manifest_says_what_is_known_of_every_image(tmp_path, raw, capsys):
    fill(raw, GOOD)
    ingest.main(tmp_path, params())
    found = manifest.read(tmp_path)
    assert found["image_id"].tolist() == ["b.png", "c.png", "deep/a, é.png"]
    assert found["path"].tolist() == [f"{ROOT}/{image}" for image in found["image_id"]]
    assert found["labels"].tolist() == ["NA", "NA", "roof"]
    assert found["group"].tolist() == found["image_id"].tolist()
    assert found[["width_px", "height_px"]].to_numpy().tolist() == [[6, 4]] * 3
    for path, digest in zip(found["path"], found["sha256"], strict=True):
        assert hashlib.sha256((tmp_path / path).read_bytes()).hexdigest() == digest
    assert classes.read(tmp_path) == classes.Classes(("NA", "roof"), (2, 1), 3)
    assert len(rejected.read(tmp_path)) == 0
    pictures = thumbnails.read(tmp_path)
    assert (pictures[1] == images.thumbnail(images.decode((raw / "c.png").read_bytes()))).all()
    assert "3 images: NA 2, roof 1" in capsys.readouterr().out


def test_two_runs_write_the_same_bytes(tmp_path, raw):
    fill(raw, [*GOOD, ("missing.png", "NA"), ("b.png", "NA")], missing=["missing.png"])
    written = []
    for _ in range(2):
        ingest.main(tmp_path, params())
        paths = (manifest.PATH, classes.PATH, rejected.PATH, thumbnails.PATH)
        written.append([(tmp_path / path).read_bytes() for path in paths])
    assert written[0] == written[1]


def test_the_order_of_the_raw_rows_does_not_matter(tmp_path, raw):
    fill(raw, GOOD)
    ingest.main(tmp_path, params())
    first = (tmp_path / manifest.PATH).read_bytes()
    fill(raw, GOOD[::-1])
    ingest.main(tmp_path, params())
    assert (tmp_path / manifest.PATH).read_bytes() == first


def test_sizes_are_those_after_exif_rotation(tmp_path, raw):
    fill(raw, GOOD)
    exif = Image.Exif()
    exif[0x0112] = 6
    (raw / "b.png").write_bytes(picture(0, size=(6, 4), exif=exif))
    ingest.main(tmp_path, params())
    assert manifest.read(tmp_path)[["width_px", "height_px"]].to_numpy().tolist()[0] == [4, 6]


def test_folders_of_classes_are_a_source_too(tmp_path, raw):
    fill(raw, [("roof/a.png", ""), ("NA/b.png", "")])
    ingest.main(tmp_path, params(source="folder"))
    assert manifest.read(tmp_path)["labels"].tolist() == ["NA", "roof"]


def test_groups_are_kept_and_an_image_without_one_is_its_own(tmp_path, raw):
    fill(raw, GOOD)
    (raw / "labels.csv").write_text("image,label,site\nb.png,NA,north\nc.png,roof,\n")
    ingest.main(tmp_path, params(sources={"csv": {**CSV, "group_column": "site"}}))
    assert manifest.read(tmp_path)["group"].tolist() == ["north", "c.png"]


@pytest.mark.parametrize(
    ("file", "given", "difference"),
    [
        ("img/{}.png", "img\\{}.png", r"'\' in place of '/'"),
        ("img/{}.PNG", "img/{}.png", "upper and lower case"),
        ("img/{}.png", "IMG/{}", "the suffix left out and upper and lower case"),
        ("img/{}.png", f"{ROOT}/img/{{}}.png", "ingest.root in front"),
        ("U\u0308ber_{}.png", "\u00dcber_{}.png", "the Unicode form of letters"),
    ],
)
def test_a_path_that_fits_one_file_is_taken_for_it_and_said_once(tmp_path, raw, capsys, file, given, difference):
    fill(raw, [(file.format(number), "ab"[number % 2]) for number in range(4)])
    lines = [f"{given.format(number)},{'ab'[number % 2]}\n" for number in range(4)]
    (raw / "labels.csv").write_text("".join(["image,label\n", *lines]), encoding="utf-8")
    ingest.main(tmp_path, params(max_rejected_frac=0.0))
    assert manifest.read(tmp_path)["image_id"].tolist() == [file.format(number) for number in range(4)]
    said = f"4 paths fit one file each but for {difference}; '{given.format(0)}' is taken for '{file.format(0)}'\n"
    assert capsys.readouterr().out == f"{said}4 images: a 2, b 2\npixels: all images have 8 bits, 0 to 255 unchanged\n"


def test_rows_with_different_spellings_of_a_path_are_one_image(tmp_path, raw):
    fill(raw, [("img/a.png", "x"), ("b.png", "y")])
    (raw / "labels.csv").write_text("image,label\nimg/a.png,x\nimg\\a.png,y\nIMG/A,z\nb.png,y\n")
    ingest.main(tmp_path, params(task="multilabel"))
    assert manifest.read(tmp_path)["labels"].tolist() == ["y", "x|y|z"]


def test_of_a_missing_image_the_nearest_is_named_and_such_rows_are_counted_together(tmp_path, raw):
    fill(raw, [(f"img/{number:03d}.png", "ab"[number % 2]) for number in range(4)])
    lines = [f"{number:03d}.png,{'ab'[number % 2]}\n" for number in range(4)]
    (raw / "labels.csv").write_text("".join(["image,label\n", *lines]))
    with pytest.raises(InputError) as caught:
        ingest.main(tmp_path, params(max_rejected_frac=0.5))
    assert str(caught.value).splitlines()[1:] == [
        f"  labels.csv row 2: image '000.png': {MISSING}; the nearest is 'img/000.png' (and 3 more rows)"
    ]


def test_missing_values_and_whole_numbers_of_groups_are_understood(tmp_path, raw, capsys):
    groups = ["NA", "nan", "", "3", "3.0", "NULL", "s1"]
    fill(raw, [(f"{number}.png", "ab"[number % 2]) for number in range(len(groups))])
    lines = [f"{number}.png,{'ab'[number % 2]},{group}\n" for number, group in enumerate(groups)]
    (raw / "labels.csv").write_text("".join(["image,label,site\n", *lines]))
    ingest.main(tmp_path, params(sources={"csv": {**CSV, "group_column": "site"}}))
    assert manifest.read(tmp_path)["group"].tolist() == ["0.png", "1.png", "2.png", "3", "3", "5.png", "s1"]
    said = capsys.readouterr().out
    assert "3 rows with 'NA', 'NULL', 'nan' for the group: each such image is a group of its own\n" in said


@pytest.mark.parametrize("missing", ["NA", "-NaN", "n.a.", "(null)", "#NA", "\\N", "1.#IND"])
def test_a_group_is_missing_however_programs_write_that(tmp_path, raw, missing):
    fill(raw, [(f"{number}.png", "ab"[number % 2]) for number in range(4)])
    lines = [f"{number}.png,{'ab'[number % 2]},{missing}\n" for number in range(4)]
    (raw / "labels.csv").write_text("".join(["image,label,site\n", *lines]))
    ingest.main(tmp_path, params(sources={"csv": {**CSV, "group_column": "site"}}))
    assert manifest.read(tmp_path)["group"].tolist() == [f"{number}.png" for number in range(4)]


@pytest.mark.parametrize(("size", "is_told"), [(6, True), (5, False), (10, False)])
def test_a_group_with_most_images_is_named_as_it_may_be_a_missing_value(size, is_told):
    rows = [
        Row(f"row {number}", f"{number}.png", ("ab"[number % 2],), "unknown" if number < size else f"s{number}")
        for number in range(10)
    ]
    said = [warning for warning in assemble(rows, params()).warnings if "group" in warning]
    assert bool(said) == is_told
    if said:
        assert said[0].startswith("group 'unknown' has 6 of 10 images, and they stay in one split")


def test_a_name_with_a_comma_is_told_where_several_labels_are_possible_and_no_row_has_them(tmp_path, raw, capsys):
    fill(raw, [("a.png", "roof,door"), ("b.png", "tree"), ("c.png", "solar,wind")])
    text = "no row has several labels, and the class name 'roof,door' holds ','"
    for task, separator, is_told in (("multilabel", "|", True), ("multiclass", "|", False), ("multilabel", "", False)):
        ingest.main(tmp_path, params(task=task, sources={"csv": {**CSV, "label_separator": separator}}))
        assert (text in capsys.readouterr().err) == is_told
    fill(raw, [("a.png", "roof,door"), ("b.png", "tree|grass"), ("c.png", "solar,wind")])
    ingest.main(tmp_path, params(task="multilabel"))
    assert text not in capsys.readouterr().err


@pytest.mark.parametrize("source", ["csv", "folder"])
def test_a_split_that_is_given_is_kept_and_said(tmp_path, raw, capsys, source):
    names = ["train", "train", "valid", "test"]
    fill(raw, [(f"{name}/{label}/{number}.png", label) for number, name in enumerate(names) for label in "ab"])
    lines = [f"{name}/{label}/{number}.png,{label},{name}\n" for number, name in enumerate(names) for label in "ab"]
    (raw / "labels.csv").write_text("".join(["image,label,part\n", *lines]))
    ingest.main(tmp_path, params(source=source, sources={"csv": {**CSV, "split_column": "part"}, "folder": {}}))
    found = manifest.read(tmp_path)
    assert found.groupby("split").size().to_dict() == {"test": 2, "train": 4, "val": 2}
    assert classes.read(tmp_path).counts == (4, 4)
    assert "splits that the labels give are kept: train 4, val 2, test 2 of 8 images\n" in capsys.readouterr().out


def test_no_file_below_a_class_folder_vanishes(tmp_path, raw, capsys):
    files = ["ok/a.png", "ok/b.jfif", "ok/.DS_Store", "ok/notes.txt", "bad/c.heic", "bad/d", "top.png"]
    fill(raw, [("ok/a.png", ""), ("ok/b.jfif", ""), ("bad/d", ""), ("top.png", "")])
    (raw / "bad/c.heic").write_bytes(b"\0\0\0\x18ftypheic\0\0\0\0")
    for name in ("ok/.DS_Store", "ok/notes.txt"):
        (raw / name).write_text("x")
    ingest.main(tmp_path, params(source="folder", max_rejected_frac=0.25))
    listed = {image: kind for (_, image), (kind, _) in reasons(tmp_path).items()}
    assert listed == {
        "ok/.DS_Store": "excluded",
        "ok/notes.txt": "excluded",
        "top.png": "excluded",
        "bad/c.heic": "rejected",
    }
    assert {*manifest.read(tmp_path)["image_id"], *listed} == set(files)
    said = capsys.readouterr()
    assert (
        "3 files passed over (1 hidden: its name begins with a dot; 1 no image, by its suffix .txt; 1 it is" in said.out
    )
    assert "1 of 4 rows are unusable" in said.err


def test_a_class_of_which_no_image_can_be_read_is_named(tmp_path, raw, capsys):
    fill(raw, [("ok/a.png", ""), ("fine/b.png", ""), ("bad/c.png", "")])
    (raw / "bad/c.png").write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    ingest.main(tmp_path, params(source="folder"))
    assert "no image can be used of class 'bad' (1 image); data/rejected.csv says why" in capsys.readouterr().err
    (reason,) = reasons(tmp_path).values()
    assert reason == ("rejected", "a Git LFS pointer, not the image itself; fetch the images with `git lfs pull`")


def test_spellings_of_a_class_are_named_with_lines_that_merge_them(tmp_path, raw, capsys):
    names = ["bad", "bad", "Bad", "BAD ", "ok", "o\u0308k", "\u00f6k", "0", "0.0", "not ok", "not_ok"]
    fill(raw, [(f"{number}.png", name) for number, name in enumerate(names)])
    ingest.main(tmp_path, params())
    text = capsys.readouterr().err
    assert "9 class names differ only in case, spaces or Unicode form, or are equal numbers, such as 'bad' (2)" in text
    merge = yaml.safe_load(text[text.index("  merge:") :])["merge"]
    assert list(map(set, merge.values())) == [
        {"bad", "Bad", "BAD"},
        {"0", "0.0"},
        {"not ok", "not_ok"},
        set(names[5:7]),
    ]
    ingest.main(tmp_path, params(merge=merge))
    assert sorted(classes.read(tmp_path).counts) == [1, 2, 2, 2, 4]
    assert "differ only" not in capsys.readouterr().err


def test_a_missing_value_as_a_class_is_named(tmp_path, raw, capsys):
    fill(raw, [("a.png", "ok"), ("b.png", "nan"), ("c.png", "bad")])
    ingest.main(tmp_path, params())
    text = "the class 'nan' has 1 image; if that is a missing value, leave it out: ingest.exclude: [\"nan\"]"
    assert text in capsys.readouterr().err


@pytest.mark.parametrize("name", ["a\rb", "a\nb", "a\tb", "a\x00b", "a\u2028b", "\x1b[31mred"])
def test_a_class_name_with_a_control_character_is_refused_and_can_be_merged(name):
    rows = [Row(f"{number}", f"{number}.png", (label,), "") for number, label in enumerate([name, "ok"])]
    with pytest.raises(InputError, match="contains a control character; rename it, or give it another name with"):
        assemble(rows, params())
    assert assemble(rows, params(merge={"clean": [name]})).classes.names == ("clean", "ok")


def test_every_unusable_row_is_listed_with_its_reason(tmp_path, raw, capsys):
    (tmp_path / "outside.png").write_bytes(picture(9))
    bad = [
        ("missing.png", "NA"),
        ("empty.png", "NA"),
        ("words.png", "NA"),
        ("cut.png", "NA"),
        ("folder", "NA"),
        ("../../../outside.png", "NA"),
        (str(tmp_path / "outside.png"), "NA"),
        ("circle.png", "NA"),
        ("nul\0.png", "NA"),
        ("n" * 300, "NA"),
        ("unlabelled.png", ""),
        ("", "NA"),
        ("both.png", "NA"),
        ("both.png", "roof"),
    ]
    fill(raw, GOOD)
    with (raw / "labels.csv").open("a", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(bad)
    (raw / "empty.png").touch()
    (raw / "words.png").write_text("no image")
    (raw / "cut.png").write_bytes(picture(1, size=(64, 64))[:2000])
    (raw / "folder").mkdir()
    (raw / "circle.png").symlink_to("circle.png")
    ingest.main(tmp_path, params())
    assert manifest.read(tmp_path)["image_id"].tolist() == ["b.png", "c.png", "deep/a, é.png"]
    found = reasons(tmp_path)
    listed = {(f"labels.csv row {number}", image) for number, (image, _) in enumerate(bad, start=5)}
    assert set(found) == listed
    assert {kind for kind, _ in found.values()} == {"rejected"}
    by_image = {image: reason for (_, image), (_, reason) in found.items()}
    assert by_image["missing.png"] == MISSING
    assert by_image["empty.png"] == "the file is empty"
    assert by_image["words.png"] == "not an image in a known format"
    assert by_image["cut.png"].startswith("cannot be decoded: ")
    assert by_image["folder"] == "the path is a folder, not an image"
    assert by_image["../../../outside.png"] == "its path leaves ingest.root"
    assert by_image["circle.png"].startswith("the image cannot be read: ")
    assert by_image["nul\0.png"] == "its path contains a null character"
    assert by_image[str(tmp_path / "outside.png")] == "its path is absolute; expected a path below ingest.root"
    assert "too long" in by_image["n" * 300]
    assert by_image["unlabelled.png"] == "the row has no label"
    assert by_image[""] == "the row names no image"
    assert by_image["both.png"] == "exactly one label is needed, found ['NA', 'roof']"
    assert "WARNING: 14 of 17 rows are unusable; data/rejected.csv lists the reasons" in capsys.readouterr().err


def test_links_are_followed_wherever_they_lead_as_dvc_makes_them_into_its_cache(tmp_path, raw):
    fill(raw, GOOD)
    (tmp_path / "cache").mkdir()
    for number, image in enumerate(("b.png", "c.png")):
        (raw / image).rename(tmp_path / "cache" / f"{number}")
        (raw / image).symlink_to(tmp_path / "cache" / f"{number}")
    (raw / "labels.csv").rename(tmp_path / "cache" / "labels")
    (raw / "labels.csv").symlink_to(tmp_path / "cache" / "labels")
    (raw / "deep").rename(tmp_path / "cache" / "deep")
    (raw / "deep").symlink_to(tmp_path / "cache" / "deep")
    ingest.main(tmp_path, params(max_rejected_frac=0.0))
    assert len(manifest.read(tmp_path)) == 3
    (tmp_path / "cache" / "0").unlink()
    ingest.main(tmp_path, params())
    assert reasons(tmp_path) == {("labels.csv row 2", "b.png"): ("rejected", NOWHERE)}


def test_links_inside_the_folder_and_a_linked_folder_are_followed(tmp_path, raw):
    fill(raw, GOOD)
    (raw / "d.png").symlink_to("b.png")
    with (raw / "labels.csv").open("a") as file:
        file.write("d.png,roof\n")
    (tmp_path / "data/raw/link").symlink_to("own")
    ingest.main(tmp_path, params(root="data/raw/link"))
    assert manifest.read(tmp_path)["image_id"].tolist() == ["b.png", "c.png", "d.png", "deep/a, é.png"]


def test_a_repeated_row_counts_once_and_is_listed_as_left_out(tmp_path, raw):
    fill(raw, [*GOOD, ("b.png", "NA")])
    ingest.main(tmp_path, params(max_rejected_frac=0.0))
    assert len(manifest.read(tmp_path)) == 3
    assert reasons(tmp_path) == {("labels.csv row 5", "b.png"): ("excluded", "repeats labels.csv row 2")}


def test_exclude_merge_and_rare_work_together(tmp_path, raw):
    labels = ["a", "a", "b", "c", "c", "d", "e"]
    fill(raw, [(f"{number}.png", label) for number, label in enumerate(labels)])
    settings = params(exclude=["d"], merge={"ab": ["a", "b"]}, rare={"min_images": 2, "action": "drop"})
    ingest.main(tmp_path, settings)
    assert classes.read(tmp_path) == classes.Classes(("ab", "c"), (3, 2), 5)
    assert manifest.read(tmp_path)["raw_labels"].tolist() == ["a", "a", "b", "c", "c"]
    assert [kind for kind, _ in reasons(tmp_path).values()] == ["excluded", "excluded"]


def test_rarity_is_judged_on_usable_images(tmp_path, raw):
    fill(raw, [("1.png", "a"), ("2.png", "b"), ("3.png", "c"), ("4.png", "c"), ("5.png", "b")], missing=["4.png"])
    ingest.main(tmp_path, params(rare={"min_images": 2, "action": "other"}))
    assert classes.read(tmp_path) == classes.Classes(("b", "other"), (2, 2), 4)


def test_too_many_unusable_rows_stop_the_run_with_reasons_and_examples(tmp_path, raw):
    fill(raw, [*GOOD, ("x.png", "NA"), ("y.png", "NA"), ("z.png", "")], missing=["x.png", "y.png"])
    ingest.main(tmp_path, params(max_rejected_frac=0.5))
    before = (tmp_path / manifest.PATH).read_bytes()
    with pytest.raises(InputError) as caught:
        ingest.main(tmp_path, params(max_rejected_frac=0.49))
    assert str(caught.value).splitlines() == [
        "3 of 6 rows are unusable, more than ingest.max_rejected_frac = 0.49 allows. Correct the rows, or raise "
        "ingest.max_rejected_frac to go on without them:",
        f"  labels.csv row 5: image 'x.png': {MISSING} (and 1 more row)",
        "  labels.csv row 7: image 'z.png': the row has no label",
    ]
    assert (tmp_path / manifest.PATH).read_bytes() == before


@pytest.mark.parametrize(
    ("labels", "settings", "message"),
    [
        ([], {}, "no image was found; expected images of at least two classes; check ingest.root"),
        ([("a.png", "a"), ("b.png", "a")], {}, "all 2 images have the class 'a' and no other; expected at least two"),
        (
            [("a.png", "a"), ("b.png", "a")],
            {"exclude": ["a"]},
            r"no usable image is left of 2 rows. Most frequent reason \(2 of them\): ingest.exclude names 'a'. Correct",
        ),
        (
            [("a.png", "a"), ("b.png", "b")],
            {"rare": {"min_images": 2, "action": "drop"}},
            "no usable image is left of 2 rows.*fewer than 2 images have 'a'",
        ),
    ],
)
def test_fewer_than_two_classes_are_refused_and_the_cause_is_named(tmp_path, raw, labels, settings, message):
    fill(raw, labels)
    with pytest.raises(InputError, match=rf"^{ROOT}: {message}"):
        ingest.main(tmp_path, params(**settings))


def test_a_class_name_with_the_separator_is_refused(tmp_path, raw):
    fill(raw, [("a|b/1.png", ""), ("c/2.png", "")])
    with pytest.raises(InputError, match=r"class name 'a\|b' contains '\|'; rename it"):
        ingest.main(tmp_path, params(source="folder"))


def test_classes_of_equal_size_stand_in_the_order_of_their_names(tmp_path, raw):
    fill(raw, [("1.png", "b"), ("2.png", "a"), ("3.png", "c"), ("4.png", "c")])
    ingest.main(tmp_path, params())
    assert classes.read(tmp_path).names == ("c", "a", "b")


def test_a_missing_labels_file_and_a_wrong_block_are_refused(tmp_path, raw):
    with pytest.raises(InputError, match="the labels file does not exist"):
        ingest.main(tmp_path, params())
    with pytest.raises(InputError, match=r"ingest\.sources\.csv\.delimiter is ';;'"):
        ingest.main(tmp_path, params(sources={"csv": {**CSV, "delimiter": ";;"}}))


def test_decoding_in_threads_leaves_the_filters_of_warnings_alone(tmp_path, raw):
    fill(raw, [(f"{number}.png", "ab"[number % 2]) for number in range(40)])
    before = list(warnings.filters)
    ingest.main(tmp_path, params())
    assert list(warnings.filters) == before


def test_many_labels_of_an_image_are_joined_and_none_is_an_answer(tmp_path, raw, capsys):
    fill(raw, [("a.png", "roof"), ("b.png", ""), ("a.png", "solar"), ("c.png", "solar|roof"), ("d.png", "tree")])
    ingest.main(tmp_path, params(task="multilabel", max_rejected_frac=0.0))
    found = manifest.read(tmp_path)
    assert found["image_id"].tolist() == ["a.png", "b.png", "c.png", "d.png"]
    assert found["labels"].tolist() == ["roof|solar", "", "roof|solar", "tree"]
    assert classes.read(tmp_path) == classes.Classes(("roof", "solar", "tree"), (2, 2, 1), 4)
    assert len(rejected.read(tmp_path)) == 0
    assert capsys.readouterr().out.splitlines()[0] == "4 images: roof 2, solar 2, tree 1; 1 without a label"


def test_every_row_of_an_image_that_cannot_be_used_is_listed_and_counts(tmp_path, raw):
    labels = [("a.png", "x"), ("b.png", "y"), ("gone.png", "x"), ("./gone.png", "y"), ("gone.png", "y")]
    fill(raw, labels, missing=["gone.png", "./gone.png"])
    ingest.main(tmp_path, params(task="multilabel", max_rejected_frac=0.4))
    assert reasons(tmp_path) == {
        ("labels.csv row 4", "gone.png"): ("rejected", MISSING),
        ("labels.csv row 5", "./gone.png"): ("rejected", MISSING),
        ("labels.csv row 6", "gone.png"): ("excluded", "repeats labels.csv row 4"),
    }
    with pytest.raises(
        InputError, match=r"2 of 5 rows are unusable.*\n.*the image does not exist; .* \(and 1 more row\)"
    ):
        ingest.main(tmp_path, params(task="multilabel", max_rejected_frac=0.39))


def test_of_many_labels_exclude_merge_and_rare_work_together(tmp_path, raw):
    cells = ["a", "b|d", "d", "c|e", "c", "", "e", "a|b|c"]
    fill(raw, [(f"{number}.png", cell) for number, cell in enumerate(cells)])
    settings = {"exclude": ["d"], "merge": {"ab": ["a", "b"]}, "rare": {"min_images": 3, "action": "drop"}}
    ingest.main(tmp_path, params(task="multilabel", **settings))
    assert manifest.read(tmp_path)["labels"].tolist() == ["ab", "ab", "c", "c", "", "ab|c"]
    assert classes.read(tmp_path) == classes.Classes(("ab", "c"), (3, 3), 6)
    assert reasons(tmp_path) == {
        ("labels.csv row 4", "2.png"): ("excluded", "ingest.exclude names 'd'"),
        ("labels.csv row 8", "6.png"): ("excluded", "fewer than 3 images have 'e'"),
    }


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        (["", ""], "none of the 2 images has a label; expected at least one label that some images have"),
        (["a", "a"], "all 2 images have the class 'a' and no other.*With task 'multilabel', images without any label"),
        (
            ["a|b", "a|b"],
            r"every one of the 2 images has all 2 labels, \['a', 'b'\]; expected a label that some images",
        ),
    ],
)
def test_labels_that_do_not_distinguish_images_are_refused_and_the_cause_is_named(cells, message):
    rows = [Row(f"row {number}", f"{number}.png", tuple(cell.split("|")), "") for number, cell in enumerate(cells)]
    rows = [row if any(row.labels) else Row(row.where, row.image, (), "") for row in rows]
    with pytest.raises(InputError, match=message):
        assemble(rows, params(task="multilabel"))


def test_one_label_that_some_images_have_is_enough():
    rows = [Row("1", "1.png", ("a",), ""), Row("2", "2.png", (), "")]
    assert assemble(rows, params(task="multilabel")).classes == classes.Classes(("a",), (1,), 2)


def test_with_many_classes_the_most_frequent_are_named_at_the_end(capsys):
    rows = [Row("", f"{name}-{copy}", (f"c{name:02d}",), "") for name in range(52) for copy in range(60 - name)]
    assert ingest.summarise(assemble(rows, params())) == (
        "1794 images: c00 60, c01 59, c02 58, c03 57, c04 56, c05 55, and 46 more with 9 to 54 each"
    )


def test_a_thousand_classes_with_one_image_each_are_classes():
    rows = [Row(f"{number}", f"{number:04d}.png", (f"c{number:04d}",), "") for number in range(1000)]
    found = assemble(rows, params())
    assert found.classes.names == tuple(f"c{number:04d}" for number in range(1000))
    assert found.classes.counts == (1,) * 1000
    assert ingest.summarise(found).endswith("c0005 1, and 994 more with 1 each")


@pytest.mark.parametrize(
    ("task", "count"),
    [("multiclass", 20_000), ("multilabel", 20_000), pytest.param("multiclass", 100_000, marks=pytest.mark.slow)],
)
def test_a_hundred_thousand_rows_take_seconds_without_decoding(tmp_path, task, count):
    tenth = count // 10
    with (tmp_path / "labels.csv").open("w") as file:
        file.write("image,label\n")
        file.writelines(f"deep/{row % (9 * tenth):06d}.png,c{row % (9 * tenth) % 50}\n" for row in range(count))
    settings = params(
        task=task,
        exclude=["c0"],
        merge={"c": ["c1", "c2"]},
        rare={"min_images": count // 50, "action": "other"},
    )
    begin = time.process_time()
    source = sources.find("csv")
    rows = source.read(tmp_path, config.validate(source.Params, CSV), print)
    found = assemble(rows, settings)
    manifest.write(tmp_path, found.manifest)
    rejected.write(tmp_path, found.rejected)
    took = time.process_time() - begin
    assert len(rows) == count
    of_one = 9 * tenth // 50
    assert found.classes == classes.Classes(("other", "c"), (47 * of_one, 2 * of_one), 49 * of_one)
    assert len(found.rejected) == of_one + tenth  # rows of c0, once each, and repetitions
    assert took < count / 5000  # 3 s of one core for a hundred thousand


ODD = ["a b", "a,b", 'say "x"', "<b>&amp;", "Dächer 🏠", "NA", "null", "=1+1", "'", "1e3", "True", "a;b c"]


@pytest.mark.parametrize("source", ["csv", "folder"])
def test_odd_names_of_classes_and_files_come_through_whole(tmp_path, raw, source):
    images_ = [f"{name}/{name}.png" for name in ODD] + ["NA/a|b.png"]
    names = [*ODD, "NA"]
    fill(raw, list(zip(images_, names, strict=True)))
    ingest.main(tmp_path, params(source=source, max_rejected_frac=0.0))
    found = manifest.read(tmp_path)
    assert dict(zip(found["image_id"], found["labels"], strict=True)) == dict(zip(images_, names, strict=True))
    assert classes.read(tmp_path).names == ("NA", *sorted(set(ODD) - {"NA"}))


def test_a_name_that_is_no_utf_8_is_refused_and_listed_in_letters(tmp_path, raw):
    fill(raw, [("x/a.png", ""), ("y/b.png", "")])
    try:
        (raw / os.fsdecode(b"x/\xe9.png")).write_bytes(picture(3))
    except OSError:
        pytest.skip("this file system takes no such name")
    ingest.main(tmp_path, params(source="folder"))
    assert manifest.read(tmp_path)["image_id"].tolist() == ["x/a.png", "y/b.png"]
    assert reasons(tmp_path) == {("x/\\udce9.png", "x/\\udce9.png"): ("rejected", "its path is not UTF-8")}


def test_the_content_of_a_file_counts_and_not_its_suffix(tmp_path, raw):
    fill(raw, [("really.jpg", "x"), ("none", "y")])
    ingest.main(tmp_path, params(max_rejected_frac=0.0))
    assert len(manifest.read(tmp_path)) == 2


def test_a_pipe_is_refused_and_not_waited_for(tmp_path, raw):
    fill(raw, [*GOOD, ("pipe.png", "NA")], missing=["pipe.png"])
    os.mkfifo(raw / "pipe.png")
    ingest.main(tmp_path, params())
    assert list(reasons(tmp_path).values()) == [("rejected", "the path is not a regular file")]


def test_a_bomb_is_refused_without_its_pixels(tmp_path, raw, monkeypatch):
    fill(raw, [*GOOD, ("bomb.png", "NA")])
    buffer = io.BytesIO()
    Image.new("1", (30_000, 20_000)).save(buffer, "PNG")
    (raw / "bomb.png").write_bytes(buffer.getvalue())
    monkeypatch.setattr(scenes, "MAX_SCENE_PX", 2**29)
    ingest.main(tmp_path, params())
    ((kind, reason),) = reasons(tmp_path).values()
    assert kind == "rejected"
    assert reason.startswith("30000 x 20000 px take 4.5 GiB to decode, more than the 1.5 GiB that an image may take")


def test_two_spellings_of_a_path_are_one_image_under_its_clean_name(tmp_path, raw):
    fill(raw, [*GOOD, ("./b.png", "NA"), ("deep//a, é.png", "roof")])
    ingest.main(tmp_path, params(root=f"./{ROOT}/"))
    assert manifest.read(tmp_path)["path"].tolist() == [
        f"{ROOT}/{name}" for name in ("b.png", "c.png", "deep/a, é.png")
    ]
    assert reasons(tmp_path) == {
        ("labels.csv row 5", "./b.png"): ("excluded", "repeats labels.csv row 2"),
        ("labels.csv row 6", "deep//a, é.png"): ("excluded", "repeats labels.csv row 3"),
    }


def test_a_path_with_a_leading_slash_is_refused_wherever_it_leads(tmp_path, raw):
    fill(raw, GOOD)
    with (raw / "labels.csv").open("a") as file:
        file.write(f"{raw}/b.png,NA\n")
    ingest.main(tmp_path, params())
    ((kind, reason),) = reasons(tmp_path).values()
    absolute = "its path is absolute; expected a path below ingest.root; the nearest is 'b.png'"
    assert (kind, reason) == ("rejected", absolute)


def test_a_folder_behind_a_link_outwards_is_read_and_a_link_to_nowhere_is_listed(tmp_path, raw):
    fill(raw, [("x/a.png", ""), ("y/b.png", "")])
    (tmp_path / "elsewhere").mkdir()
    for name in ("c.png", "d.png"):
        (tmp_path / "elsewhere" / name).write_bytes(picture(3))
    (raw / "z").symlink_to(tmp_path / "elsewhere")
    (raw / "gone").symlink_to("nowhere")
    ingest.main(tmp_path, params(source="folder"))
    assert manifest.read(tmp_path)["image_id"].tolist() == ["x/a.png", "y/b.png", "z/c.png", "z/d.png"]
    assert {image: reason for (_, image), (_, reason) in reasons(tmp_path).items()} == {"gone": NOWHERE}


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_equal_files_under_different_labels_are_told_loudly(tmp_path, raw, capsys, task):
    fill(raw, [("a.png", "x"), ("b.png", "y"), ("c.png", "y"), ("d.png", "x"), ("e.png", "y"), ("f.png", "y")])
    for copy, original in (("c.png", "a.png"), ("d.png", "a.png"), ("e.png", "b.png")):
        (raw / copy).write_bytes((raw / original).read_bytes())
    ingest.main(tmp_path, params(task=task))
    assert capsys.readouterr().err == (
        "WARNING: 3 images have the same bytes as others with other labels, such as 'a.png' (x) and 'c.png' (y); "
        "correct their labels, or remove them\n"
    )


def test_equal_files_under_one_label_are_no_matter(tmp_path, raw, capsys):
    fill(raw, [("a.png", "x"), ("b.png", "y"), ("c.png", "z")])
    (raw / "c.png").write_bytes((raw / "b.png").read_bytes())
    ingest.main(tmp_path, params(merge={"yz": ["y", "z"]}))
    assert capsys.readouterr().err == ""


SLOW = """
import time
from counterpoise.dataset import decoding
from counterpoise.stages import ingest, run

decode = decoding.decode

def slowly(folder, bands, found, image):
    print("decoding", flush=True)
    time.sleep(0.1)
    return decode(folder, bands, found, image)

decoding.decode = slowly
run(ingest.main, ingest.Params)
"""


def test_ctrl_c_ends_decoding_at_once_without_a_traceback_or_half_an_artifact(tmp_path, raw):
    fill(
        raw, [(f"{number}.png", "ab"[number % 2]) for number in range(1000)], missing=[f"{n}.png" for n in range(1000)]
    )
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params().model_dump(mode="json")))
    begin = time.perf_counter()
    child = subprocess.Popen(
        [sys.executable, "-c", SLOW], cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with child:
        assert child.stdout is not None
        assert child.stdout.readline().startswith("decoding")  # several workers may begin at once
        child.send_signal(signal.SIGINT)
        _, told = child.communicate(timeout=60)
    assert time.perf_counter() - begin < 0.1 * 1000 / (os.cpu_count() or 1)
    assert child.returncode == 130
    assert [line for line in told.splitlines() if line] == ["interrupted; run `dvc repro` to continue"]
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]


def test_a_file_that_may_not_grow_is_told_with_the_path_and_leaves_no_half_artifact(tmp_path, raw):
    fill(raw, [(f"{number:03d}" + "x" * 100 + ".png", "ab"[number % 2]) for number in range(40)])
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params().model_dump(mode="json")))
    script = (
        "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (8000, 8000));"
        "from counterpoise.stages import ingest, run; run(ingest.main, ingest.Params)"
    )
    found = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    path = tmp_path / manifest.PATH
    assert found.stderr.strip().startswith(f"{path}: the file would be larger than the system allows")
    assert len(found.stderr.strip().splitlines()) == 1
    assert [path.name for path in (tmp_path / "data").iterdir()] == ["raw"]


def fill_with(raw: Path, arrays: Sequence[NDArray[Any]], suffix: str) -> None:
    """Write twelve images of two classes, the arrays in turn."""
    names = [f"{number}{suffix}" for number in range(12)]
    fill(raw, [(name, "ab"[number % 3 == 0]) for number, name in enumerate(names)], missing=names)
    for number, name in enumerate(names):
        Image.fromarray(arrays[number % len(arrays)]).save(raw / name)


RAMP = np.tile(np.linspace(0, 1, 40), (40, 1))


@pytest.mark.parametrize(
    ("arrays", "suffix", "brightest"),
    [
        ([(RAMP * 4095).astype(np.uint16)], ".png", [255]),
        ([(RAMP * 255).astype(np.uint16)], ".png", [255]),
        ([RAMP.astype(np.float32), (RAMP / 10).astype(np.float32)], ".tif", [255, 25]),
        ([(RAMP * 200 - 100).astype(np.int32)], ".tif", [255]),
        ([np.dstack([(RAMP * 255).astype(np.uint8)] * 3 + [np.full((40, 40), 40, np.uint8)])], ".tif", [255]),
    ],
    ids=["12 bits in 16", "8 bits in 16", "levels of floats", "signed", "near infrared"],
)
def test_pictures_of_any_depth_are_seen(arrays, suffix, brightest, tmp_path, raw, capsys):
    fill_with(raw, arrays, suffix)
    ingest.main(tmp_path, params())
    found = pixels_file.read(tmp_path)
    assert capsys.readouterr().out.splitlines()[1] == f"pixels: {found.found}"
    by_name = dict(zip(manifest.read(tmp_path)["image_id"], thumbnails.read(tmp_path), strict=True))
    for number in range(12):
        image = by_name[f"{number}{suffix}"]
        assert (image == images.thumbnail(images.decode((raw / f"{number}{suffix}").read_bytes(), found))).all()
        assert int(image.max()) == pytest.approx(brightest[number % len(arrays)], abs=4)
        assert int(image.min()) <= 4


def test_a_range_and_bands_may_be_stated(tmp_path, raw):
    fill_with(raw, [np.dstack([np.full((9, 9), value, np.uint8) for value in (10, 20, 30)])], ".png")
    ingest.main(tmp_path, params(pixel_range=[10, 30], bands=[2]))
    assert (thumbnails.read(tmp_path) == 255).all()
    assert pixels_file.read(tmp_path).bands == (2,)


def test_an_image_that_lacks_a_stated_band_is_a_rejected_row(tmp_path, raw):
    fill_with(raw, [np.zeros((9, 9, 3), np.uint8), np.zeros((9, 9), np.uint8)], ".png")
    ingest.main(tmp_path, params(bands=[2]))
    assert len(reasons(tmp_path)) == 6
    assert {reason for _, reason in reasons(tmp_path).values()} == {
        "it has 1 bands, numbered from 0; ingest.bands asks for band 2"
    }


@pytest.mark.parametrize(
    "changes", [{"pixel_range": [3, 3]}, {"bands": [0, 1]}, {"bands": [-1]}, {"background": "red"}]
)
def test_impossible_ways_to_show_pixels_are_refused(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        params(**changes)


def test_decoding_in_threads_shares_a_budget(tmp_path, raw, monkeypatch):
    fill(raw, [(f"{number}.png", "ab"[number % 2]) for number in range(8)])
    budget, most = Budget(1500), []  # an image takes some 400 bytes
    monkeypatch.setattr(samples, "_BUDGET", budget)
    render = images.render

    def noting(*arguments: Any) -> images.RGB:
        most.append(1500 - budget.free)
        return render(*arguments)

    monkeypatch.setattr(images, "render", noting)
    ingest.main(tmp_path, params())
    assert len(most) == 8
    assert 300 < max(most) <= 1500
    assert budget.free == 1500


def test_pictures_that_show_nothing_are_told(tmp_path, raw, capsys):
    fill_with(raw, [(RAMP * 4095).astype(np.uint16)], ".png")
    ingest.main(tmp_path, params(pixel_range=[0, 10**6]))
    assert "no picture has a contrast of more than 1 of 255, so all look alike; check" in capsys.readouterr().err
    ingest.main(tmp_path, params(pixel_range=[0, 4095]))
    assert "contrast" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ([(RAMP * 15).astype(np.uint8)], "no picture has a contrast of more than 1"),  # 4 bits in 8: 15 or 16 of 255
        ([(RAMP * 4095).astype(np.uint16)] * 3 + [(RAMP * 65535).astype(np.uint16)], "half of the pictures have"),
        ([(RAMP * 255).astype(np.uint8)] * 2 + [(RAMP * 9).astype(np.uint8)] * 9, ""),
    ],
    ids=["4 bits in 8", "one picture decides the range", "8 bits as they are"],
)
def test_pictures_that_are_nearly_black_are_told(arrays, said, tmp_path, raw, capsys):
    fill_with(raw, arrays, ".png")
    ingest.main(tmp_path, params())
    told = capsys.readouterr().err
    assert said in told
    assert said or "contrast" not in told
