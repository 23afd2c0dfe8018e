import hashlib
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from counterpoise import seeds

integers = st.integers(0, 2**63)


@given(integers, st.text(st.characters(exclude_categories=["Cs"])), st.one_of(integers, st.just("")))
def test_a_derived_seed_is_a_non_negative_64_bit_integer(seed, purpose, item):
    assert 0 <= seeds.derive(seed, purpose, item) < 2**63


def test_a_derived_seed_is_the_head_of_a_hash():
    digest = hashlib.sha256(b"7\x1fview\x1fa.png").hexdigest()
    assert seeds.derive(7, "view", "a.png") == int(digest[:16], 16) // 2


def test_a_derived_seed_is_the_same_in_another_process():
    script = "from counterpoise import seeds; print(seeds.derive(3, 'split', 'a'))"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert int(found) == seeds.derive(3, "split", "a")


def test_seed_purpose_and_item_each_matter_and_do_not_run_together():
    drawn = [(1, "view", "a"), (2, "view", "a"), (1, "split", "a"), (1, "view", "b"), (1, "view", "")]
    drawn += [(1, "viewa", ""), (11, "view", "a"), (1, "1view", "a")]
    assert len({seeds.derive(*arguments) for arguments in drawn}) == len(drawn)


def test_generators_of_one_item_agree_whatever_was_drawn_before():
    first = seeds.generator(0, "view", "a").random(3)
    seeds.generator(0, "view", "b").random(100)
    assert (seeds.generator(0, "view", "a").random(3) == first).all()
    assert (seeds.generator(0, "view", "b").random(3) != first).any()
