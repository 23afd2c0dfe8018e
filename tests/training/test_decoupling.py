"""Normalised classifiers: by hand, and on features whose truth is known."""

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score

from counterpoise.training import decoupling


@pytest.mark.parametrize(("tau", "lengths"), [(0.0, [5.0, 2.0]), (0.5, [5**0.5, 2**0.5]), (1.0, [1.0, 1.0])])
def test_lengths_are_raised_to_one_minus_tau_and_directions_stay(tau: float, lengths: list[float]) -> None:
    weight = torch.tensor([[3.0, 4.0], [0.0, -2.0]])
    found = decoupling.normalised(weight, tau)
    torch.testing.assert_close(found.norm(dim=1), torch.tensor(lengths))
    torch.testing.assert_close(found / found.norm(dim=1, keepdim=True), weight / weight.norm(dim=1, keepdim=True))


def test_a_class_that_was_never_drawn_has_finite_weights() -> None:
    assert decoupling.normalised(torch.zeros(2, 3), 1.0).isfinite().all()


def test_tau_is_the_best_of_a_search_by_hand() -> None:
    """Frequent classes get long weights from a plain classifier; validation has to find out how long is too long."""
    rng = np.random.default_rng(0)
    centres = np.eye(3, 8) * 2

    def draw(counts: list[int]) -> tuple[np.ndarray, np.ndarray]:
        targets = np.repeat([0, 1, 2], counts)
        return rng.normal(size=(len(targets), 8)) + centres[targets], targets

    plain = LogisticRegression(C=1.0).fit(*draw([2000, 200, 20]))
    weight, bias = torch.from_numpy(plain.coef_), torch.from_numpy(plain.intercept_)
    values, targets = draw([400, 400, 400])
    logits = torch.from_numpy(values) @ weight.T + bias
    tau, reached = decoupling.choose_tau(logits, weight, bias, targets)
    by_hand = [
        balanced_accuracy_score(
            targets, (torch.from_numpy(values) @ decoupling.normalised(weight, t).T).argmax(dim=1).numpy()
        )
        for t in decoupling.TAUS
    ]
    assert reached == pytest.approx(max(by_hand))
    assert tau == decoupling.TAUS[int(np.argmax(np.round(by_hand, 12)))]
    assert reached > balanced_accuracy_score(targets, logits.argmax(dim=1).numpy())
