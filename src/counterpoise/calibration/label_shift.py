"""The prior of the place where a model is deployed, estimated from predictions that nobody labelled.

What may have moved are the shares of the classes. That images of each class look as they did in validation is assumed,
and checked as far as scores without labels can: `check`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MAX_ITERATIONS = 20_000
TOLERANCE = 1e-9
"""No share moves further than this in the last step."""
ORDERS = 8
"""So many polynomials of the ranks of a class's probability are compared by the check; the later ones weigh little."""


@dataclass(frozen=True)
class Estimate:
    """A prior estimated by EM.

    Attributes:
        prior: (c,) shares, none below half an image.
        iterations: Steps taken.
        converged: Whether the last step moved nothing any more.
    """

    prior: Floats
    iterations: int
    converged: bool


@dataclass(frozen=True)
class Check:
    """What speaks for or against an estimate.

    Attributes:
        low: (c,) lower ends of intervals of the shares that hold the truth in 95 % of the cases or more.
        high: (c,) upper ends.
        p_value: The probability of scores as odd as these or odder, if classes look as they did in validation.
        separation: How well the model distinguishes the classes, from 0 (two look the same) to 1.
    """

    low: Floats
    high: Floats
    p_value: float
    separation: float


def estimate(probs: Floats, prior: Floats, *, max_iterations: int = MAX_ITERATIONS) -> Estimate:
    """Estimate the prior of unlabelled images by EM: the prior that makes their predictions most likely.

    Beginning at the prior under which the probabilities hold, each step moves them to the current estimate and takes
    their mean: pi_k <- mean over x of (p_k(x) pi_k / prior_k) / sum_j (p_j(x) pi_j / prior_j).

    Args:
        probs: (n, c) calibrated probabilities under `prior`.
        prior: (c,) shares that sum to 1.
        max_iterations: Steps at most.

    Returns:
        The estimate. A share below half an image counts as half an image, as in `prior_of_counts` of a link, so that
        its log-odds stay finite.

    Raises:
        ValueError: There are no images.

    Source: Saerens, Latinne, Decaestecker (2002), Adjusting the outputs of a classifier, equation 2.9.

    Example:
        >>> sure = np.array([[0.999, 0.001], [0.001, 0.999], [0.001, 0.999], [0.001, 0.999]])
        >>> estimate(sure, np.array([0.5, 0.5])).prior.round(2)
        array([0.25, 0.75])
    """
    if not len(probs):
        raise ValueError("the prior of no images cannot be estimated")
    ratios, now = probs / prior, np.array(prior, dtype=np.float64)
    steps, largest = 0, np.inf
    while largest > TOLERANCE and steps < max_iterations:
        after = _normalised(ratios * now).mean(axis=0)
        steps, largest, now = steps + 1, float(np.abs(after - now).max()), after
    floored = np.maximum(now, 0.5 / len(probs))
    return Estimate(floored / floored.sum(), steps, largest <= TOLERANCE)


def moved(probs: Floats, before: Floats, after: Floats) -> Floats:
    """Move probabilities (n, c) from one prior (c,) to another, by Bayes' rule.

    Example:
        >>> moved(np.array([[0.5, 0.5]]), np.array([0.5, 0.5]), np.array([0.9, 0.1]))
        array([[0.9, 0.1]])
    """
    return _normalised(probs * (after / before))


def _normalised(joint: Floats) -> Floats:
    """Divide (n, c) joint densities by their sum: posteriors."""
    posterior: Floats = joint / joint.sum(axis=1, keepdims=True)
    return posterior


def separation(val: Floats, targets: NDArray[np.int64], prior: Floats) -> float:
    """Say how well a model distinguishes classes, from 0 to 1.

    The least singular value of the table of mean probabilities under equal shares, a row for each true class: 1 if the
    model is always sure and right; 0 if two classes (or mixtures of classes) get the same probabilities, so that no
    number of images could tell their shares.

    Args:
        val: (m, c) probabilities of validation under `prior`.
        targets: (m,) class indices, each class at least once.
        prior: (c,) shares.

    Example:
        >>> separation(np.array([[0.75, 0.25], [0.25, 0.75]]), np.array([0, 1]), np.array([0.5, 0.5]))
        0.5
    """
    count = val.shape[1]
    even = moved(val, prior, np.full(count, 1 / count))
    return float(np.linalg.svd(_class_means(even, targets, count), compute_uv=False)[-1])


