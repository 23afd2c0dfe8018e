"""Every kind of bad box: what becomes of it, and what is said."""

import io
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from counterpoise import images
from counterpoise.dataset import box_curation, curation
from counterpoise.dataset.box_curation import Curated
from counterpoise.dataset.decoding import Decoded
from counterpoise.dataset.pixels import Seen
from counterpoise.sources import Corners, Row

SIZE = (100, 40)


def decoded(size: tuple[int, int] = SIZE, orientation: int = 1) -> Decoded:
    """Make what is known of a picture of this size after EXIF turning."""
    return Decoded(
        size[0], size[1], "", np.zeros((32, 32), np.uint8), Seen("8 bits", 0, 0, 0, "none", None), orientation
    )


def row(*corners: float, number: int = 0, label: str = "cell", size: tuple[int, int] | None = None) -> Row:
    x0, y0, x1, y1 = corners
    return Row(f"row {number}", "a.png", (label,), "", box=(x0, y0, x1, y1), size_px=size)


def curate(*rows: Row, picture: Decoded | None = None) -> Curated:
    found, refused = curation.join([Row("image", "a.png", (), ""), *rows], "detection")
    assert refused == []
    return box_curation.curate(found, {"a.png": picture or decoded()})


def corners_of(found: Curated) -> list[Corners]:
    return [box.corners for image in found.images for box in image.boxes]


INSIDE = (10.0, 10.0, 20.0, 30.0)


@pytest.mark.parametrize(
    ("corners", "reason"),
    [
        ((5, 5, 5, 9), "the box has no area: (5, 5, 5, 9)"),
        ((5, 5, 9, 5), "the box has no area"),
        ((5, 5, 5 + 1e-7, 9), "the box has no area"),
        ((math.nan, 5, 9, 9), "a coordinate is not a finite number: (nan, 5, 9, 9)"),
        ((5, 5, math.inf, 9), "a coordinate is not a finite number"),
        ((9, 5, 5, 9), "its corners are swapped: (9, 5, 5, 9); expected left, top, right, bottom"),
        ((5, 9, 9, 5), "its corners are swapped"),
        ((100, 5, 110, 9), "the box is outside its picture of 100 x 40 px: (100, 5, 110, 9)"),
        ((5, -9, 9, 0), "the box is outside its picture"),
        ((-6, 5, 4, 9), "more than half of the box is outside its picture of 100 x 40 px: (-6, 5, 4, 9)"),
    ],
)
def test_what_is_no_box_is_rejected_with_its_numbers_and_the_image_stays(corners, reason):
    bad, good = row(*corners, number=1), row(*INSIDE, number=2)
    found = curate(bad, good)
    assert corners_of(found) == [INSIDE]
    (refusal,) = found.refused
    assert refusal[:2] == (bad, "rejected")
    assert refusal[2].startswith(reason)
    alone = curate(bad)
    assert [(image.image, image.labels, image.boxes) for image in alone.images] == [("a.png", (), ())]
    assert [refused.where for refused in alone.images[0].rows] == ["image"]


def test_a_box_that_reaches_out_is_clipped_listed_and_warned_of():
    out = row(-5, 10, 15, 50)
    found = curate(out)
    assert corners_of(found) == [(0, 10, 15, 40)]
    reason = "clipped to its picture of 100 x 40 px: (-5, 10, 15, 50) became (0, 10, 15, 40)"
    assert found.refused == ((out, "clipped", reason),)
    assert found.warnings == (
        "1 box is partly outside the picture, such as row 0; that part is cut off, and data/rejected.csv lists them",
    )


def test_exactly_half_inside_is_enough():
    assert corners_of(curate(row(-5, 5, 5, 9))) == [(0, 5, 5, 9)]


def test_what_rounding_of_decimals_put_outside_is_put_back_without_a_word():
    found = curate(row(-0.005, 5, 100.005, 9))
    assert corners_of(found) == [(0, 5, 100, 9)]
    assert (found.refused, found.warnings) == ((), ())


def test_a_box_below_2_px_is_kept_and_warned_of():
    found = curate(row(5, 5, 6.5, 30))
    assert corners_of(found) == [(5, 5, 6.5, 30)]
    assert found.warnings == ("1 box is less than 2 px wide or high, such as row 0",)
    assert curate(row(5, 5, 7, 30)).warnings == ()


def test_the_same_box_twice_is_rejected_and_of_another_class_kept_and_warned_of():
    first, again, other = row(*INSIDE, number=1), row(*INSIDE, number=2), row(*INSIDE, number=3, label="virus")
    found = curate(first, again, other)
    assert [(box.label, box.row.where) for box in found.images[0].boxes] == [("cell", "row 1"), ("virus", "row 3")]
    assert found.refused == ((again, "rejected", "it has class and corners of row 1"),)
    (warning,) = found.warnings
    assert "is where a box of another class is, such as row 1 and row 3" in warning


def test_labels_of_an_image_are_the_classes_of_boxes_that_are_not_ignored():
    crowd = Row("row 9", "a.png", ("crowd",), "", box=INSIDE, ignore=True)
    found = curate(row(1, 1, 9, 9, label="virus"), row(*INSIDE), crowd)
    assert found.images[0].labels == ("cell", "virus")
    assert [box.ignore for box in found.images[0].boxes] == [False, False, True]


