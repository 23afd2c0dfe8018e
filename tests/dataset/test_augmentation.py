import numpy as np
import pytest

from counterpoise.dataset import augmentation

RNG = np.random.default_rng(0)
SQUARE = RNG.integers(0, 256, (32, 32, 3), dtype=np.uint8)
CHANGING = [name for name in augmentation.POLICIES if name != "none"]


@pytest.mark.parametrize("policy", augmentation.POLICIES)
def test_every_policy_keeps_type_channels_and_the_size_of_a_square(policy):
    for seed in range(12):
        found = augmentation.apply(policy, SQUARE, seed)
        assert found.dtype == np.uint8
        assert found.shape == SQUARE.shape


@pytest.mark.parametrize("policy", augmentation.POLICIES)
def test_oblong_images_keep_their_sides_in_some_order(policy):
    oblong = SQUARE[:20]
    for seed in range(6):
        assert augmentation.apply(policy, oblong, seed).shape in {(20, 32, 3), (32, 20, 3)}


@pytest.mark.parametrize("policy", augmentation.POLICIES)
def test_the_same_seed_gives_the_same_picture_whatever_was_drawn_between(policy):
    first = augmentation.apply(policy, SQUARE, 7).copy()
    for other in augmentation.POLICIES:
        augmentation.apply(other, SQUARE, 8)
    assert (augmentation.apply(policy, SQUARE, 7) == first).all()


@pytest.mark.parametrize("policy", augmentation.POLICIES)
def test_global_random_state_has_no_say(policy):
    import random

    first = augmentation.apply(policy, SQUARE, 7).copy()
    random.seed(1)
    np.random.seed(1)  # noqa: NPY002 - the state that must not matter
    assert (augmentation.apply(policy, SQUARE, 7) == first).all()


@pytest.mark.parametrize("policy", CHANGING)
def test_other_seeds_give_other_pictures_and_no_policy_is_the_identity(policy):
    views = {augmentation.apply(policy, SQUARE, seed).tobytes() for seed in range(24)}
    assert len(views) >= 4
    assert views != {SQUARE.tobytes()}


@pytest.mark.parametrize("policy", augmentation.POLICIES)
def test_the_image_itself_is_left_alone(policy):
    image = SQUARE.copy()
    image.flags.writeable = False
    for seed in range(6):
        augmentation.apply(policy, image, seed)
    assert (image == SQUARE).all()


def test_none_is_the_identity():
    assert (augmentation.apply("none", SQUARE, 3) == SQUARE).all()


def test_dihedral_makes_the_eight_turns_and_flips_of_a_square():
    turns = [np.rot90(image, turn) for image in (SQUARE, SQUARE[:, ::-1]) for turn in range(4)]
    found = {augmentation.apply("dihedral", SQUARE, seed).tobytes() for seed in range(80)}
    assert found == {turn.tobytes() for turn in turns}


def test_flips_make_the_four_flips():
    flips = [SQUARE, SQUARE[::-1], SQUARE[:, ::-1], SQUARE[::-1, ::-1]]
    assert {augmentation.apply("flips", SQUARE, seed).tobytes() for seed in range(40)} == {
        flip.tobytes() for flip in flips
    }


def test_seeds_of_64_bits_are_taken():
    assert augmentation.apply("standard", SQUARE, 2**63 - 1).shape == SQUARE.shape


def test_an_unknown_policy_is_refused():
    with pytest.raises(KeyError):
        augmentation.apply("strng", SQUARE, 0)
