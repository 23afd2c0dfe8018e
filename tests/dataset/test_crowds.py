import numpy as np
import pytest
from numpy.typing import NDArray

from counterpoise.dataset import correlation, crowds, near_duplicates
from counterpoise.dataset.near_duplicates import MAX_DISTANCE, MIN_CORRELATION, find_duplicates, perceptual_hash

Pairs = set[tuple[int, int]]
COUNT, SCENES = 800, 4


def from_fixed_cameras(noise: float) -> NDArray[np.uint8]:
    """Thumbnails of four scenes with noise of their own, and a fifth of the images that show something else."""
    rng = np.random.default_rng(0)
    scenes = np.cumsum(np.cumsum(rng.normal(size=(SCENES + COUNT // 5, 32, 32)), axis=1), axis=2)
    low, high = (f(scenes, axis=(1, 2), keepdims=True) for f in (np.min, np.max))
    scenes = 20 + 215 * (scenes - low) / (high - low)
    shown = np.concatenate([np.arange(COUNT - COUNT // 5) % SCENES, np.arange(SCENES, SCENES + COUNT // 5)])
    images = scenes[shown] + rng.normal(scale=noise, size=(COUNT, 32, 32))
    return np.asarray(images.clip(0, 255), dtype=np.uint8)


def as_set(pairs: list[NDArray[np.int64]]) -> Pairs:
    return {(a, b) for block in pairs for a, b in block.tolist()}


def all_pairs(images: NDArray[np.uint8]) -> Pairs:
    """Confirm every pair by itself."""
    pairs = np.stack(np.triu_indices(len(images), 1), axis=1)
    hashes = perceptual_hash(images)
    pairs = pairs[np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]) <= MAX_DISTANCE]
    return as_set([pairs[correlation.correlate(images, pairs, correlation.moments_of(images)) >= MIN_CORRELATION]])


def test_residuals_have_the_correlation_as_their_cosine() -> None:
    images = from_fixed_cameras(4)
    moments = correlation.moments_of(images)
    vectors = correlation.residuals(images, np.arange(COUNT), moments)
    pairs = np.stack(np.triu_indices(100, 1), axis=1)
    cosines = (vectors[pairs[:, 0]] * vectors[pairs[:, 1]]).sum(axis=1)
    np.testing.assert_allclose(cosines, correlation.correlate(images, pairs, moments), atol=2e-6)


@pytest.mark.parametrize("noise", [1, 4, 5])
def test_crowds_and_the_rest_are_compared_as_pairs_would_be(noise: float) -> None:
    images = from_fixed_cameras(noise)
    hashes, moments, is_left = perceptual_hash(images), correlation.moments_of(images), np.full(COUNT, True)
    found = as_set(crowds.compare(images, hashes, moments, MAX_DISTANCE, MIN_CORRELATION, is_left))
    expected = all_pairs(images)
    assert expected
    assert found == {pair for pair in expected if not is_left[list(pair)].all()}
    assert np.count_nonzero(is_left) < COUNT / 2


@pytest.mark.parametrize("noise", [1, 3.5])
def test_all_that_is_represented_is_a_near_duplicate_of_its_representative(noise: float) -> None:
    images = from_fixed_cameras(noise)
    hashes, moments, is_left = perceptual_hash(images), correlation.moments_of(images), np.full(COUNT, True)
    stars = crowds.represent(images, hashes, moments, MAX_DISTANCE, MIN_CORRELATION, is_left)
    assert as_set(stars) <= all_pairs(images)
    represented = {image for star in stars for image in star.ravel().tolist() if not is_left[image]}
    assert represented == set(np.flatnonzero(~is_left).tolist())
    for star in stars:
        assert any(is_left[image] for image in set(star[0].tolist()) & set(star[-1].tolist()))


def test_of_a_fixed_camera_the_clusters_are_the_same_without_all_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    images, files = from_fixed_cameras(1), [str(number) for number in range(COUNT)]
    whole = find_duplicates(images, files)
    monkeypatch.setattr(near_duplicates, "MOST_CANDIDATES", 1000)
    thinned = find_duplicates(images, files)
    assert (thinned.cluster == whole.cluster).all()
    assert (thinned.kind == whole.kind).all()
    assert thinned.cluster.max() + 1 == SCENES + COUNT // 5
    assert not len(thinned.crossing)


def test_links_to_two_representatives_are_crossing_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    images, files = from_fixed_cameras(3.8), [str(number) for number in range(COUNT)]
    monkeypatch.setattr(near_duplicates, "MOST_CANDIDATES", 1000)
    monkeypatch.setattr(crowds, "_CROWD", 10)
    found = find_duplicates(images, files)
    assert len(found.crossing)
    assert {tuple(pair) for pair in found.crossing.tolist()} <= all_pairs(images)
    near = found.kind == "near"
    own = np.stack([np.flatnonzero(near), found.centre[near]], axis=1)
    moments = correlation.moments_of(images)
    assert (correlation.correlate(images, own, moments) >= MIN_CORRELATION).all()
