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
    file="labels.csv",
    image_column="image",
    label_column="label",
    label_columns=(),
    label_separator="|",
    join_columns=(),
    group_column="",
    split_column="",
    delimiter=",",
)
GROUPED = PARAMS.model_copy(update={"group_column": "site"})


def read(folder: Path, text: str, params: source.Params = PARAMS) -> list[Row]:
    (folder / "labels.csv").write_text(text, encoding="utf-8", newline="")
    return source.read(folder, params, print)


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


@pytest.mark.parametrize("blank", [",", " , ", "   ", '"",""'])
def test_rows_of_empty_cells_as_spreadsheets_leave_them_hold_nothing(tmp_path, blank):
    found = read(tmp_path, f"image,label\na.png,roof\n{blank}\nb.png,door\n{blank}\n")
    assert [(row.where, row.image) for row in found] == [("labels.csv row 2", "a.png"), ("labels.csv row 4", "b.png")]


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
    params = GROUPED.model_copy(update={"file": "every.csv", "delimiter": delimiter, "label_separator": ""})
    expected = [
        Row(f"every.csv row {number}", image, (label,) if label else (), site)
        for number, (image, label, site) in enumerate(rows, start=2)
        if image or label or site
    ]
    assert source.read(folder, params, print) == expected


def test_a_missing_table_says_what_to_set(tmp_path):
    with pytest.raises(InputError, match=r"labels\.csv: the labels file does not exist; set ingest\.root and ingest"):
        source.read(tmp_path, PARAMS, print)


def test_a_missing_table_says_which_tables_there_are(tmp_path):
    for name in ("train.csv", "other.TSV", "notes.txt"):
        (tmp_path / name).touch()
    with pytest.raises(InputError, match=r"or ingest\.source to folder; .* has other\.TSV, train\.csv$"):
        source.read(tmp_path, PARAMS, print)


def test_an_empty_table_says_what_its_first_row_should_be(tmp_path):
    assert "is empty; expected a first row with the names of the columns" in refusal(tmp_path, "")


def test_a_missing_column_is_named_with_the_one_that_was_meant(tmp_path):
    text = refusal(tmp_path, "image,labels\na.png,roof\n")
    assert text.endswith("there is no column 'label'; expected one of ['image', 'labels']; did you mean 'labels'?")
    text = refusal(tmp_path, "image,label\na.png,roof\n", GROUPED)
    assert "ingest.sources.csv.group_column is 'site', but there is no column 'site'" in text


@pytest.mark.parametrize("above", ["# made by a tool\n", "My labels,,\n", "Labels\n\n2024;north\n"])
def test_rows_above_the_names_of_the_columns_are_recognised(tmp_path, above):
    text = refusal(tmp_path, f"{above}image,label\na.png,roof\n")
    assert text.endswith(f"the names of the columns are in row {above.count(chr(10)) + 1}; delete the rows above it")


def test_rows_that_all_have_a_cell_more_than_the_first_are_told_why(tmp_path):
    text = refusal(tmp_path, "image,label\n1,a.png,roof\n2,b.png,door\n")
    assert "every row has one cell more than the first row, as where R writes row names" in text
    assert text.endswith("put a name and ',' in front of the first row, such as row,image,label")
    assert len(read(tmp_path, "row,image,label\n1,a.png,roof\n2,b.png,door\n")) == 2
    text = refusal(tmp_path, "image,label\na.png,roof,\nb.png,door,\n")
    assert text.endswith("every row but the first ends with ','; add ',' at the end of the first row")
    assert len(read(tmp_path, "image,label,\na.png,roof,\nb.png,door,\n")) == 2


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
        source.read(tmp_path, PARAMS, print)
    assert f"labels.csv {place}" in str(caught.value)
    assert str(caught.value).endswith("; save it as UTF-8")


def test_the_line_is_right_in_a_large_file_with_a_byte_order_mark(tmp_path):
    (tmp_path / "labels.csv").write_bytes(b"\xef\xbb\xbfimage,label\n" + b"a.png,x\n" * 20_000 + b"a.png,\xff\n")
    with pytest.raises(InputError, match=r"line 20002: not UTF-8 \(invalid start byte at byte 160021\)"):
        source.read(tmp_path, PARAMS, print)


