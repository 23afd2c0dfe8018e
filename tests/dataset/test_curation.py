import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise.config import InputError
from counterpoise.dataset import curation
from counterpoise.dataset.curation import Labelled
from counterpoise.sources import Row

tasks = pytest.mark.parametrize("task", ["multiclass", "multilabel"])


def row(image: str, label: str = "a", number: int = 2, group: str = "") -> Row:
    return Row(f"labels.csv row {number}", image, tuple(label.split("|")) if label else (), group)


def image(name: str, *labels: str) -> Labelled:
    return Labelled(name, labels, "", (row(name, "|".join(labels)),))


def labels_of(images: list[Labelled]) -> dict[str, tuple[str, ...]]:
    return {image.image: image.labels for image in images}


@tasks
@pytest.mark.parametrize("spelling", ["./a/b.png", "a//b.png", "a/./b.png", "a/b.png/", "a/c/../b.png", "././a/b.png"])
def test_two_spellings_of_a_path_are_one_image(task, spelling):
    rows = [row("a/b.png", "x", 2), row(spelling, "x", 3)]
    usable, refused = curation.join(rows, task)
    assert [(found.image, found.labels, found.rows) for found in usable] == [("a/b.png", ("x",), (rows[0],))]
    assert refused == [(rows[1], "excluded", "repeats labels.csv row 2")]


@tasks
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "the row names no image"),
        ("/data/a.png", "its path is absolute; expected a path below ingest.root"),
        ("//data/a.png", "its path is absolute; expected a path below ingest.root"),
        ("..", "its path leaves ingest.root"),
        ("../a.png", "its path leaves ingest.root"),
        ("a/../../b.png", "its path leaves ingest.root"),
        ("a\udce9.png", "its path is not UTF-8"),
    ],
)
def test_a_path_that_names_nothing_below_the_folder_is_refused(task, path, reason):
    rows = [row(path, "x")]
    assert curation.join(rows, task) == ([], [(rows[0], "rejected", reason)])


@pytest.mark.parametrize("path", ["..a/b.png", "...", "a..b", "a b.png", "a\\b.png", "<b>.png", "a|b", "a'\".png", "é"])
def test_odd_names_stay_as_they_are(path):
    assert curation.join([row(path)], "multiclass")[0][0].image == path


@tasks
@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("C:\\data\\a.png", curation.ABSOLUTE),
        ("d:/data/a.png", curation.ABSOLUTE),
        (
            "https://example.org/a.png",
            "it is an address on the web; download the image and give its path below ingest.root",
        ),
    ],
)
def test_a_path_of_another_system_or_of_the_web_is_refused(task, path, reason):
    rows = [row(path, "x")]
    assert curation.join(rows, task) == ([], [(rows[0], "rejected", reason)])


def test_a_path_that_means_another_file_is_joined_with_the_rows_of_that_file():
    rows = [row("img\\a", "x", 2), row("img/a.png", "x", 3)]
    usable, refused = curation.join(rows, "multiclass", {"img\\a": "img/a.png"})
    assert [(found.image, found.rows) for found in usable] == [("img/a.png", (rows[0],))]
    assert refused == [(rows[1], "excluded", "repeats labels.csv row 2")]


def test_a_row_that_nobody_can_use_is_listed_with_its_reason():
    hidden = Row("a/.b", "a/.b", ("a",), "", "", "hidden")
    assert curation.join([hidden], "multiclass") == ([], [(hidden, "excluded", "hidden")])


@pytest.mark.parametrize(
    ("group", "clean"),
    [
        ("3.0", "3"),
        ("3", "3"),
        ("-1.00", "-1"),
        ("3.5", "3.5"),
        ("v3.0", "v3.0"),
        ("007", "007"),
        ("o\u0308", "\u00f6"),
    ],
)
def test_whole_numbers_and_unicode_forms_of_a_group_are_one(group, clean):
    assert curation.group_of(row("a", group=group)) == clean


@pytest.mark.parametrize("group", ["", "NA", "nan", "NaN", "null", "NULL", "None", "N/A", "<NA>", "#N/A", "."])
def test_a_missing_value_is_no_group(group):
    assert curation.group_of(row("a", group=group)) == ""
    rows = [row("a", number=2, group=group), row("a", number=3, group="")]
    assert len(curation.join(rows, "multiclass")[0]) == 1


