"""A linear head along a path of penalties: scikit-learn's minimum, resuming, and what validation chooses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import softmax
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from counterpoise import config
from counterpoise.artifacts.prior import Prior
from counterpoise.config import InputError
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.networks.devices import pick
from counterpoise.networks.heads import Head, build_head
from counterpoise.training import objective, penalty_path
from counterpoise.training.checkpoints import Checkpoint
from counterpoise.training.examples import Examples
from counterpoise.training.loop import Fitted
from counterpoise.training.settings import Train

ROOT = Path(__file__).resolve().parents[2]
CLASSES, WIDTH = 3, 12
SCALES = np.geomspace(1e-3, 10, WIDTH)
PARAMS = Train.model_validate(config.load(ROOT)["train"] | {"solver": "lbfgs", "monitor": "loss"})


def examples(count: int, seed: int) -> Examples:
    """Draw features of very uneven scales; the class shifts all of them."""
    rng = np.random.default_rng(seed)
    targets = rng.choice(CLASSES, size=count, p=[0.7, 0.2, 0.1])
    means = np.random.default_rng(0).normal(size=(CLASSES, WIDTH))
    values = ((rng.normal(size=(count, WIDTH)) + means[targets]) * SCALES + 5).astype(np.float32)
    return Examples(FeatureInputs(values, np.arange(count)), torch.from_numpy(targets))


TRAIN, VAL = examples(400, 1), examples(200, 2)


def a_head() -> Head:
    head = build_head("linear", WIDTH, CLASSES, 0.0, 0)
    assert isinstance(head, Head)
    return head


def fit(checkpoint: Checkpoint | None = None, **changes: Any) -> tuple[Head, Fitted]:
    names = ("a", "b", "c")
    prior = Prior("multiclass", names, (7, 2, 1), (7, 2, 1), (7, 2, 1), 10, 10, 10, ())
    plain = config.Weighting.model_validate({"scheme": "none", "beta": 0.999, "defer_frac": 0.0})
    goal, _ = objective.build(prior, "cross_entropy", {"label_smoothing": 0.0}, plain)
    head, params = a_head(), PARAMS.model_copy(update=changes)
    fitted = penalty_path.fit(head, goal, TRAIN, VAL, params, pick("cpu", "float32"), checkpoint)
    head.load_state_dict(fitted.weights)
    return head.eval(), fitted


def values(part: Examples) -> np.ndarray[Any, np.dtype[np.float32]]:
    assert isinstance(part.inputs, FeatureInputs)
    return part.inputs.values


def test_the_chosen_fit_is_the_minimum_that_scikit_learn_finds_with_the_same_scale_and_penalty() -> None:
    head, fitted = fit()
    best = fitted.history[fitted.best_epoch]
    var = values(TRAIN).astype(np.float64).var(axis=0)
    scale = np.sqrt(var + best["floor"] * var.mean())
    oracle = LogisticRegression(C=1 / (len(values(TRAIN)) * best["penalty"]), tol=1e-8, max_iter=10_000)
    oracle.fit(values(TRAIN) / scale, TRAIN.targets.numpy())
    with torch.no_grad():
        probs = softmax(head(torch.from_numpy(values(VAL))).double().numpy(), axis=1)
    targets = VAL.targets.numpy()
    expected = log_loss(targets, oracle.predict_proba(values(VAL) / scale))
    assert log_loss(targets, probs) == pytest.approx(expected, abs=2e-3)
    assert best["val/loss"] == pytest.approx(log_loss(targets, probs), abs=1e-5)


def test_penalties_fall_and_the_best_on_validation_is_kept() -> None:
    _, fitted = fit()
    losses = [row["val/loss"] for row in fitted.history]
    assert fitted.best_epoch == int(np.argmin(losses))
    first = [row["penalty"] for row in fitted.history if row["floor"] == penalty_path.FLOORS[0]]
    assert first == sorted(first, reverse=True)
    assert first[0] == penalty_path.PENALTIES[0]


class StoppedError(Exception):
    """What stands for a kill."""


class Stopping(Checkpoint):
    """A checkpoint after which the process ends, once it has been saved twice."""

    left = 2

    def save(self, state: dict[str, Any]) -> None:
        super().save(state)
        self.left -= 1
        if not self.left:
            raise StoppedError


def test_an_interrupted_path_goes_on_to_the_same_weights(tmp_path: Path) -> None:
    _, whole = fit()
    with pytest.raises(StoppedError):
        fit(Stopping(tmp_path, "the same", []))
    again = Checkpoint(tmp_path, "the same", [])
    state = again.load()
    assert state is not None
    assert len(state["history"]) == 2
    _, resumed = fit(again)
    assert resumed.history == whole.history
    assert all(torch.equal(resumed.weights[name], value) for name, value in whole.weights.items())


def test_features_that_are_not_numbers_are_refused_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(
        globals(), "VAL", Examples(FeatureInputs(values(VAL) * np.nan, np.arange(len(VAL.targets))), VAL.targets)
    )
    with pytest.raises(InputError, match="was not a number for any L2 penalty"):
        fit()


def test_a_fit_has_no_randomness() -> None:
    assert fit(seed=3)[1].history == fit(seed=4)[1].history