def test_a_class_that_is_left_out_leaves_a_place_that_is_ignored():
    found, _ = curation.join([row(*INSIDE, number=1), row(1, 1, 9, 9, number=2, label="virus")], "detection")
    chosen, refused = curation.choose(found, ["virus"], {"blood": ["cell"]})
    assert [(box.label, box.ignore) for box in chosen[0].boxes] == [("blood", False), ("", True)]
    expected = [("row 2", "excluded", "ingest.exclude names 'virus'; its place is ignored")]
    assert [(refusal[0].where, *refusal[1:]) for refusal in refused] == expected
    alone, _ = curation.choose(found, ["virus", "cell"], {})
    assert [(image.image, image.labels) for image in alone] == [("a.png", ())]


def test_rare_classes_are_dropped_and_grouped_as_for_labels():
    found, _ = curation.join([row(*INSIDE, number=1), row(1, 1, 9, 9, number=2, label="virus")], "detection")
    grouped, refused = curation.treat_rare(found, 2, "other")
    assert ([box.label for box in grouped[0].boxes], refused) == (["other", "other"], [])
    dropped, refused = curation.treat_rare(found, 2, "drop")
    assert [(box.label, box.ignore) for box in dropped[0].boxes] == [("", True), ("", True)]
    assert [reason for _, _, reason in refused] == [
        f"fewer than 2 images have {label!r}; its place is ignored" for label in ("cell", "virus")
    ]


def test_of_one_label_per_image_an_image_without_a_box_left_is_rejected():
    found, _ = curation.join([row(9, 9, 9, 9)], "multiclass")
    curated = box_curation.curate(found, {"a.png": decoded()}).images
    with_rows, _ = curation.join([row(*INSIDE)], "multiclass")
    excluded, _ = curation.choose(with_rows, ["cell"], {})
    fit, refused = box_curation.refuse_unfit([*excluded, *curated], "multiclass")
    assert fit == []
    assert [(kind, reason) for _, kind, reason in refused] == [("rejected", "the row has no label")]
    assert box_curation.refuse_unfit(excluded, "detection") == (excluded, [])


def test_a_stated_size_that_is_not_that_of_the_file_is_rejected():
    found = curate(row(*INSIDE, size=(200, 80)))
    assert [reason for _, _, reason in found.refused] == [
        "its labels are of a picture of 200 x 80 px, but the file has 100 x 40 px"
    ]
    assert corners_of(curate(row(*INSIDE, size=SIZE))) == [INSIDE]
    assert curate(row(*INSIDE, size=SIZE[::-1])).refused


def test_a_stated_size_shows_whether_boxes_are_to_be_turned():
    """The file is stored as 100 x 40 px and shown as 40 x 100 px."""
    turned = decoded((40, 100), orientation=6)
    assert corners_of(curate(row(*INSIDE, size=(40, 100)), picture=turned)) == [INSIDE]
    along = curate(row(*INSIDE, size=(100, 40)), picture=turned)
    assert corners_of(along) == [(10, 10, 30, 20)]
    assert along.warnings == ()


@pytest.mark.parametrize(("size", "orientation"), [((40, 40), 6), ((100, 40), 3), ((100, 40), 2)])
def test_where_the_size_shows_nothing_boxes_stay_as_they_are_with_a_warning(size, orientation):
    found = curate(row(*INSIDE, size=size), picture=decoded(size, orientation))
    assert corners_of(found) == [INSIDE]
    (warning,) = found.warnings
    assert "is in pictures that EXIF turns" in warning
    assert curate(row(*INSIDE), picture=decoded(size, orientation)).warnings == found.warnings


def test_shares_are_of_the_turned_picture():
    shares = Row("row 1", "a.png", ("cell",), "", box=(0.25, 0.5, 0.5, 0.75), unit="frac")
    found = curate(shares, picture=decoded((40, 100), orientation=6))
    assert (corners_of(found), found.warnings) == ([(10, 50, 20, 75)], ())


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_turned_box_lies_where_its_object_is_shown(orientation):
    """A bright rectangle is stored, the decoder turns the picture, and the box is sought in it."""
    stored = np.zeros((40, 100, 3), np.uint8)
    stored[10:30, 5:20] = 255
    exif = Image.Exif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    Image.fromarray(stored).save(buffer, "PNG", exif=exif)
    bright = images.decode(buffer.getvalue())[..., 0] > 0
    rows, columns = np.flatnonzero(bright.any(axis=1)), np.flatnonzero(bright.any(axis=0))
    shown = (columns[0], rows[0], columns[-1] + 1, rows[-1] + 1)
    assert box_curation.turn((5, 10, 20, 30), 100, 40, orientation) == shown


@given(st.integers(1, 8), st.tuples(*[st.integers(0, 40)] * 4))
def test_turning_keeps_boxes_inside_and_their_area(orientation, corners):
    x0, x1 = sorted(corners[:2])
    y0, y1 = sorted(corners[2:])
    found = box_curation.turn((x0, y0, x1, y1), 100, 40, orientation)
    width, height = (40, 100) if orientation >= 5 else (100, 40)
    assert 0 <= found[0] <= found[2] <= width
    assert 0 <= found[1] <= found[3] <= height
    assert (found[2] - found[0]) * (found[3] - found[1]) == (x1 - x0) * (y1 - y0)
