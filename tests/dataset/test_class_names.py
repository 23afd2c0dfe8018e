import pytest
import yaml

from counterpoise.dataset import class_names


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("bad", "BAD"),
        ("not ok", "not  ok"),
        ("not ok", "not_ok"),
        ("not ok", "Not-OK"),
        ("notok", "not ok"),
        ("a b", "a\u00a0b"),
        ("\u00f6", "o\u0308"),
        ("ab", "a\u200bb"),
        ("Stra\u00dfe", "STRASSE"),
        ("0", "0.0"),
        ("3", "3."),
        ("\uff21", "a"),
    ],
)
def test_spellings_of_one_name_are_found(one, other):
    (text,) = class_names.spellings({one: 2, other: 1, "else": 5})
    assert yaml.safe_load(text[text.index("  merge:") :]) == {"merge": {one: [one, other]}}


def test_the_name_to_merge_into_has_single_spaces_and_composed_letters():
    (text,) = class_names.spellings({"o\u0308l  a": 2, "\u00f6l a": 1})
    assert yaml.safe_load(text[text.index("  merge:") :]) == {"merge": {"\u00f6l a": ["o\u0308l  a", "\u00f6l a"]}}


@pytest.mark.parametrize(
    ("one", "other"), [("1-2", "12"), ("1", "10"), ("-1", "1"), ("1.0", "10"), ("a", "b"), ("1_0", "10"), ("a1", "a2")]
)
def test_other_names_are_not(one, other):
    assert class_names.spellings({one: 1, other: 1}) == []


def test_only_what_programs_write_for_a_missing_value_is_named_as_one():
    assert class_names.missing_values({"none": 1, "missing": 2, "?": 1}) == []
    assert len(class_names.missing_values({"nan": 1, "<NA>": 2, "NULL": 1})) == 3