def check(
    unlabelled: Floats,
    val: Floats,
    targets: NDArray[np.int64],
    groups: NDArray[np.str_],
    prior: Floats,
    estimated: Floats,
    *,
    level: float = 0.95,
) -> Check:
    """Check whether validation's classes, in other shares, explain the scores of unlabelled images.

    With f(x) the probabilities under the estimate, M their means in each class of validation, and pi' = M^-T (mean of
    f over the unlabelled images), the shares that explain these means best: the unlabelled images are compared with the
    mixture of validation's classes in the shares pi', by a statistic of Anderson and Darling. For the probability of
    each class, u(x) in (0, 1) is the rank among all images of both samples, and h_j(x) = sqrt(2 j + 1) P_j(2 u(x) - 1)
    for Legendre's polynomials P_j, j = 1 to 8. D_j is the mean of h_j over the unlabelled images less the mixture's,
    and the statistic is the sum of D_j^2 / (j (j + 1)) over j and classes. That is Anderson and Darling's integral of
    squared differences of distribution functions, written in its own components; gaps that spread over all scores, as
    a shift causes, weigh most.

    D is compared with its own scatter. Each image gives g_j(x) = h_j(x) - sum_k P_jk (M^-T f(x))_k, with P_jk the mean
    of h_j in class k of validation. The mean of g_j over the unlabelled images is D_j, and over each class of
    validation it is 0; hence cov D = cov(g) / n + sum_k pi_k^2 cov_k(g) / n_k. With V that covariance for
    D_j / sqrt(j (j + 1)), the statistic S varies as a weighted sum of squares of normal variables. It is standardised,
    z = (S - tr V) / sqrt(2 tr V^2), and 1 + z sqrt(2 / d) is referred to the F distribution with
    d = (tr V^2)^3 / (tr V^3)^2 degrees of freedom, which has the same skewness, and in the denominator
    (tr V)^2 / sum over samples of (tr V_s^2 / (n_s - 1)), as V itself is known. With mean and variance alone (Box 1954)
    the check would refuse 1.4 to 1.8 % at level 0.01, as the first component dominates.

    What it cannot notice: a change that looks like other shares. If images of one class only look less like it, the
    share of the class is underestimated, and the scores fit.

    The intervals lie around the estimate on the scale of log-odds. With I_jk = mean of f_j f_k / pi_j over the
    unlabelled images, which is M if the probabilities are calibrated, the variance is that of I^-T f over these images,
    cov / n, the inverse of the information in EM's likelihood; and for the finite validation, sum_j pi_j^2 cov_j / n_j
    of the same.

    Args:
        unlabelled: (n, c) calibrated probabilities under `prior`.
        val: (m, c) the same of validation.
        targets: (m,) class indices of validation, each class at least once.
        groups: (m,) group of each image of validation; a group counts as one image.
        prior: (c,) shares under which the probabilities hold.
        estimated: (c,) the estimate.
        level: Coverage meant, in (0, 1).

    Returns:
        Intervals, p-value and separation.

    Source: Lipton, Wang, Smola (2018), Detecting and Correcting for Label Shift with Black Box Predictors, for M^-T;
        Anderson, Darling (1952), Asymptotic Theory of Certain Goodness of Fit Criteria, section 4, for the statistic
        and its components, and Pettitt (1976), A two-sample Anderson-Darling rank statistic, for ranks of both samples;
        Buckley, Eagleson (1988), An approximation to the distribution of quadratic forms in normal random variables,
        for the degrees of freedom; Brunner, Dette, Munk (1997), Box-Type Approximations in Nonparametric Factorial
        Designs, for those of the denominator.
    """
    count = len(prior)
    ours, theirs = moved(val, prior, estimated), moved(unlabelled, prior, estimated)
    own = [targets == index for index in range(count)]
    sizes = [len(np.unique(groups[rows])) for rows in own]
    low, high = _intervals(theirs, [ours[rows] for rows in own], sizes, estimated, level)
    to_shares = np.linalg.pinv(_class_means(ours, targets, count))
    ours, theirs = ours @ to_shares, theirs @ to_shares  # now a class's own rows average to its unit vector
    p_value = _explained(unlabelled, val, theirs, ours, own, sizes, estimated)
    return Check(low, high, p_value, separation(val, targets, prior))