def test_reasons_are_counted_without_the_file_that_they_name():
    assert curation.cause(f"{curation.MISSING}; the nearest is 'a.png'") == curation.MISSING
    assert curation.cause(f"{curation.MISSING}; it fits several files: 'a', 'b'; write one of them") == curation.MISSING
    assert curation.cause("the file is empty") == "the file is empty"


def test_a_given_split_is_kept_and_rows_that_disagree_on_it_are_refused():
    rows = [Row(f"row {n}", name, ("a",), "", split) for n, (name, split) in enumerate([("x", "train"), ("y", "val")])]
    other = Row("row 3", "y", ("a",), "", "test")
    usable, refused = curation.join([*rows, other], "multiclass")
    assert [(found.image, found.split) for found in usable] == [("x", "train")]
    reason = "the image is in several splits: ['test', 'val']"
    assert refused == [(rows[1], "rejected", reason), (other, "rejected", reason)]


def test_rows_that_contradict_each_other_are_all_refused():
    rows = [row("x", "a", 2), row("x", "b", 3), row("y", "a", 4, "north"), row("y", "a", 5, "south"), row("z", "a", 6)]
    usable, refused = curation.join(rows, "multiclass")
    assert usable == [Labelled("z", ("a",), "", (rows[4],))]
    assert [(found.where, kind, reason) for found, kind, reason in refused] == [
        ("labels.csv row 2", "rejected", "exactly one label is needed, found ['a', 'b']"),
        ("labels.csv row 3", "rejected", "exactly one label is needed, found ['a', 'b']"),
        ("labels.csv row 4", "rejected", "the image is in several groups: ['north', 'south']"),
        ("labels.csv row 5", "rejected", "the image is in several groups: ['north', 'south']"),
    ]


def test_a_label_in_a_later_row_counts_for_an_image_whose_first_row_has_none():
    rows = [row("x", "", 2), row("x", "a", 3), row("x", "", 4)]
    usable, refused = curation.join(rows, "multiclass")
    assert usable == [Labelled("x", ("a",), "", (rows[0], rows[1]))]
    assert refused == [(rows[2], "excluded", "repeats labels.csv row 2")]


def test_many_labels_of_an_image_are_joined_and_what_adds_nothing_repeats():
    rows = [row("x", "b", 2), row("x", "a|b", 3), row("x", "a", 4), row("y", "", 5), row("y", "", 6)]
    usable, refused = curation.join(rows, "multilabel")
    assert labels_of(usable) == {"x": ("a", "b"), "y": ()}
    assert usable[0].rows == (rows[0], rows[1])
    assert [(found.where, kind, reason) for found, kind, reason in refused] == [
        ("labels.csv row 4", "excluded", "repeats labels.csv row 2"),
        ("labels.csv row 6", "excluded", "repeats labels.csv row 5"),
    ]


def test_of_many_labels_an_image_in_several_groups_is_still_refused():
    rows = [row("x", "a", 2, "north"), row("x", "b", 3)]
    usable, refused = curation.join(rows, "multilabel")
    assert usable == []
    assert {reason for _, _, reason in refused} == {"the image is in several groups: ['', 'north']"}
    assert len(refused) == 2


names = st.sampled_from(["a", "b", "./a", "c/../b", "/x", "..", ""])


@tasks
@given(rows=st.lists(st.tuples(names, st.sampled_from(["", "p", "q", "p|q"]), st.sampled_from(["", "g"]))))
def test_every_row_is_either_used_or_refused_and_never_both(task, rows):
    given_rows = [row(path, label, number, group) for number, (path, label, group) in enumerate(rows)]
    usable, refused = curation.join(given_rows, task)
    found = [row for image in usable for row in image.rows] + [row for row, _, _ in refused]
    assert sorted(found, key=lambda row: int(row.where.split()[-1])) == given_rows
    assert len({image.image for image in usable}) == len(usable)


def test_classes_are_excluded_and_merged():
    images = [image("1", "a"), image("2", "b"), image("3", "c"), image("4", "d")]
    kept, left_out = curation.choose(images, ["d"], {"ab": ("a", "b")})
    assert labels_of(kept) == {"1": ("ab",), "2": ("ab",), "3": ("c",)}
    assert left_out == [(images[3].rows[0], "excluded", "ingest.exclude names 'd'")]


