import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.config import InputError
from counterpoise.sources import Row
from counterpoise.sources import csv as source

PARAMS = source.Params(file="labels.csv", image_column="image", label_column="label", group_column="", delimiter=",")
GROUPED = PARAMS.model_copy(update={"group_column": "site"})


def read(folder: Path, text: str, params: source.Params = PARAMS) -> list[Row]:
    (folder / "labels.csv").write_text(text, encoding="utf-8", newline="")
    return source.read(folder, params)


def refusal(folder: Path, text: str, params: source.Params = PARAMS) -> str:
    with pytest.raises(InputError) as caught:
        read(folder, text, params)
    return str(caught.value)


def test_rows_are_read_with_their_place(tmp_path):
    found = read(tmp_path, "image,label\na.png,roof\nb.png,NA\n")
    assert found == [
        Row("labels.csv row 2", "a.png", ("roof",), ""),
        Row("labels.csv row 3", "b.png", ("NA",), ""),
    ]


def test_columns_are_found_by_name_and_groups_are_read(tmp_path):
    found = read(tmp_path, "site,more,label,image\nnorth,1,roof,a.png\n", GROUPED)
    assert found == [Row("labels.csv row 2", "a.png", ("roof",), "north")]


def test_a_cell_may_hold_several_labels_or_none(tmp_path):
    found = read(tmp_path, "image,label\na.png,roof | door\nb.png,\nc.png,|roof|\n")
    assert [row.labels for row in found] == [("roof", "door"), (), ("roof",)]


def test_blank_lines_count_as_rows_and_hold_nothing(tmp_path):
    found = read(tmp_path, "image,label\n\na.png,roof\n\n")
    assert [row.where for row in found] == ["labels.csv row 3"]


@pytest.mark.parametrize("start", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_files_of_spreadsheets_are_read(tmp_path, start, end):
    found = read(
        tmp_path, f'{start}image;label{end}"a;b.png";"say ""roof"""{end}', PARAMS.model_copy(update={"delimiter": ";"})
    )
    assert found == [Row("labels.csv row 2", "a;b.png", ('say "roof"',), "")]


def test_a_table_without_rows_gives_none(tmp_path):
    assert read(tmp_path, "image,label\n") == []


cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="|\0")).map(str.strip)


@given(rows=st.lists(st.tuples(cells, cells, cells)), delimiter=st.sampled_from(",;\t"))
def test_what_csv_writer_wrote_is_read_back(tmp_path_factory, rows, delimiter):
    folder = tmp_path_factory.getbasetemp()
    with (folder / "every.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, delimiter=delimiter)
        writer.writerow(["image", "label", "site"])
        writer.writerows(rows)
    params = GROUPED.model_copy(update={"file": "every.csv", "delimiter": delimiter})
    expected = [
        Row(f"every.csv row {number}", image, (label,) if label else (), site)
        for number, (image, label, site) in enumerate(rows, start=2)
    ]
    assert source.read(folder, params) == expected


def test_a_missing_table_says_what_to_set(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv: the labels file does not exist; set ingest\.root and ingest"):
        source.read(tmp_path, PARAMS)


def test_an_empty_table_says_what_its_first_row_should_be(tmp_path):
    assert "is empty; its first row should name the columns" in refusal(tmp_path, "")


def test_a_missing_column_is_named_with_the_one_that_was_meant(tmp_path):
    text = refusal(tmp_path, "image,labels\na.png,roof\n")
    assert text.endswith("there is no column 'label'; expected one of ['image', 'labels']; did you mean 'labels'?")
    assert "there is no column 'site'" in refusal(tmp_path, "image,label\na.png,roof\n", GROUPED)


@pytest.mark.parametrize(("row", "count"), [("a.png", 1), ("a.png,roof,more", 3)])
def test_a_row_with_too_few_or_too_many_cells_is_named(tmp_path, row, count):
    text = refusal(tmp_path, f"image,label\nb.png,roof\n{row}\n")
    assert text.endswith(f"row 3: found {count} cells, expected 2")


def test_other_encodings_are_refused_with_the_byte(tmp_path):
    (tmp_path / "labels.csv").write_bytes("image,label\na.png,Dächer\n".encode("latin-1"))
    with pytest.raises(InputError, match=r"not UTF-8 \(.* at byte \d+\); save it as UTF-8"):
        source.read(tmp_path, PARAMS)


def test_an_open_quote_is_refused(tmp_path):
    assert "not a table" in refusal(tmp_path, 'image,label\n"a.png,roof\n')