def _intervals(
    theirs: Floats, ours: list[Floats], sizes: list[int], estimated: Floats, level: float
) -> tuple[Floats, Floats]:
    """Return both ends, (c,) each, from probabilities under the estimate: unlabelled ones, and of each class."""
    from scipy.special import expit, ndtri

    to_shares = np.linalg.pinv(theirs.T @ theirs / len(theirs) / estimated[:, None])
    spread = _covariance(theirs @ to_shares) / len(theirs)
    for share, values, size in zip(estimated, ours, sizes, strict=True):
        spread = spread + share**2 * _covariance(values @ to_shares) / size
    error = np.sqrt(np.maximum(np.diag(spread), 0)) / (estimated * (1 - estimated))
    reach = float(ndtri((1 + level) / 2)) * error
    odds = np.log(estimated) - np.log1p(-estimated)
    return expit(odds - reach), expit(odds + reach)


def _explained(
    unlabelled: Floats,
    val: Floats,
    theirs: Floats,
    ours: Floats,
    own: list[NDArray[np.bool_]],
    sizes: list[int],
    estimated: Floats,
) -> float:
    """Return the p-value of the statistic of all classes together."""
    from scipy.special import fdtrc

    parts = [_components(unlabelled[:, index], val[:, index]) for index in range(len(estimated))]
    one, other = (np.concatenate(blocks, axis=1) for blocks in zip(*parts, strict=True))
    means = np.stack([other[rows].mean(axis=0) for rows in own])
    gaps = one - theirs @ means
    statistic = float((gaps.mean(axis=0) ** 2).sum())
    whole, known = np.zeros((one.shape[1],) * 2), 0.0
    samples = [(gaps, 1.0, len(one))]
    samples += [(other[rows] - ours[rows] @ means, estimated[k], sizes[k]) for k, rows in enumerate(own)]
    for values, weight, size in samples:
        scaled = weight**2 * _covariance(values) / size
        whole += scaled
        known += float((scaled**2).sum()) / max(size - 1, 1)
    mean, squared = float(np.trace(whole)), float((whole**2).sum())
    if mean <= 0:
        return 1.0
    freedom = squared**3 / float((whole @ whole * whole).sum()) ** 2
    standardised = (statistic - mean) / np.sqrt(2 * squared)
    return float(fdtrc(freedom, mean**2 / known, max(0.0, 1 + standardised * np.sqrt(2 / freedom))))


def _components(unlabelled: Floats, val: Floats) -> tuple[Floats, Floats]:
    """Write ranks of one class's probability as components of Anderson and Darling's statistic: (n, 8) and (m, 8)."""
    from scipy.special import eval_legendre

    both = np.sort(np.concatenate([unlabelled, val]))
    orders = np.arange(1, ORDERS + 1)
    weights = np.sqrt((2 * orders + 1) / (orders * (orders + 1)))

    def of(values: Floats) -> Floats:
        ranks = (np.searchsorted(both, values, "left") + np.searchsorted(both, values, "right")) / len(both)
        components: Floats = weights * eval_legendre(orders, ranks[:, None] - 1)  # ranks are twice the mean rank u
        return components

    return of(unlabelled), of(val)


def _class_means(values: Floats, targets: NDArray[np.int64], count: int) -> Floats:
    return np.stack([values[targets == index].mean(axis=0) for index in range(count)])


def _covariance(values: Floats) -> Floats:
    if len(values) < 2:
        return np.zeros((values.shape[1],) * 2)
    result: Floats = np.atleast_2d(np.cov(values, rowvar=False))
    return result
