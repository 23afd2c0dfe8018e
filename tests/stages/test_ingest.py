import csv
import hashlib
import io
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from counterpoise import config, images
from counterpoise.artifacts import classes, manifest, rejected, thumbnails
from counterpoise.config import InputError
from counterpoise.sources import Row
from counterpoise.stages import ingest

ROOT = "data/raw/own"
CSV = {"file": "labels.csv", "image_column": "image", "label_column": "label", "group_column": "", "delimiter": ","}


def params(**changes: object) -> ingest.Params:
    values = {
        "root": ROOT,
        "source": "csv",
        "sources": {"csv": CSV, "folder": {}},
        "exclude": [],
        "merge": {},
        "rare": {"min_images": 1, "action": "keep"},
        "max_rejected_frac": 1.0,
        **changes,
    }
    return config.validate(ingest.Params, {"task": "multiclass", "ingest": values})


def row(image: str, label: str = "a", number: int = 2, group: str = "") -> Row:
    return Row(f"labels.csv row {number}", image, (label,) if label else (), group)


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
    assert classes.read(tmp_path) == classes.Classes(("NA", "roof"), (2, 1))
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
        ("link.png", "NA"),
        ("linked/outside.png", "NA"),
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
    (raw / "link.png").symlink_to(tmp_path / "outside.png")
    (raw / "linked").symlink_to(tmp_path)
    (raw / "circle.png").symlink_to("circle.png")
    ingest.main(tmp_path, params())
    assert manifest.read(tmp_path)["image_id"].tolist() == ["b.png", "c.png", "deep/a, é.png"]
    found = reasons(tmp_path)
    listed = {(f"labels.csv row {number}", image) for number, (image, _) in enumerate(bad, start=5)}
    assert set(found) == listed
    assert {kind for kind, _ in found.values()} == {"rejected"}
    by_image = {image: reason for (_, image), (_, reason) in found.items()}
    assert by_image["missing.png"] == "the image does not exist"
    assert by_image["empty.png"] == "the file is empty"
    assert by_image["words.png"] == "not an image in a known format"
    assert by_image["cut.png"].startswith("cannot be decoded: ")
    assert by_image["folder"] == "the image is a folder"
    for image in ("../../../outside.png", str(tmp_path / "outside.png"), "link.png", "linked/outside.png", "nul\0.png"):
        assert by_image[image] == "its path leaves ingest.root"
    assert "too long" in by_image["n" * 300]
    assert by_image["unlabelled.png"] == "the row has no label"
    assert by_image[""] == "the row names no image"
    assert by_image["both.png"] == "exactly one label is needed, found ['NA', 'roof']"
    assert "WARNING: 16 of 19 rows are unusable; data/rejected.csv says why" in capsys.readouterr().err


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


def test_rows_that_contradict_each_other_are_all_refused():
    rows = [row("x", "a", 2), row("x", "b", 3), row("y", "a", 4, "north"), row("y", "a", 5, "south"), row("z", "a", 6)]
    usable, refused = ingest.one_row_per_image(rows)
    assert usable == [rows[4]]
    assert [(found.where, kind, reason) for found, kind, reason in refused] == [
        ("labels.csv row 2", "rejected", "exactly one label is needed, found ['a', 'b']"),
        ("labels.csv row 3", "rejected", "exactly one label is needed, found ['a', 'b']"),
        ("labels.csv row 4", "rejected", "the image stands in several groups: ['north', 'south']"),
        ("labels.csv row 5", "rejected", "the image stands in several groups: ['north', 'south']"),
    ]


def test_classes_are_excluded_and_merged():
    rows = [row("1", "a"), row("2", "b"), row("3", "c"), row("4", "d")]
    kept, left_out = ingest.choose_classes(rows, ["d"], {"ab": ("a", "b")})
    assert [(found.image, found.labels) for found in kept] == [("1", ("ab",)), ("2", ("ab",)), ("3", ("c",))]
    assert left_out == [(rows[3], "excluded", "class 'd' is excluded")]


