"""Types found by hand; sums in probability; what they gain where a class has two looks; the ledger with weights."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from counterpoise import config, losses
from counterpoise.artifacts import model, prior
from counterpoise.calibration import links, prior_ledger
from counterpoise.dataset import inputs
from counterpoise.networks import devices, subclasses
from counterpoise.networks.heads import HEADS, build_head
from counterpoise.networks.network import rebuild, sum_back
from counterpoise.stages import check, train
from counterpoise.training import members, objective
from counterpoise.training.examples import Examples

Array = np.ndarray[Any, Any]
NAMES = ("roof", "solar", "tree")
ROOT = Path(__file__).parents[2]
QUICK = {
    "model__dropout": 0.0,
    "model__device": "cpu",
    "train__solver": "adamw",
    "train__epochs": 40,
    "train__learning_rate": 0.02,
    "train__weight_decay": 0.0,
    "train__schedule": "constant",
    "train__warmup_epochs": 0.0,
    "train__patience": 1000,
    "train__monitor": "balanced_accuracy",
}


def content_with(**changes: Any) -> dict[str, Any]:
    """Set the shipped parameters; `a__b=c` changes b in section a."""
    content = config.load(ROOT)
    for name, value in changes.items():
        section, _, key = name.partition("__")
        if key:
            content[section][key] = value
        else:
            content[section] = value
    return content


def a_params(**changes: Any) -> train.Params:
    content = content_with(**QUICK | changes)
    return config.validate(train.Params, {key: content[key] for key in train.Params.model_fields})


def test_outputs_stand_in_the_order_of_their_classes() -> None:
    assert subclasses.parents(NAMES, {}) == (0, 1, 2)
    assert subclasses.parents(NAMES, {"tree": 3, "roof": 2}) == (0, 0, 1, 2, 2, 2)
    with pytest.raises(config.InputError, match=r"model\.subclasses has 'solr', .*not a class.*did you mean 'solar'"):
        subclasses.parents(NAMES, {"solr": 2})


def test_probabilities_of_types_are_summed_when_predicting_and_left_while_training() -> None:
    sums, logits = subclasses.Sums((0, 1, 1, 2)), torch.randn(50, 4) * 5
    assert sums.train()(logits) is logits
    probs, expected = sums.eval()(logits).softmax(dim=1), logits.softmax(dim=1)
    torch.testing.assert_close(probs, torch.stack([expected[:, 0], expected[:, 1:3].sum(1), expected[:, 3]], dim=1))


def blobs(counts: dict[tuple[int, float, float], int], seed: int, width: int = 6) -> tuple[Array, Array]:
    """Draw points of a class around (x, y), with noise in further dimensions."""
    rng, values, targets = np.random.default_rng(seed), [], []
    for (target, x, y), count in counts.items():
        centre = np.zeros(width)
        centre[:2] = x, y
        values.append(rng.normal(size=(count, width)) * 0.7 + centre)
        targets += [target] * count
    return np.concatenate(values).astype(np.float32), np.array(targets)


def test_types_are_the_clusters_of_a_class_and_the_largest_comes_first() -> None:
    values, targets = blobs({(0, 0, 0): 40, (1, -6, 0): 20, (1, 6, 0): 50, (2, 0, 9): 10}, seed=0)
    found = subclasses.find(values, targets, NAMES, {"solar": 2}, seed=0)
    assert found[targets == 0].tolist() == [0] * 40
    assert found[targets == 1].tolist() == [2] * 20 + [1] * 50
    assert found[targets == 2].tolist() == [3] * 10
    assert (found == subclasses.find(values, targets, NAMES, {"solar": 2}, seed=0)).all()


def test_a_class_with_too_few_different_examples_is_refused() -> None:
    values, targets = np.ones((5, 2), dtype=np.float32), np.array([0, 1, 1, 1, 2])
    with pytest.raises(config.InputError, match=r"splits 'solar' into 2 types, but .* has only 1 distinct examples"):
        subclasses.find(values, targets, NAMES, {"solar": 2}, seed=0)


def problem(seed: int, counts: tuple[int, int] = (400, 100)) -> Examples:
    """Draw a common class in the middle, and a rare one on both sides of it."""
    common, rare = counts
    values, targets = blobs({(0, 0, 0): common, (1, -3, 0): rare // 2, (1, 3, 0): rare // 2}, seed)
    rows = np.arange(len(targets))
    return Examples(inputs.FeatureInputs(values, rows), torch.from_numpy(targets), rows)


def a_prior(shown: Examples) -> prior.Prior:
    counts = tuple(np.bincount(shown.targets.numpy()).tolist())
    ledger = (prior_ledger.Line("split", "train", (1.0, 1.0)),)
    return prior.Prior("multiclass", NAMES[:2], counts, counts, counts, *3 * (sum(counts),), ledger)


def trained(
    shown: Examples, val: Examples | None = None, **changes: Any
) -> tuple[members.Member, model.Card, torch.nn.Module]:
    params = a_params(**changes)
    given = a_prior(shown)
    learned = members.fit_member(shown, shown, val or problem(1), given, params)
    card = members.describe([learned], given, params.loss, params.model, 6)
    return learned, card, rebuild(card, learned.weights)


def logits_of(network: torch.nn.Module, examples: Examples) -> torch.Tensor:
    compute = devices.pick("cpu", "float32")
    return torch.from_numpy(inputs.infer(network, examples.inputs, 256, compute))


def balanced_accuracy(logits: torch.Tensor, targets: torch.Tensor) -> float:
    right = logits.argmax(dim=1) == targets
    return float(np.mean([right[targets == index].double().mean() for index in (0, 1)]))


@pytest.mark.parametrize("head", HEADS)
def test_every_head_can_sum_types_back(head: str) -> None:
    network = build_head(head, 6, 3, 0.0, seed=0)
    sum_back(network, (0, 1, 1))
    (batch,) = problem(0).inputs.batches([np.arange(5)])
    assert network.train()(batch).shape == (5, 3)
    assert network.eval()(batch).shape == (5, 2)


def test_a_linear_head_finds_a_class_of_two_looks_once_it_is_split() -> None:
    shown, test = problem(0, (200, 200)), problem(2, (500, 500))
    found = {}
    for split in ({}, {"solar": 2}):
        _, card, network = trained(shown, model__subclasses=split)
        logits = logits_of(network, test)
        assert logits.shape == (1000, 2)
        found[len(card.subclasses)] = balanced_accuracy(logits, test.targets)
    assert found[0] < 0.75
    assert found[1] > found[0] + 0.15


def test_the_ledger_of_weights_by_class_leads_back_from_the_summed_probabilities() -> None:
    """The types of a class are of unequal size, so that weights by type would multiply the class by no one factor."""
    values, targets = blobs({(0, 0, 0): 2000, (1, -2, 0): 100, (1, 2, 0): 400}, seed=0)
    rows = np.arange(len(targets))
    shown = Examples(inputs.FeatureInputs(values, rows), torch.from_numpy(targets), rows)
    natural = links.find("softmax").prior_of_counts([2000, 500], 2500)

    def probs_at_natural(**changes: Any) -> torch.Tensor:
        learned, _, network = trained(
            shown, shown, model__subclasses={"solar": 2}, train__monitor="loss", train__batch_size=128, **changes
        )
        seen = prior_ledger.seen(natural, learned.ledger, task="multiclass")
        assert seen is not None
        np.testing.assert_allclose(seen, 0.5 if changes else natural)
        back = torch.from_numpy(prior_ledger.offset(seen, natural, task="multiclass")).float()
        return (logits_of(network, shown) + back).softmax(dim=1)[:, 1]

    plain = probs_at_natural()
    assert float(plain.mean()) == pytest.approx(0.2, abs=0.01)
    for moved in (probs_at_natural(weighting__scheme="balanced"), probs_at_natural(loss="balanced_softmax")):
        assert float(moved.mean()) == pytest.approx(0.2, abs=0.02)
        assert float((plain - moved).abs().mean()) < 0.02


def test_the_ledger_gets_a_line_that_changes_nothing() -> None:
    learned, card, _ = trained(problem(0), model__subclasses={"solar": 2})
    (line,) = [line for line in learned.ledger if line.piece == "model.subclasses"]
    assert (line.remedy, line.factors) == ("solar 2", (1.0, 1.0))
    assert card.ledger == learned.ledger
    assert "model.subclasses" not in [line.piece for line in trained(problem(0))[0].ledger]


def test_an_untrained_network_knows_the_prior_of_the_classes() -> None:
    shown = problem(0)
    of = subclasses.parents(NAMES[:2], {"solar": 2})
    shares = subclasses.log_shares(torch.tensor([0] * 6 + [1] * 3 + [2]), of)
    torch.testing.assert_close(shares.exp(), torch.tensor([1.0, 0.75, 0.25]))
    head = build_head("linear", 6, 3, 0.0, 0, torch.tensor([0.8, 0.2]).log()[torch.tensor(of)] + shares)
    sum_back(head, of)
    (batch,) = shown.inputs.batches([np.arange(5)])
    torch.testing.assert_close(head.eval()(batch).softmax(dim=1), torch.tensor([[0.8, 0.2]] * 5))


def test_validation_is_watched_by_summed_classes() -> None:
    learned, _, network = trained(problem(0), model__subclasses={"solar": 2})
    best = learned.history[learned.summary["best_epoch"]]
    logits, targets = logits_of(network, problem(1)), problem(1).targets
    assert best["val/balanced_accuracy"] == pytest.approx(balanced_accuracy(logits, targets))
    assert best["val/loss"] == pytest.approx(float(torch.nn.functional.cross_entropy(logits, targets)), rel=1e-4)


@pytest.mark.parametrize("loss", losses.names())
def test_check_and_training_refuse_the_same_losses(loss: str) -> None:
    if "multiclass" not in losses.module(loss).TASKS:
        return
    given, block = a_prior(problem(0)), config.load(ROOT)["losses"][loss]
    weights = config.Weighting(scheme="none", beta=0.9, defer_frac=0.0)
    goal, _ = objective.build(given, loss, block, weights)
    refused = losses.ranks(loss) or isinstance(goal.loss, torch.nn.Module)
    head = "linear" if losses.refuses_head(loss, "linear") is None else "cosine"
    content = content_with(loss=loss, model__head=head, model__subclasses={"solar": 2})
    said = [fault for fault in check.problems(content) if "model.subclasses" in fault]
    assert bool(said) == refused
    if refused:
        with pytest.raises(config.InputError, match=r"model\.subclasses is given, but loss"):
            objective.over_types(goal, given, loss, block, (0, 1, 1))
    else:
        typed = objective.over_types(goal, given, loss, block, (0, 1, 1))
        assert typed(torch.randn(4, 3), torch.tensor([0, 1, 2, 1])).isfinite()
        assert typed.unweighted()(torch.randn(4, 2), torch.tensor([0, 1, 0, 1])).isfinite()


def test_before_its_first_step_the_network_knows_the_prior_of_the_classes() -> None:
    shown = problem(0, (300, 100))
    _, _, network = trained(shown, model__subclasses={"solar": 2}, train__learning_rate=1e-9, train__epochs=1)
    probs = logits_of(network, shown).softmax(dim=1)
    torch.testing.assert_close(probs, torch.tensor([[0.75, 0.25]]).expand(400, 2), rtol=0, atol=1e-4)
