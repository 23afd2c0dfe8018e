"""Thresholds against brute force, and simulations with a known truth."""

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import fbeta_score

from counterpoise.decision import thresholds


def sample(n: int, seed: int, prevalence: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    """Draw calibrated probabilities and truths of gaussian scores."""
    rng = np.random.default_rng(seed)
    truth = rng.random(n) < prevalence
    scores = rng.normal(size=n) + 2 * truth
    return expit(2 * scores - 2 + np.log(prevalence / (1 - prevalence))), truth


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_searched_threshold_has_the_best_f_beta_of_all(beta):
    probs, truth = sample(300, seed=0)
    share = truth.mean()
    chosen = thresholds.for_f_beta(probs, truth, share, share, beta, search=True)
    best = max(fbeta_score(truth, probs >= limit, beta=beta) for limit in probs)
    assert fbeta_score(truth, probs >= chosen, beta=beta) == pytest.approx(best)


@pytest.mark.parametrize("beta", [0.5, 1.0, 2.0])
def test_the_plug_in_threshold_maximises_the_expected_f_beta(beta):
    probs, truth = sample(300, seed=1)
    chosen = thresholds.for_f_beta(probs, truth, 0.1, 0.1, beta, search=False)

    def expected(limit: float) -> float:
        decided = probs >= limit
        return float((1 + beta**2) * probs[decided].sum() / (beta**2 * probs.sum() + decided.sum()))

    assert expected(chosen) == pytest.approx(max(expected(limit) for limit in probs))


def test_on_few_positives_the_plug_in_threshold_beats_the_searched_one():
    test_probs, test_truth = sample(50_000, seed=2, prevalence=0.05)
    scores: dict[bool, list[float]] = {False: [], True: []}
    for seed in range(60):
        probs, truth = sample(120, seed=100 + seed, prevalence=0.05)
        if truth.any():
            for search, found in scores.items():
                limit = thresholds.for_f_beta(probs, truth, 0.05, 0.05, 1.0, search=search)
                found.append(fbeta_score(test_truth, test_probs >= limit, beta=1))
    assert np.mean(scores[False]) > np.mean(scores[True])


@pytest.mark.parametrize("search", [False, True])
def test_a_threshold_for_another_prevalence_is_that_of_images_drawn_there(search):
    probs, truth = sample(200_000, seed=3, prevalence=0.3)
    there, truth_there = sample(200_000, seed=4, prevalence=0.03)
    moved = thresholds.for_f_beta(probs, truth, 0.3, 0.03, 1.0, search=search)
    own = thresholds.for_f_beta(there, truth_there, 0.03, 0.03, 1.0, search=search)
    ours, best = (fbeta_score(truth_there, there >= limit, beta=1) for limit in (moved, own))
    assert ours == pytest.approx(best, abs=0.01)


def test_a_label_without_a_positive_is_decided_by_no_search():
    assert thresholds.for_f_beta(np.full(5, 0.2), np.zeros(5, dtype=bool), 0.1, 0.1, 1.0, search=True) == 1.0