@pytest.mark.parametrize("start", [b"PK\x03\x04", b"\xd0\xcf\x11\xe0"])
def test_a_workbook_is_called_one(tmp_path, start):
    (tmp_path / "labels.csv").write_bytes(start + b"\0\xff")
    with pytest.raises(InputError, match=r"labels\.csv: a workbook, not text; save it as CSV in UTF-8"):
        source.read(tmp_path, PARAMS, print)


def test_a_pointer_of_git_lfs_in_place_of_the_table_is_called_one(tmp_path):
    assert "a Git LFS pointer, not the table itself" in refusal(
        tmp_path, "version https://git-lfs.github.com/spec/v1\noid sha256:0\n"
    )


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


def test_links_are_followed_wherever_they_lead_as_dvc_makes_them_into_its_cache(tmp_path):
    (tmp_path / "own").mkdir()
    (tmp_path / "cache").write_text("image,label\na.png,roof\n")
    (tmp_path / "own" / "labels.csv").symlink_to(tmp_path / "cache")
    (tmp_path / "link").symlink_to("own")
    assert len(source.read(tmp_path / "link", PARAMS, print)) == 1
    (tmp_path / "cache").unlink()
    with pytest.raises(InputError, match="the labels file is a link that leads nowhere"):
        source.read(tmp_path / "own", PARAMS, print)


SEMICOLON = "the columns are separated by ';'; set ingest.sources.csv.delimiter to ';'"


@pytest.mark.parametrize("start", ["", "sep=;\n", '"sep=;"\r\n', "\n"])
@pytest.mark.parametrize(
    "header", ["image;label", "image;label;note", '"image";"label"', "label;image,more", "path;class"]
)
def test_another_delimiter_is_recognised_and_named(tmp_path, start, header):
    assert refusal(tmp_path, f'{start}{header}\na.png;"roof"\n').endswith(SEMICOLON)


def test_every_usual_delimiter_is_recognised(tmp_path):
    for delimiter in (",", ";", "\t", "|", " ", ":", "^", "~", "!", "\u00a6"):
        other = PARAMS.model_copy(update={"delimiter": ";" if delimiter == "," else ","})
        text = refusal(tmp_path, f"image{delimiter}label\na.png{delimiter}roof\n", other)
        assert text.endswith(f"delimiter to {delimiter!r}")


@pytest.mark.parametrize("start", ["sep=,\n", "SEP=,\r\n", '"sep=,"\n', "\ufeffsep=,\r"])
def test_the_line_that_spreadsheets_write_about_the_delimiter_is_passed_over(tmp_path, start):
    found = read(tmp_path, f"{start}image,label\na.png,roof\n")
    assert found == [Row("labels.csv row 3", "a.png", ("roof",), "")]


@pytest.mark.parametrize("written", ["\t", "\\t"])
def test_a_tab_may_be_written_in_either_kind_of_quotes(tmp_path, written):
    params = config.validate(source.Params, {**PARAMS.model_dump(), "delimiter": written})
    assert read(tmp_path, "image\tlabel\na.png\troof\n", params)[0].labels == ("roof",)


@pytest.mark.parametrize("rows", ["img/a.png,roof\nimg/b.png,door\n", "a,roof\nb,door\nc,roof\n"])
def test_a_missing_header_is_recognised(tmp_path, rows):
    text = refusal(tmp_path, rows)
    assert "the first row looks like data" in text
    assert text.endswith(
        "is the header missing? Write the names of the columns into the first row, such as image,label"
    )


def test_names_of_columns_may_have_spaces_around_them_and_another_case_is_named(tmp_path):
    assert read(tmp_path, "image, label \na.png,roof\n")[0].labels == ("roof",)
    assert refusal(tmp_path, "Image,label\na.png,roof\n").endswith(
        "there is no column 'image', but 'Image'; set ingest.sources.csv.image_column to 'Image'"
    )


@pytest.mark.parametrize(("one", "zero"), [("1", "0"), ("1.0", "0.0"), ("True", "False"), ("yes", "no"), (" 1 ", "0")])
def test_a_column_per_class_is_read(tmp_path, one, zero):
    params = PARAMS.model_copy(update={"label_columns": ("MEL", "NV")})
    text = f"image,MEL,more,NV\na.png,{one},x,{zero}\nb.png,{one},,{one}\nc.png,{zero},,{zero}\n"
    assert [row.labels for row in read(tmp_path, text, params)] == [("MEL",), ("MEL", "NV"), ()]


