import contextlib
import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise import config
from counterpoise.config import InputError
from counterpoise.sources import Row
from counterpoise.sources import csv as source

PARAMS = source.Params(
    file="labels.csv", image_column="image", label_column="label", join_columns=(), group_column="", delimiter=","
)
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


def test_cells_of_other_columns_are_joined_to_each_label(tmp_path):
    params = PARAMS.model_copy(update={"join_columns": ("type", "side"), "group_column": "site"})
    found = read(
        tmp_path, "image,label,site,side,type\na.png,roof|door,north,left, flat \nb.png,,north,left,flat\n", params
    )
    assert [row.labels for row in found] == [("roof/flat/left", "door/flat/left"), ()]
    assert [row.group for row in found] == ["north", "north"]
    assert "there is no column 'typ'" in refusal(
        tmp_path, "image,label,type\n", PARAMS.model_copy(update={"join_columns": ("typ",)})
    )


def test_a_cell_may_hold_several_labels_or_none(tmp_path):
    found = read(tmp_path, "image,label\na.png,roof | door\nb.png,\nc.png,|roof|\n")
    assert [row.labels for row in found] == [("roof", "door"), (), ("roof",)]


def test_blank_lines_count_as_rows_and_hold_nothing(tmp_path):
    found = read(tmp_path, "image,label\n\na.png,roof\n\n")
    assert [row.where for row in found] == ["labels.csv row 3"]


@pytest.mark.parametrize("start", ["\ufeff", ""])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
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
    assert "is empty; expected a first row with the names of the columns" in refusal(tmp_path, "")


def test_a_missing_column_is_named_with_the_one_that_was_meant(tmp_path):
    text = refusal(tmp_path, "image,labels\na.png,roof\n")
    assert text.endswith("there is no column 'label'; expected one of ['image', 'labels']; did you mean 'labels'?")
    assert "there is no column 'site'" in refusal(tmp_path, "image,label\na.png,roof\n", GROUPED)


@pytest.mark.parametrize(("row", "count"), [("a.png", 1), ("a.png,roof,more", 3)])
def test_a_row_with_too_few_or_too_many_cells_is_named(tmp_path, row, count):
    text = refusal(tmp_path, f"image,label\nb.png,roof\n{row}\n")
    assert f"row 3: found {count} cells, expected 2; put cells that contain ',' in double quotes" in text


@pytest.mark.parametrize(
    ("encoding", "place"),
    [("latin-1", "line 3: not UTF-8 (invalid continuation byte at byte 23)"), ("utf-16", "line 1")],
)
def test_other_encodings_are_refused_with_line_and_byte(tmp_path, encoding, place):
    (tmp_path / "labels.csv").write_bytes("image,label\nb,x\na.png,Dächer\n".encode(encoding))
    with pytest.raises(InputError) as caught:
        source.read(tmp_path, PARAMS)
    assert f"labels.csv {place}" in str(caught.value)
    assert str(caught.value).endswith("; save it as UTF-8")


def test_the_line_is_right_in_a_large_file_with_a_byte_order_mark(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbfimage,label\n" + b"a.png,x\n" * 20_000 + b"a.png,\xff\n")
    with pytest.raises(InputError, match=r"line 20002: not UTF-8 \(invalid start byte at byte 160021\)"):
        source.read(tmp_path, PARAMS)


def test_an_open_quote_is_refused_with_its_line(tmp_path):
    assert "labels.csv line 3: not a table" in refusal(tmp_path, 'image,label\nb.png,NA\n"a.png,roof\n')


@pytest.mark.parametrize("name", ["image", "label", "site"])
def test_two_columns_of_a_wanted_name_are_refused_and_others_do_not_matter(tmp_path, name):
    text = refusal(tmp_path, f"image,label,site,more,{name}\na.png,roof,north,1,2\n", GROUPED)
    assert text.endswith(f"2 columns are named {name!r}; rename all but one")
    assert len(read(tmp_path, "image,label,more,more,site\na.png,roof,1,2,3\n")) == 1


@pytest.mark.parametrize("file", ["../labels.csv", "/data/labels.csv", "a/../../labels.csv", ".."])
def test_a_table_outside_the_folder_is_refused_as_a_parameter(file):
    with pytest.raises(InputError) as caught:
        config.validate(source.Params, {**PARAMS.model_dump(), "file": file}, "ingest.sources.csv")
    assert str(caught.value) == (
        f"params.yaml: ingest.sources.csv.file is {file!r}; expected a path below ingest.root, without a leading `/` "
        "and without `..`"
    )


@pytest.mark.parametrize("delimiter", ["", ";;", '"', "\n", "\r"])
def test_what_separates_no_columns_is_refused_as_a_parameter(delimiter):
    with pytest.raises(InputError) as caught:
        config.validate(source.Params, {**PARAMS.model_dump(), "delimiter": delimiter}, "ingest.sources.csv")
    assert str(caught.value).endswith("expected one character, neither a double quote nor a line end")


def test_a_link_is_followed_inside_the_folder_and_refused_outwards(tmp_path):
    folder = tmp_path / "own"
    folder.mkdir()
    (tmp_path / "labels.csv").write_text("image,label\na.png,roof\n")
    (folder / "labels.csv").symlink_to(tmp_path / "labels.csv")
    with pytest.raises(
        InputError, match=r"the labels file is a link that leaves ingest\.root; put the file itself there"
    ):
        source.read(folder, PARAMS)
    (tmp_path / "labels.csv").rename(folder / "table.csv")
    (folder / "labels.csv").unlink()
    (folder / "labels.csv").symlink_to("table.csv")
    (tmp_path / "link").symlink_to("own")
    assert len(source.read(tmp_path / "link", PARAMS)) == 1


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"image,label\n", b"image,label,site\r\n", b"\xef\xbb\xbfimage,label\r"]),
)
def test_any_bytes_give_rows_or_a_reason_and_nothing_else(tmp_path_factory, data, header):
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.csv").write_bytes(header + data)
    with contextlib.suppress(InputError):
        source.read(folder, PARAMS.model_copy(update={"file": "any.csv"}))


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


@given(
    st.lists(names, min_size=3, max_size=6, unique=True), st.randoms(use_true_random=False), st.sampled_from(",;\t|")
)
def test_columns_of_any_name_are_found_in_any_place(tmp_path_factory, columns, random, delimiter):
    folder = tmp_path_factory.getbasetemp()
    image, label, site = random.sample(columns, 3)
    cells = {**dict.fromkeys(columns, "else"), image: "a.png", label: "roof", site: "north"}
    with (folder / "columns.csv").open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL)
        table.writerows([columns, [cells[name] for name in columns]])
    params = source.Params(
        file="columns.csv",
        image_column=image,
        label_column=label,
        join_columns=(),
        group_column=site,
        delimiter=delimiter,
    )
    assert source.read(folder, params) == [Row("columns.csv row 2", "a.png", ("roof",), "north")]
