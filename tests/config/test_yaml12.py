"""Hostile and damaged texts; what scalars mean is tested in `test_config`, with the message that people see."""

import time

import pytest

from counterpoise.config import yaml12
from counterpoise.config.yaml12 import DEEPEST, MOST_VALUES, RefusedError


def bomb(levels: int) -> str:
    """A list of nine lists of nine lists ..., by aliases."""
    lines = [f"a{level}: &a{level} [{', '.join([f'*a{level - 1}'] * 9)}]" for level in range(1, levels)]
    return "\n".join(["a0: &a0 [x, x, x, x, x, x, x, x, x]", *lines])


def test_an_alias_bomb_is_refused_at_once():
    begin = time.process_time()
    with pytest.raises(RefusedError, match=r"line 7: more than 1,000,000 values, counting what an alias"):
        yaml12.read(bomb(10))
    assert time.process_time() - begin < 1


def test_a_few_aliases_are_read():
    assert yaml12.read("a: &a {x: 1}\nb: [*a, *a]\nc: &c 3\nd: *c") == {
        "a": {"x": 1},
        "b": [{"x": 1}, {"x": 1}],
        "c": 3,
        "d": 3,
    }
    assert set(yaml12.read(bomb(3))) == {"a0", "a1", "a2"}  # type: ignore[call-overload]


def test_more_values_than_ever_needed_are_refused_without_aliases_too(monkeypatch):
    monkeypatch.setattr(yaml12, "MOST_VALUES", 10)
    assert yaml12.read("[1, 2, 3, 4, 5, 6, 7, 8, 9]")
    with pytest.raises(RefusedError, match="more than 10 values"):
        yaml12.read("[1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]")
    assert MOST_VALUES == 1_000_000


@pytest.mark.parametrize("text", ["a: &a [*a]", "a: &a {b: *a}", "a: *b\nb: &b 1"])
def test_an_alias_of_what_is_not_yet_complete_is_refused(text):
    with pytest.raises(RefusedError, match=r"not valid YAML: line 1: nothing above it is complete that alias"):
        yaml12.read(text)


@pytest.mark.parametrize(
    "text",
    [
        "a: " + "[" * 3000 + "]" * 3000,
        "a: " + "[" * 100_000,
        "a: " + "{b: " * 3000,
        "\n".join(" " * level + "k:" for level in range(3000)),
        "- " * 3000 + "x",
        "a0: &a0 [x]\n" + "\n".join(f"a{n}: &a{n} [*a{n - 1}]" for n in range(1, 3000)),
    ],
)
def test_deep_nesting_is_refused_at_once(text):
    with pytest.raises(RefusedError, match=rf"line \d+ is more than {DEEPEST} levels deep"):
        yaml12.read(text)


def test_as_deep_as_allowed_is_read_and_one_level_more_is_not():
    assert yaml12.read("[" * DEEPEST + "]" * DEEPEST)
    with pytest.raises(RefusedError, match="deep"):
        yaml12.read("[" * (DEEPEST + 1) + "]" * (DEEPEST + 1))
    assert yaml12.read("- &a [[x]]\n- " + "[" * (DEEPEST - 3) + "*a" + "]" * (DEEPEST - 3))
    with pytest.raises(RefusedError, match="deep"):
        yaml12.read("- &a [[x]]\n- " + "[" * (DEEPEST - 2) + "*a" + "]" * (DEEPEST - 2))


def test_a_number_of_thousands_of_digits_is_refused_with_its_line():
    with pytest.raises(RefusedError, match="line 2 holds a number of 5,000 digits; at most 40 are read; shorten it"):
        yaml12.read("a: 1\nseed: " + "9" * 5000)
    assert yaml12.read("a: '" + "9" * 5000 + "'") == {"a": "9" * 5000}


def test_twenty_thousand_keys_are_read_in_a_moment():
    begin = time.process_time()
    assert len(yaml12.read("\n".join(f"key{n}: {n}" for n in range(20_000)))) == 20_000  # type: ignore[arg-type]
    assert time.process_time() - begin < 3


@pytest.mark.parametrize("text", ["? [a]\n: 1", "? {a: 1}\n: 1", "a: 1\n---\nb: 2"])
def test_what_no_parameter_file_holds_is_refused_without_a_traceback(text):
    with pytest.raises(RefusedError, match="not valid YAML"):
        yaml12.read(text)


@pytest.mark.parametrize(
    "value", ["!!int abc", "!!float x", "!!bool x", "!!timestamp 2020-99-01", "!!binary aGk=", "!!set {a, b}", "!own 3"]
)
def test_a_tag_is_refused_with_its_line(value):
    with pytest.raises(RefusedError, match=r"line 2 holds the tag !+\w+, which no parameter needs; remove it"):
        yaml12.read(f"a: 1\nb: {value}\n")


def test_a_number_may_be_written_as_text():
    assert yaml12.read("!!str 1") == "1"