@pytest.mark.parametrize(
    ("exclude", "merge", "message"),
    [
        (["rof"], {}, r"ingest\.exclude names 'rof', which no row has; expected one of .*; did you mean 'roof'\?"),
        ([], {"new": ("roof", "dor")}, r"ingest\.merge\.new names 'dor', which no row has; .* did you mean 'door'\?"),
        (["roof"], {"new": ("roof", "door")}, "name 'roof' 2 times; once is needed"),
        ([], {"new": ("roof",), "other": ("roof",)}, "name 'roof' 2 times; once is needed"),
    ],
)
def test_names_of_no_class_and_names_used_twice_are_refused(exclude, merge, message):
    with pytest.raises(InputError, match=message):
        ingest.choose_classes([row("1", "roof"), row("2", "door")], exclude, merge)


RARE = [row("1", "a"), row("2", "a"), row("3", "b"), row("4", "c")]


def test_rare_classes_are_kept():
    assert ingest.treat_rare(RARE, ingest.Rare(min_images=2, action="keep")) == (RARE, [])


def test_rare_classes_are_dropped():
    reason = "its class has fewer than 2 images"
    found = ingest.treat_rare(RARE, ingest.Rare(min_images=2, action="drop"))
    assert found == (RARE[:2], [(RARE[2], "excluded", reason), (RARE[3], "excluded", reason)])


def test_rare_classes_are_grouped_as_other():
    kept, left_out = ingest.treat_rare(RARE, ingest.Rare(min_images=2, action="other"))
    assert [found.labels for found in kept] == [("a",), ("a",), ("other",), ("other",)]
    assert [found.image for found in kept] == ["1", "2", "3", "4"]
    assert left_out == []


def test_a_class_with_just_enough_images_is_not_rare():
    for action in ("drop", "other"):
        assert ingest.treat_rare(RARE, ingest.Rare(min_images=1, action=action)) == (RARE, [])


def test_exclude_merge_and_rare_work_together(tmp_path, raw):
    labels = ["a", "a", "b", "c", "c", "d", "e"]
    fill(raw, [(f"{number}.png", label) for number, label in enumerate(labels)])
    settings = params(exclude=["d"], merge={"ab": ["a", "b"]}, rare={"min_images": 2, "action": "drop"})
    ingest.main(tmp_path, settings)
    assert classes.read(tmp_path) == classes.Classes(("ab", "c"), (3, 2))
    assert [kind for kind, _ in reasons(tmp_path).values()] == ["excluded", "excluded"]


def test_rarity_is_judged_on_usable_images(tmp_path, raw):
    fill(raw, [("1.png", "a"), ("2.png", "b"), ("3.png", "c"), ("4.png", "c"), ("5.png", "b")], missing=["4.png"])
    ingest.main(tmp_path, params(rare={"min_images": 2, "action": "other"}))
    assert classes.read(tmp_path) == classes.Classes(("b", "other"), (2, 2))


def test_too_many_unusable_rows_stop_the_run_with_reasons_and_examples(tmp_path, raw):
    fill(raw, [*GOOD, ("x.png", "NA"), ("y.png", "NA"), ("z.png", "")], missing=["x.png", "y.png"])
    ingest.main(tmp_path, params(max_rejected_frac=0.5))
    before = (tmp_path / manifest.PATH).read_bytes()
    with pytest.raises(InputError) as caught:
        ingest.main(tmp_path, params(max_rejected_frac=0.49))
    assert str(caught.value).splitlines() == [
        "3 of 6 rows are unusable, more than ingest.max_rejected_frac = 0.49 allows:",
        "  labels.csv row 5: image 'x.png': the image does not exist (2 such rows)",
        "  labels.csv row 7: image 'z.png': the row has no label (1 such rows)",
    ]
    assert (tmp_path / manifest.PATH).read_bytes() == before


@pytest.mark.parametrize("labels", [[], [("a.png", "a")], [("a.png", "a"), ("b.png", "a")]])
def test_fewer_than_two_classes_are_refused(tmp_path, raw, labels):
    fill(raw, labels)
    with pytest.raises(InputError, match=rf"{ROOT}: at least two classes are needed, found"):
        ingest.main(tmp_path, params())


def test_a_class_name_with_the_separator_is_refused(tmp_path, raw):
    fill(raw, [("a|b/1.png", ""), ("c/2.png", "")])
    with pytest.raises(InputError, match=r"class name 'a\|b' holds '\|'; rename it"):
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
