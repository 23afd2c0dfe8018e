import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterpoise import labels

names = st.text(st.characters(exclude_characters="|"), min_size=1)


@given(st.sets(names))
def test_labels_are_read_back_from_their_cell(found):
    assert labels.split(labels.join(found)) == tuple(sorted(found))


def test_a_cell_holds_each_label_once_in_order():
    assert labels.join(["b", "a", "b"]) == "a|b"
    assert labels.join([]) == ""


def test_an_empty_cell_holds_no_label():
    assert labels.split("") == ()


def test_targets_are_the_places_of_the_classes():
    found = labels.targets(["NA", "roof", "NA"], ["roof", "NA"])
    assert found.tolist() == [1, 0, 1]
    assert found.dtype == np.int64
    assert labels.targets([], ["roof"]).shape == (0,)


@pytest.mark.parametrize("cell", ["door", "", "NA|roof"])
def test_a_cell_that_is_no_class_is_refused_by_name(cell):
    with pytest.raises(ValueError, match="are not among the classes") as caught:
        labels.targets(["roof", cell], ["roof", "NA"])
    assert repr(cell) in str(caught.value)


def test_counts_count_every_label_of_a_cell():
    assert labels.counts(["a|b", "b", "", "c|b"], ["c", "b", "a"]).tolist() == [1, 3, 1]
    assert labels.counts([], ["a", "b"]).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("cell", "names"),
    [
        ("", ()),
        (" a | b |", ("a", "b")),
        ("['a b', \"c's\"]", ("a b", "c's")),
        ("['it\\'s']", ("it's",)),
        ("[1 2]", ("1", "2")),
        ("[1.0, 2]", ("1.0", "2")),
        ("[]", ()),
        ("(left)", ("(left)",)),
        ("{a}", ("{a}",)),
        ("('a',)", ("a",)),
    ],
)
def test_cells_are_parsed_with_lists_as_programs_write_them(cell, names):
    assert labels.parse(cell, "|") == names
    assert labels.parse(cell, "") == ((cell.strip(),) if cell else ())


@pytest.mark.parametrize(
    "names",
    [
        set(),
        {"a", "b"},
        {"red circle", "red square", "blue circle", "blue square", "green circle", "green square"},
        {"defective/mono", "defective/poly", "fine/mono", "fine/poly"},
        {"probably_functional", "functional", "defective", "probably_defective"},
        {f"class_{number}" for number in range(300)},
        {"Springfield, IL", "Chicago"},
        {"C", "C++", "C#"},
    ],
)
def test_names_of_single_classes_are_not_taken_for_joined_ones(names):
    assert labels.find_joined(names) is None