def test_columns_of_0_and_1_are_named_where_there_is_no_label_column(tmp_path):
    text = refusal(tmp_path, "image,MEL,age,NV\na.png,1.0,50,0.0\nb.png,0.0,60,1.0\n")
    assert text.endswith("columns MEL, NV hold only 0 and 1: set ingest.sources.csv.label_columns to [MEL, NV]")
    for one, zero in (("yes", "no"), ("T", "F"), ("1.00", "0.00"), ("TRUE", "FALSE")):
        text = refusal(tmp_path, f"image,MEL,NV\na.png,{one},{zero}\nb.png,{zero},{one}\n")
        assert text.endswith("set ingest.sources.csv.label_columns to [MEL, NV]")


@pytest.mark.parametrize("cell", ["", "2", "-1.0", "0.5", "x"])
def test_a_column_of_a_class_holds_0_or_1(tmp_path, cell):
    params = PARAMS.model_copy(update={"label_columns": ("MEL", "NV")})
    text = refusal(tmp_path, f"image,MEL,NV\na.png,1,0\nb.png,{cell},0\n", params)
    assert text.endswith(f"row 3: column 'MEL' holds {cell!r}; expected 0 or 1")
    assert "no column 'XX'" in refusal(
        tmp_path, "image,MEL\n", PARAMS.model_copy(update={"label_columns": ("MEL", "XX")})
    )


@pytest.mark.parametrize(("separator", "cell"), [(",", '"roof, door"'), (";", "roof;door"), (" ", "roof door")])
def test_the_separator_of_labels_can_be_set(tmp_path, separator, cell):
    params = PARAMS.model_copy(update={"label_separator": separator})
    assert read(tmp_path, f"image,label\na.png,{cell}\n", params)[0].labels == ("roof", "door")


@pytest.mark.parametrize(
    ("cells", "separator"),
    [
        (["bad", '"bad,dirt"', "ok"], ","),
        (["bad", '"bad, dirt"', "ok"], ","),
        (["ok", "bad", "ok dirt", "bad dirt"], " "),
        (["bad;dirt", "bad", "ok"], ";"),
        (['"a,b"', '"a,c"', '"b,c,d"', '"a,d"', '"a,b,d"', '"c,d"'], ","),
        (["a b", "a b c", "c a", "b c", "c", "a c b", "b a", "c b a"], " "),
        (["bad&dirt", "bad", "dirt"], "&"),
        (["ok", "bad", "ok/dirt", "bad/dirt"], "/"),
    ],
)
def test_labels_joined_by_another_separator_are_refused_with_the_line_to_set(tmp_path, cells, separator):
    lines = "".join(f"{number}.png,{cell}\n" for number, cell in enumerate(cells))
    text = refusal(tmp_path, f"image,label\n{lines}")
    assert f"seem to hold several labels, separated by {separator!r}" in text
    assert (
        f"set ingest.sources.csv.label_separator to {separator!r} and task to multilabel; if each is the name" in text
    )
    alone = PARAMS.model_copy(update={"label_separator": ""})
    found = read(tmp_path, f"image,label\n{lines}", alone)
    assert [row.labels for row in found] == [(cell.strip('"'),) for cell in cells]
    several = PARAMS.model_copy(update={"label_separator": separator})
    assert any(len(row.labels) > 1 for row in read(tmp_path, f"image,label\n{lines}", several))


@pytest.mark.parametrize("separator", ["_", "-", ":", "#", " - ", " and "])
def test_a_name_of_which_every_part_occurs_alone_is_told_whatever_joins_them(tmp_path, separator):
    said: list[str] = []
    lines = "".join(
        f"{number}.png,{cell}\n" for number, cell in enumerate(["ok", "bad", f"bad{separator}dirt", "dirt"])
    )
    (tmp_path / "labels.csv").write_text(f"image,label\n{lines}", encoding="utf-8")
    source.read(tmp_path, PARAMS, said.append)
    (text,) = said
    assert f"cells such as 'bad{separator}dirt' seem to hold several labels" in text


def test_the_usual_separator_is_named_where_another_one_is_set(tmp_path):
    text = refusal(
        tmp_path, "image,label\na.png,roof|door\nb.png,x\n", PARAMS.model_copy(update={"label_separator": ";"})
    )
    assert "label_separator to '|'" in text