def test_of_many_labels_only_those_that_are_named_change():
    images = [image("1", "a", "b"), image("2", "b", "d"), image("3", "d", "e"), image("4")]
    kept, left_out = curation.choose(images, ["d", "e"], {"ab": ("a", "b")})
    assert labels_of(kept) == {"1": ("ab",), "2": ("ab",), "4": ()}
    assert left_out == [(images[2].rows[0], "excluded", "ingest.exclude names 'd', 'e'")]


def test_an_image_that_is_left_out_takes_all_its_rows_along():
    rows = (row("1", "a", 2), row("1", "b", 3))
    _, left_out = curation.choose([Labelled("1", ("a", "b"), "", rows), image("2", "c")], ["a", "b"], {})
    assert [found for found, _, _ in left_out] == list(rows)


def test_a_merged_class_joins_one_that_has_the_new_name_already():
    kept, _ = curation.choose([image("1", "a", "roof"), image("2", "a")], [], {"roof": ("a",)})
    assert labels_of(kept) == {"1": ("roof",), "2": ("roof",)}


@pytest.mark.parametrize(
    ("exclude", "merge", "message"),
    [
        (["rof"], {}, r"ingest\.exclude names 'rof', which no row has; expected one of .*; did you mean 'roof'\?"),
        ([], {"new": ("roof", "dor")}, r"ingest\.merge\.new names 'dor', which no row has; .* did you mean 'door'\?"),
        (["roof"], {"new": ("roof", "door")}, "name 'roof' 2 times; name it once"),
        ([], {"new": ("roof",), "other": ("roof",)}, "name 'roof' 2 times; name it once"),
        ([], {"a|b": ("roof",)}, r"ingest\.merge has the new class name 'a\|b'; expected a name that .* has no '\|'"),
        ([], {"": ("roof",)}, r"ingest\.merge has the new class name ''; expected a name that is not empty"),
    ],
)
def test_names_of_no_class_and_names_used_twice_are_refused(exclude, merge, message):
    with pytest.raises(InputError, match=message):
        curation.choose([image("1", "roof"), image("2", "door")], exclude, merge)


RARE = [image("1", "a"), image("2", "a"), image("3", "b"), image("4", "c")]


def test_rare_classes_are_kept():
    assert curation.treat_rare(RARE, 2, "keep") == (RARE, [])


def test_rare_classes_are_dropped():
    kept, left_out = curation.treat_rare(RARE, 2, "drop")
    assert kept == RARE[:2]
    assert left_out == [
        (RARE[2].rows[0], "excluded", "fewer than 2 images have 'b'"),
        (RARE[3].rows[0], "excluded", "fewer than 2 images have 'c'"),
    ]


def test_rare_classes_are_grouped_as_other():
    kept, left_out = curation.treat_rare(RARE, 2, "other")
    assert labels_of(kept) == {"1": ("a",), "2": ("a",), "3": ("other",), "4": ("other",)}
    assert left_out == []


@pytest.mark.parametrize("action", ["drop", "other"])
def test_a_class_with_just_enough_images_is_not_rare(action):
    assert curation.treat_rare(RARE, 1, action) == (RARE, [])


MANY = [image("1", "a", "b"), image("2", "a", "c"), image("3", "b", "c", "d"), image("4", "d", "e"), image("5", "f")]


def test_of_many_labels_a_rare_one_is_dropped_and_with_it_only_images_that_have_no_other():
    kept, left_out = curation.treat_rare(MANY, 2, "drop")
    assert labels_of(kept) == {"1": ("a", "b"), "2": ("a", "c"), "3": ("b", "c", "d"), "4": ("d",)}
    assert left_out == [(MANY[4].rows[0], "excluded", "fewer than 2 images have 'f'")]


def test_of_many_labels_rare_ones_become_other_once_per_image():
    kept, left_out = curation.treat_rare(MANY, 3, "other")
    assert labels_of(kept) == dict.fromkeys("12345", ("other",))
    assert left_out == []


def test_an_image_counts_for_each_of_its_classes():
    assert curation.count(MANY) == {"a": 2, "b": 2, "c": 2, "d": 2, "e": 1, "f": 1}
