"""The penalty path: it ends at the minimum of scikit-learn, stops where validation says so, goes on after a kill."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from torch.nn import functional

from counterpoise import config, losses
from counterpoise.artifacts.prior import Prior
from counterpoise.config import InputError
from counterpoise.dataset.inputs import FeatureInputs
from counterpoise.networks import devices
from counterpoise.networks.heads import Head, build_head
from counterpoise.stages import train
from counterpoise.study import experiment
from counterpoise.training import loop, members, objective, penalty_path
from counterpoise.training.checkpoints import Checkpoint
from counterpoise.training.examples import Examples
from counterpoise.training.penalty_path import FLOORS, PENALTIES, Place, following

ROOT = Path(__file__).parents[2]
CPU = devices.pick("cpu", "float32")
WIDTH = 20


def a_params(**changes: Any) -> train.Params:
    content = experiment.changed(
        config.load(ROOT), {"model.device": "cpu"} | {name.replace("__", "."): value for name, value in changes.items()}
    )
    return config.validate(train.Params, {key: content[key] for key in train.Params.model_fields})


def gaussians(counts: tuple[int, ...], seed: int, scales: tuple[float, float] = (0.0, 0.0)) -> Examples:
    """Draw classes around centres of their own; scales of features are powers of ten from the first to the second."""
    centres = np.random.default_rng(9).normal(size=(len(counts), WIDTH)) * 0.6
    targets = np.repeat(np.arange(len(counts)), counts)
    values = centres[targets] + np.random.default_rng(seed).normal(size=(len(targets), WIDTH))
    values = 3 + values * np.logspace(*scales, WIDTH)
    inputs = FeatureInputs(values.astype(np.float32), np.arange(len(targets)))
    return Examples(inputs, torch.from_numpy(targets), np.arange(len(targets)))


def a_prior(counts: tuple[int, ...]) -> Prior:
    names = tuple(f"c{number}" for number in range(len(counts)))
    return Prior("multiclass", names, counts, counts, counts, *3 * (sum(counts),), ())


def run(params: train.Params, shown: Examples, val: Examples, checkpoint: Checkpoint | None = None) -> loop.Fitted:
    counts = tuple(np.bincount(shown.targets.numpy()).tolist())
    goal, _ = objective.build(a_prior(counts), params.loss, params.losses[params.loss], params.weighting)
    head = build_head("linear", WIDTH, len(counts), 0.0, 0)
    assert isinstance(head, Head)
    return penalty_path.fit(head, goal, shown, val, params.train, CPU, checkpoint)


def same(one: loop.Fitted, other: loop.Fitted) -> bool:
    weights = all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)
    return weights and one.history == other.history and one.best_epoch == other.best_epoch


@pytest.mark.parametrize("floor", [1.0, 0.0])
@pytest.mark.parametrize("counts", [(150, 50), (120, 60, 20)])
def test_the_minimum_is_that_of_scikit_learn(counts: tuple[int, ...], floor: float) -> None:
    shown = gaussians(counts, seed=0, scales=(-3.0, 1.0))
    head = build_head("linear", WIDTH, len(counts), 0.0, 0)
    assert isinstance(head, Head)
    goal, _ = objective.build(a_prior(counts), "cross_entropy", {"label_smoothing": 0.0}, a_params().weighting)
    samples = penalty_path._Samples.of(shown)
    problem = penalty_path._Problem(head, goal, samples, floor)
    for penalty in (0.1, 0.01):
        value = problem.minimise(penalty)
        weight = problem._layer.weight.detach() * problem._folded
        ours = value + penalty / 2 * float(weight.square().sum())
        x = samples.features().numpy().astype(np.float64)
        fourth = ((x - x.mean(axis=0)) ** 4).mean(axis=0)
        spread = np.maximum(x.var(axis=0), np.sqrt(fourth / 3)) if floor == 0 else x.var(axis=0)
        x = (x - x.mean(axis=0)) / np.sqrt(spread + floor * x.var(axis=0).mean())
        y = shown.targets.numpy()
        oracle = LogisticRegression(C=1 / (len(y) * penalty), tol=1e-8, max_iter=5000).fit(x, y)
        squared, logits = (oracle.coef_**2).sum(), oracle.decision_function(x)
        if len(counts) == 2:  # one vector w stands for two, which share its length: w / 2 and -w / 2
            oracle = LogisticRegression(C=1 / (2 * len(y) * penalty) * 4, tol=1e-8, max_iter=5000).fit(x, y)
            squared, logits = (oracle.coef_**2).sum() / 2, oracle.decision_function(x)
            logits = np.stack([-logits / 2, logits / 2], axis=1)
        theirs = float(functional.cross_entropy(torch.from_numpy(logits), shown.targets)) + penalty / 2 * squared
        assert theirs - 1e-6 <= ours <= theirs + 1e-4
        head.eval()
        with torch.no_grad():  # batch norm, with its eps, gives what was minimised
            assert float(goal(head(samples.features()), shown.targets)) == pytest.approx(value, abs=1e-5)


def test_the_path_stops_after_the_first_penalty_that_is_worse_and_keeps_the_best() -> None:
    shown, val = gaussians((60, 30, 10), seed=0), gaussians((60, 30, 10), seed=1)
    fitted = run(a_params(), shown, val)
    first = [row for row in fitted.history if row["floor"] == FLOORS[0]]
    assert [row["penalty"] for row in first] == list(PENALTIES[: len(first)])
    curve = [row["val/loss"] for row in first]
    assert 2 < len(curve) < len(PENALTIES)
    assert int(np.argmin(curve)) == len(curve) - 2
    assert fitted.best_epoch == int(np.argmin([row["val/loss"] for row in fitted.history]))
    train_losses = [row["train/loss"] for row in first]
    assert train_losses == sorted(train_losses, reverse=True)


def test_features_that_matter_at_any_scale_lead_to_lower_floors() -> None:
    shown, val = (gaussians((200, 100, 50), seed, scales=(-4.0, 1.0)) for seed in (0, 1))
    fitted = run(a_params(), shown, val)
    best = fitted.history[fitted.best_epoch]
    assert best["floor"] < FLOORS[0]
    alone = min(row["val/loss"] for row in fitted.history if row["floor"] == FLOORS[0])
    assert best["val/loss"] < 0.8 * alone


def test_a_feature_that_one_example_has_does_not_keep_the_path_from_the_lowest_floor() -> None:
    shown, val = (gaussians((200, 100, 50), seed, scales=(-4.0, 1.0)) for seed in (0, 1))
    for examples, value, row in ((shown, 1e-5, 7), (val, 1e-4, 340)):  # of another class, and further out
        assert isinstance(examples.inputs, FeatureInputs)
        examples.inputs.values[:, 0] = 0
        examples.inputs.values[row, 0] = value
    fitted = run(a_params(), shown, val)
    best = fitted.history[fitted.best_epoch]
    assert best["floor"] == 0
    assert best["val/loss"] < 0.2  # with the standard deviation as scale it is 0.223, at a higher floor


def test_where_the_next_fit_is() -> None:
    def row(place: Place, loss: float) -> dict[str, float]:
        return {
            "penalty": PENALTIES[place.penalty],
            "floor": FLOORS[place.floor],
            "val/loss": loss,
            "val/balanced_accuracy": 1 - loss,
        }

    history = [row(Place(0, 0), 0.9), row(Place(0, 1), 0.6), row(Place(0, 2), 0.5)]
    assert following(history, "loss") == Place(0, 3)
    history += [row(Place(0, 3), 0.55)]
    assert following(history, "balanced_accuracy") == Place(0, 4)  # which has steps: no early end
    assert following(history, "loss") == Place(1, 1)  # one above the best
    assert following([*history, row(Place(1, 1), 0.52)], "loss") == Place(1, 2)
    worse = [*history, row(Place(1, 1), 0.52), row(Place(1, 2), 0.53)]
    assert following(worse, "loss") is None  # no better than the floor before
    better = [*history, row(Place(1, 1), 0.45), row(Place(1, 2), 0.47)]
    assert following(better, "loss") == Place(2, 0)
    broken = [row(Place(1, number), float("nan")) for number in (1, 2)]
    assert following([*history, *broken], "loss") is None
    last = [row(Place(len(FLOORS) - 1, len(PENALTIES) - 1), 0.1)]
    assert following(last, "loss") is None


@pytest.mark.parametrize("saves", [1, 3, 6])
def test_a_killed_path_goes_on_where_it_was(saves: int, tmp_path: Path) -> None:
    shown, val = (gaussians((200, 100, 50), seed, scales=(-4.0, 1.0)) for seed in (0, 1))
    whole = run(a_params(), shown, val)
    assert len({row["floor"] for row in whole.history}) > 1
    assert len(whole.history) > 8

    class KilledError(Exception):
        pass

    class Counting(Checkpoint):
        left = saves

        def save(self, state: dict[str, Any]) -> None:
            super().save(state)
            self.left -= 1
            if self.left == 0:
                raise KilledError

    with pytest.raises(KilledError):
        run(a_params(), shown, val, Counting(tmp_path, {}, []))
    rest = Counting(tmp_path, {}, [])
    rest.left = 1000
    assert same(run(a_params(), shown, val, rest), whole)
    assert 1000 - rest.left == len(whole.history) - saves


@pytest.mark.parametrize("name", [name for name in losses.names() if not losses.refuses_lbfgs(name)])
def test_every_loss_that_may_be_is_minimised(name: str) -> None:
    if losses.refuses_task(name, "multiclass"):
        pytest.skip("for many labels")
    shown, val = gaussians((60, 30, 10), seed=0), gaussians((60, 30, 10), seed=1)
    history = run(a_params(loss=name), shown, val).history
    assert min(row["val/loss"] for row in history) < 0.9 * history[0]["val/loss"]
    assert all(np.isfinite(list(row.values())).all() for row in history)


def test_features_that_are_not_numbers_are_refused() -> None:
    shown, val = gaussians((20, 20), seed=0), gaussians((20, 20), seed=1)
    val.inputs.values[0] = np.nan  # type: ignore[attr-defined]
    with pytest.raises(InputError, match="val/loss was not a number for any L2 penalty"):
        run(a_params(), shown, val)


def test_members_but_the_first_are_fitted_on_bootstraps() -> None:
    shown, val = gaussians((60, 30, 10), seed=0), gaussians((60, 30, 10), seed=1)
    units = np.array([f"u{number // 2}" for number in range(100)])
    given, prior = a_params(train__members=3), a_prior((60, 30, 10))
    three = members.fit_members(shown, shown, val, prior, given, units=units)
    (alone,) = members.fit_members(shown, shown, val, prior, a_params(train__members=1))
    first, second, third = (member.weights["2.weight"] for member in three)
    assert torch.equal(first, alone.weights["2.weight"])
    assert not torch.allclose(first, second)
    assert not torch.allclose(second, third)
    again = members.fit_members(shown, shown, val, prior, given, units=units)
    assert torch.equal(again[2].weights["2.weight"], third)


def test_another_seed_gives_the_same_fit() -> None:
    shown, val = gaussians((60, 30, 10), seed=0), gaussians((60, 30, 10), seed=1)
    one, other = (
        members.fit_members(shown, shown, val, a_prior((60, 30, 10)), a_params(train__seed=seed))[0] for seed in (0, 1)
    )
    assert torch.equal(one.weights["2.weight"], other.weights["2.weight"])


def test_subtypes_are_fitted_and_validated_by_their_classes() -> None:
    shown, val = gaussians((60, 30, 10), seed=0), gaussians((60, 30, 10), seed=1)
    params = a_params(model__subclasses={"c0": 2})
    (member,) = members.fit_members(shown, shown, val, a_prior((60, 30, 10)), params)
    assert member.weights["2.weight"].shape == (4, WIDTH)
    assert member.history[member.summary["best_epoch"]]["val/loss"] < 0.9


def test_a_network_is_not_fitted_by_lbfgs() -> None:
    shown, params = gaussians((2, 2), seed=0), a_params()
    goal, _ = objective.build(a_prior((2, 2)), params.loss, params.losses[params.loss], params.weighting)
    with pytest.raises(InputError, match=r"a backbone is trained; set train.solver to 'adamw'"):
        members._fit(torch.nn.Linear(1, 1), goal, shown, shown, shown, params, CPU, None)
