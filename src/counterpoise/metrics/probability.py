"""Metrics of probabilities: calibration error, reliability, Brier score."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterpoise.metrics.arguments import FloatArray, Values, class_probabilities, ranking
from counterpoise.metrics.averages import per_weighting, ratio, weighted_mean


class Reliability(NamedTuple):
    """Points of a calibration plot, shape (bins,) or (b, bins) each. An empty bin has count 0, and NaN elsewhere."""

    predicted: FloatArray
    observed: FloatArray
    counts: FloatArray


def expected_calibration_error(
    probs: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None, bins: int = 15
) -> Values:
    """Mean gap between accuracy and confidence of the top class, `sum_m (w_m / w) |accuracy_m - confidence_m|`.

    If one class is rare, the majority class dominates this error. Plot the `reliability` of the rare class too.

    Args:
        probs: Probability of each class, each row summing to 1 within 1e-4, shape (n, c).
        targets: True class of each example, integers in [0, c), shape (n,).
        weights: None, (n,) or (b, n); see `metrics.averages`.
        bins: Number M of confidence bins of equal width, ((m - 1) / M, m / M], at least 1.

    Returns:
        Error in [0, 1], shape () or (b,); NaN if all weights are 0.

    Raises:
        ValueError: Shapes do not match, `probs` are not probabilities, or `bins` is below 1.

    Source: Guo et al. 2017, "On calibration of modern neural networks", eq. 3. With equal probabilities, the
        first class is the top class.

    Example:
        >>> probs = [[0.9, 0.1], [0.9, 0.1]]
        >>> round(float(expected_calibration_error(probs, targets=[0, 1])), 4)  # |1/2 - 0.9|
        0.4
    """
    p, t = class_probabilities(probs, targets)
    top, confidence = p.argmax(1), p.max(1)
    gaps = _one_hot_bins(confidence, _inner_edges(bins)) * ((top == t) - confidence)[:, None]

    def error(w: FloatArray) -> FloatArray:
        return np.asarray(ratio(np.abs(w @ gaps).sum(1), w.sum(1)))

    return per_weighting(error, weights, len(t))


def reliability(
    probs_of_class: ArrayLike,
    positives: ArrayLike,
    weights: ArrayLike | None = None,
    bins: int = 15,
    *,
    equal_count: bool = False,
) -> Reliability:
    """Mean predicted probability and observed frequency of one class in bins: the points of a calibration plot.

    Args:
        probs_of_class: Probability of the class, in [0, 1], shape (n,).
        positives: Whether each example has the class, boolean or 0/1, shape (n,).
        weights: None, (n,) or (b, n); see `metrics.averages`.
        bins: Number M of bins ((m - 1) / M, m / M], at least 1. The first bin includes 0.
        equal_count: Use quantiles of the unweighted examples as edges, since probabilities of rare classes
            concentrate near 0.

    Returns:
        Mean predicted probability, observed frequency, and weight of each bin.

    Raises:
        ValueError: Lengths differ, a probability is out of range, or `bins` is below 1.

    Source: Niculescu-Mizil & Caruana 2005, "Predicting good probabilities with supervised learning".

    Example:
        >>> reliability([0.2, 0.4, 0.9], [0, 1, 1], bins=2)
        Reliability(predicted=array([0.3, 0.9]), observed=array([0.5, 1. ]), counts=array([2., 1.]))
    """
    y, p = ranking(positives, probs_of_class, name="probs_of_class")
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        raise ValueError(f"probs_of_class: found values from {p.min()} to {p.max()}; expected 0 to 1")
    edges = _inner_edges(bins)
    member = _one_hot_bins(p, np.quantile(p, edges) if equal_count and p.size else edges)
    sums = np.hstack([member * p[:, None], member * y[:, None], member])
    totals = np.asarray(per_weighting(lambda w: w @ sums, weights, len(p)))
    predicted, observed, counts = (totals[..., i * bins : (i + 1) * bins] for i in range(3))
    return Reliability(np.asarray(ratio(predicted, counts)), np.asarray(ratio(observed, counts)), counts)


def brier(probs: ArrayLike, targets: ArrayLike, weights: ArrayLike | None = None) -> Values:
    """Brier score: mean squared difference of probabilities and truth, `mean_i sum_k (p_ik - [k = t_i])^2`.

    Args:
        probs: Probability of each class, each row summing to 1 within 1e-4, shape (n, c).
        targets: True class of each example, integers in [0, c), shape (n,).
        weights: None, (n,) or (b, n); see `metrics.averages`.

    Returns:
        Score from 0 (certain and right) to 2 (certain and wrong), shape () or (b,); NaN if all weights are 0. For
        two classes it is twice the binary Brier score.

    Raises:
        ValueError: Shapes do not match, `probs` are not probabilities, or the weights are invalid.

    Source: Brier 1950, "Verification of forecasts expressed in terms of probability".

    Example:
        >>> round(float(brier([[0.8, 0.2], [0.8, 0.2]], targets=[0, 1])), 4)  # (2 * 0.2^2 + 2 * 0.8^2) / 2
        0.68
    """
    p, t = class_probabilities(probs, targets)
    return weighted_mean(((p - np.eye(p.shape[1])[t]) ** 2).sum(1), weights)


def bins_of(values: FloatArray, bins: int) -> NDArray[np.int64]:
    """Find the bin, 0 to bins - 1, of each probability among bins of equal width, ((m - 1) / M, m / M].

    Example:
        >>> bins_of(np.array([0.0, 0.5, 0.51, 1.0]), 2)
        array([0, 0, 1, 1])
    """
    return np.digitize(values, _inner_edges(bins), right=True).astype(np.int64)


def _inner_edges(bins: int) -> FloatArray:
    if bins < 1:
        raise ValueError(f"bins: found {bins}; expected at least 1")
    return np.linspace(0, 1, bins + 1)[1:-1]


def _one_hot_bins(values: FloatArray, inner_edges: FloatArray) -> FloatArray:
    return np.eye(len(inner_edges) + 1)[np.digitize(values, inner_edges, right=True)]