def test_names_that_only_look_joined_pass_and_doubtful_ones_are_said(tmp_path):
    cells = ["flat roof", "pitched roof", "roof", "hot dog", "dog", '"Dächer, alt"', "class_1", "class_2", "C++", "C"]
    lines = "".join(f"{number}.png,{cell}\n" for number, cell in enumerate(cells))
    (tmp_path / "labels.csv").write_text(f"image,label\n{lines}", encoding="utf-8")
    said: list[str] = []
    source.read(tmp_path, PARAMS, said.append)
    assert said == []
    (tmp_path / "labels.csv").write_text("image,label\na,fine\nb,broken\nc,probably_fine\nd,probably_broken\n")
    source.read(tmp_path, PARAMS, said.append)
    assert said == []
    cells = ["a", "a_b", "a_b_c", "a_c", "b", "b_c", "c", "c_d", "a_d"]
    lines = "".join(f"{number}.png,{cell}\n" for number, cell in enumerate(cells))
    (tmp_path / "labels.csv").write_text(f"image,label\n{lines}")
    source.read(tmp_path, PARAMS, said.append)
    (text,) = said
    assert "cells such as 'a_b' seem to hold several labels, separated by '_'" in text


@pytest.mark.parametrize(
    "cell",
    [
        "\"['bad', 'night']\"",
        '"[""bad"", ""night""]"',
        "['bad' 'night']",
        '"[bad, night]"',
        "\"('bad', 'night')\"",
        "\"{'bad', 'night'}\"",
        "\"array(['bad', 'night'], dtype=object)\"",
        "\"frozenset({'bad', 'night'})\"",
    ],
)
def test_lists_as_programs_write_them_are_understood(tmp_path, cell):
    found = read(tmp_path, f"image,label\na.png,{cell}\nb.png,['bad']\nc.png,[]\nd.png,(left)\n")
    assert [row.labels for row in found] == [("bad", "night"), ("bad",), (), ("(left)",)]


@pytest.mark.parametrize("cell", ["[]", "()", "{}", "set()", "frozenset()", "[ ]"])
def test_an_empty_list_of_any_kind_is_no_class(tmp_path, cell):
    assert [row.labels for row in read(tmp_path, f"image,label\na.png,{cell}\nb.png,set\n")] == [(), ("set",)]


def test_splits_are_read_under_all_their_names(tmp_path):
    params = PARAMS.model_copy(update={"split_column": "fold"})
    cells = ["train", "Training", "val", "valid", "VALIDATION", "dev", "test", "testing", "", "NA"]
    text = "image,label,fold\n" + "".join(f"{number}.png,a,{cell}\n" for number, cell in enumerate(cells))
    expected = ["train", "train", "val", "val", "val", "val", "test", "test", "", ""]
    assert [row.split for row in read(tmp_path, text, params)] == expected
    assert "row 2: column 'fold' holds '3'; expected one of ['train', 'training', " in refusal(
        tmp_path, "image,label,fold\na.png,a,3\n", params
    )


def test_a_column_of_splits_that_is_not_used_is_named(tmp_path):
    (tmp_path / "labels.csv").write_text("image,label,part,test\na.png,a,Train,test\nb.png,b,test,x\n")
    said: list[str] = []
    source.read(tmp_path, PARAMS, said.append)
    (text,) = said
    assert text.endswith(
        "column 'part' holds splits and is not used; to keep them, set ingest.sources.csv.split_column to 'part'"
    )


@given(
    st.binary(max_size=200),
    st.sampled_from([b"", b"image,label\n", b"image,label,site\r\n", b"\xef\xbb\xbfimage,label\r"]),
)
def test_any_bytes_give_rows_or_a_reason_and_nothing_else(tmp_path_factory, data, header):
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.csv").write_bytes(header + data)
    with contextlib.suppress(InputError):
        source.read(folder, PARAMS.model_copy(update={"file": "any.csv"}), print)


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0{}"), min_size=1)
"""Names of columns. A name in braces is a pattern of columns in `image_column`."""


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
    names = {"image_column": image, "label_column": label, "group_column": site}
    params = PARAMS.model_copy(update={**names, "file": "columns.csv", "delimiter": delimiter})
    assert source.read(folder, params, print) == [Row("columns.csv row 2", "a.png", ("roof",), "north")]
