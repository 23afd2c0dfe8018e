"""Every remedy whose effect on the prior is known, trained for real, is calibrated at the target after the correction.

Gaussian classes of equal covariance have linear log-odds under any prior, so that a linear model which minimises the
real objective on many draws fits what it was shown: what is left is what the remedy did, and whether the ledger undoes
it.
"""

from __future__ import annotations

import itertools
import pkgutil
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.special import expit, softmax

from counterpoise import config, labels, losses, seeds
from counterpoise.artifacts import decision, predictions, prior
from counterpoise.artifacts.positive import Positive
from counterpoise.calibration import links, prior_ledger
from counterpoise.calibration.calibrators import WITH_BIAS, apply
from counterpoise.calibration.calibrators.softmax import CALIBRATORS
from counterpoise.conflicts import data
from counterpoise.decision import rules, validation
from counterpoise.imbalance import class_weights, resampling
from counterpoise.stages import check, decide
from counterpoise.training.objective import Objective, build

ROOT = Path(__file__).parents[2]
SHIPPED = config.load(ROOT)
Array = np.ndarray[Any, Any]

NATURAL = {
    "50 : 50": (8000, 8000),
    "10 : 1": (30_000, 3000),
    "100 : 1": (100_000, 1000),
    "long tail": (60_000, 12_000, 2400),
}
MEANS = np.array([[0.0, 0.0], [1.6, 0.8], [-0.4, 1.8]])
FRESH = 5000
BINS = 15


def asked(opened: prior.Prior) -> decide.Matters:
    return decide.Matters(Positive(opened.classes[-1], "as the rarest class"), ())


_indicators, _iter_modules, _calibrate = labels.indicators, pkgutil.iter_modules, validation.calibrate
_faults = check._faults
calibrated: dict[Any, decision.Decision] = {}
"""The last calibration."""


@cache
def indicators_once(cells: tuple[str, ...], classes: tuple[str, ...]) -> Array:
    """Read a hundred thousand cells once for all decisions on them."""
    result = _indicators(cells, classes)
    result.flags.writeable = False
    return result


@cache
def modules_once(*path: str) -> list[pkgutil.ModuleInfo]:
    """List a folder of modules once for all configurations."""
    return list(_iter_modules(path))


faults: dict[Any, tuple[list[str], Any]] = {}


def faults_once(section: Any, content: Any, where: str) -> list[str]:
    """Check a section once for all configurations that share it; keeping its values keeps their identity."""
    parts = tuple(content.values()) if isinstance(content, dict) else (content,)
    key = (section, where, *content, *map(id, parts))
    if key not in faults:
        faults[key] = _faults(section, content, where), parts
    return faults[key][0]


def calibrate_once(val: Any, opened: prior.Prior, ledger: Any, **options: Any) -> decision.Decision:
    """Fit a calibrator once for all targets."""
    key = (val.logits.tobytes(), val.labels, opened, tuple(ledger), tuple(options.items()))
    if key not in calibrated:
        calibrated.clear()
        calibrated[key] = _calibrate(val, opened, ledger, **options)
    return calibrated[key]


@pytest.fixture(autouse=True)
def what_does_not_change_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(labels, "indicators", indicators_once)
    monkeypatch.setattr(validation, "calibrate", calibrate_once)


def sample(counts: Any, *purpose: Any) -> tuple[Array, Array]:
    """Draw features and classes with these counts."""
    rng = seeds.generator(0, "ledger", repr(purpose))
    targets = np.repeat(np.arange(len(counts)), counts)
    return MEANS[targets] + rng.normal(size=(len(targets), 2)), targets


@dataclass(frozen=True)
class Remedy:
    """What is switched on."""

    scheme: str = "none"
    strategy: str = "none"
    loss: str = "cross_entropy"
    balance: bool = False
    options: tuple[tuple[str, float], ...] = ()
    """Parameters of the loss that differ from those that ship."""

    def __str__(self) -> str:
        switches = [self.scheme, self.strategy, self.loss, "balance" if self.balance else "none"]
        switches += [f"{name} {value}" for name, value in self.options]
        return ", ".join(name for name in switches if name not in ("none", "cross_entropy")) or "plain"


def block(loss: str, options: tuple[tuple[str, float], ...] = ()) -> dict[str, Any]:
    """The shipped parameters of a loss, or such that its effect on the prior is known."""
    shipped: dict[str, Any] = SHIPPED["losses"][loss]
    known = {"focal": {"gamma": 0.0}, "vector_scaling": {"gamma": 0.0}}.get(loss, {})
    return shipped | known | dict(options)


def known(task: str) -> list[str]:
    """Losses of a task that say what they do to the prior."""
    return [
        name
        for name in losses.names()
        if task in losses.module(name).TASKS and losses.prior_factors(name, [30, 20, 10], block(name)) is not None
    ]


SINGLE = [
    *(Remedy(scheme=name) for name in class_weights.SCHEMES),
    *(Remedy(strategy=name) for name in resampling.STRATEGIES if name not in ("none", *resampling.OF_LABEL_SETS)),
    *(Remedy(loss=name) for name in known("multiclass") if name != "cross_entropy"),
    Remedy(loss="logit_adjustment", options=(("tau", 0.5),)),
    Remedy(loss="logit_adjustment", options=(("tau", 1.5),)),
    Remedy(loss="vector_scaling", options=(("tau", 0.7),)),
    Remedy(balance=True),
]
TOGETHER = [
    *(
        Remedy(scheme=scheme, loss=loss, strategy=strategy)
        for scheme, loss, strategy in itertools.product(
            ("balanced", "square_root"), known("multiclass"), ("none", "square_root")
        )
        if (loss, strategy) != ("cross_entropy", "none") and losses.refuses_weights(loss, scheme) is None
    ),
    Remedy(scheme="effective_number", strategy="under"),
    Remedy(strategy="square_root", loss="logit_adjustment", options=(("tau", 0.5),)),
    Remedy(balance=True, strategy="over", scheme="one_minus_share"),
]


def minimised(x: Array, targets: Array, count: int, objective: Objective, free: Array) -> Array:
    """Fit a linear model by the real objective; `free` says which weights may differ from 0. Returns (d + 1, c)."""
    ones = np.concatenate([x, np.ones((len(x), 1))], axis=1)
    inputs, truth = torch.from_numpy(ones).float(), torch.from_numpy(targets)
    mask = torch.from_numpy(free).float()
    weights = torch.zeros(inputs.shape[1], count, requires_grad=True)
    optimiser = torch.optim.LBFGS(
        [weights], max_iter=200, tolerance_grad=1e-6, tolerance_change=1e-9, line_search_fn="strong_wolfe"
    )

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        value = objective(inputs @ (weights * mask), truth)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    result: Array = (weights * mask).detach().numpy().astype(np.float64)
    return result


@cache
def trained(counts: tuple[int, ...], remedy: Remedy) -> tuple[Array, prior.Prior, tuple[prior_ledger.Line, ...]]:
    """Train as the pipeline does, from the draws to the ledger."""
    count = len(counts)
    train = (min(counts),) * count if remedy.balance else counts
    x, targets = sample(train, "train")
    repeats = resampling.repeats(
        remedy.strategy,
        np.eye(count, dtype=np.bool_)[targets],
        seeds.generator(0, "draws"),
        threshold=0.1,
        resize_frac=0.25,
    )
    drawn = tuple(int(number) for number in np.bincount(np.repeat(targets, repeats), minlength=count))
    opened = prior.Prior(
        "multiclass",
        tuple("abc"[:count]),
        counts,
        train,
        drawn,
        sum(counts),
        sum(train),
        sum(drawn),
        (
            prior_ledger.Line(
                "split", "train", prior_ledger.factors(counts, train, (sum(counts), sum(train)), task="multiclass")
            ),
            prior_ledger.Line(
                "oversample.strategy",
                remedy.strategy,
                prior_ledger.factors(train, drawn, (sum(train), sum(drawn)), task="multiclass"),
            ),
        ),
    )
    weights = config.Weighting.model_validate({"scheme": remedy.scheme, "beta": 0.999, "defer_frac": 0.0})
    objective, lines = build(opened, remedy.loss, block(remedy.loss, remedy.options), weights)
    rows = np.repeat(np.arange(len(targets)), repeats)
    return minimised(x[rows], targets[rows], count, objective, np.ones((3, count))), opened, lines


def logits_of(fitted: Array, x: Array) -> Array:
    return np.concatenate([x, np.ones((len(x), 1))], axis=1) @ fitted


def settings(**changed: Any) -> decide.Decide:
    shipped: dict[str, Any] = SHIPPED["decide"]
    return decide.Decide.model_validate(shipped | {"rule": "most_probable"} | changed)


@cache
def on_validation(shares: tuple[int, ...]) -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    """Draw a quarter as many images as in train: features, ids, classes by name."""
    x, targets = sample([number // 4 for number in shares], "val")
    return x, tuple(f"{row:06d}" for row in range(len(targets))), tuple(np.array(list("abc"))[targets].tolist())


def decided(
    counts: tuple[int, ...], remedy: Remedy, *, ledger: bool = True, **changed: Any
) -> tuple[decision.Decision, Array]:
    """Choose on a validation of natural shares, or of even ones where the split was balanced."""
    fitted, opened, lines = trained(counts, remedy)
    shares = (min(counts),) * len(counts) if remedy.balance else counts
    x, ids, names = on_validation(shares)
    val = predictions.Predictions(ids, ids, names, opened.classes, logits_of(fitted, x).astype(np.float32))
    return decide.choose(val, opened, lines if ledger else (), settings(**changed), asked(opened)), fitted


def fresh(target: Any) -> tuple[Array, Array]:
    """Draw images of the place of deployment, and one-hot truths."""
    target = np.array(target)
    counts = seeds.generator(0, "fresh").multinomial(FRESH, target / target.sum())
    x, targets = sample(counts, "fresh")
    return x, np.eye(len(target))[targets]


def calibration_errors(probs: Array, outcomes: Array) -> Array:
    """Expected calibration error of each class's own probability, averaged over classes; outcomes (..., n, c).

    The error of the top label is blind to what weights do: see `tests/stages/test_decide.py`.
    """
    total: Any = 0.0
    for k in range(probs.shape[1]):
        in_bin = np.eye(BINS)[np.minimum((probs[:, k] * BINS).astype(int), BINS - 1)]
        counts = outcomes[..., k].astype(np.float32) @ in_bin.astype(np.float32)  # whole numbers: exact
        total = total + np.abs(counts - probs[:, k] @ in_bin).sum(axis=-1)
    return np.asarray(total / probs[:, 0].size / probs.shape[1])


def noises(probs: Array, *, many: bool = False, times: int = 500, at_once: int = 25) -> Iterator[float]:
    """Largest calibration errors of samples whose truths are drawn from the probabilities themselves."""
    rng, above = seeds.generator(0, "noise"), probs.cumsum(axis=1)
    for _ in range(times // at_once):
        if many:
            outcomes = rng.random((at_once, *probs.shape)) < probs
        else:
            uniform = rng.random((at_once, len(probs)))
            exceeds = np.stack([uniform > above[:, k] for k in range(probs.shape[1])])
            exceeds[1:] ^= exceeds[:-1]  # below the bound of the class, and above that of the class before
            exceeds[0] = ~exceeds[0]
            outcomes = np.moveaxis(exceeds, 0, -1)
        yield float(calibration_errors(probs, outcomes).max())


def is_calibrated(probs: Array, truth: Array, *, many: bool = False) -> bool:
    """Whether one of 500 samples, drawn until there is one, has a larger error than the truth."""
    error = float(calibration_errors(probs, truth))
    return any(error < one for one in noises(probs, many=many))


def stated(chosen_classes: int) -> dict[str, float]:
    return dict(zip("abc", {2: (0.7, 0.3), 3: (0.5, 0.2, 0.3)}[chosen_classes], strict=False))


def assert_calibrated_at_the_target(counts: tuple[int, ...], remedy: Remedy, **changed: Any) -> None:
    for target in ("natural", stated(len(counts))):
        chosen, fitted = decided(counts, remedy, target=target, **changed)
        x, truth = fresh(chosen.target)
        probs = rules.probabilities(chosen, logits_of(fitted, x))
        assert is_calibrated(probs, truth), f"{target}: {calibration_errors(probs, truth)}, {max(noises(probs))}"


@pytest.mark.parametrize("shares", NATURAL)
def test_the_exact_posterior_is_calibrated_on_the_fresh_samples(shares: str) -> None:
    counts = NATURAL[shares]
    natural = links.find("softmax").prior_of_counts(counts, sum(counts))
    for target in (natural, np.array(list(stated(len(counts)).values()))):
        x, truth = fresh(target)
        joint = np.exp(-((x[:, None] - MEANS[: len(counts)]) ** 2).sum(axis=2) / 2) * target
        assert is_calibrated(joint / joint.sum(axis=1, keepdims=True), truth)


@pytest.mark.parametrize("remedy", SINGLE, ids=str)
@pytest.mark.parametrize("shares", NATURAL)
def test_after_the_correction_probabilities_are_calibrated_at_the_target(shares: str, remedy: Remedy) -> None:
    assert_calibrated_at_the_target(NATURAL[shares], remedy)


@pytest.mark.parametrize("remedy", TOGETHER, ids=str)
def test_remedies_together_are_undone_together(remedy: Remedy) -> None:
    assert_calibrated_at_the_target(NATURAL["10 : 1"], remedy)


@pytest.mark.parametrize("remedy", SINGLE, ids=str)
def test_without_the_correction_they_are_not_so_that_the_test_above_can_fail(remedy: Remedy) -> None:
    counts = NATURAL["10 : 1"]
    chosen, fitted = decided(counts, remedy, calibrator="none")
    assert chosen.seen is not None
    bent = np.array(chosen.seen) / np.array(chosen.natural)
    x, truth = fresh(chosen.target)
    raw = softmax(logits_of(fitted, x), axis=1)
    if bent.max() / bent.min() > 1.5:
        assert not is_calibrated(raw, truth)
        wrong, _ = decided(counts, remedy, ledger=False, calibrator="temperature")
        if not remedy.balance:  # else validation's own shares tell
            assert not is_calibrated(rules.probabilities(wrong, logits_of(fitted, x)), truth)
    else:
        assert is_calibrated(raw, truth)


@pytest.mark.parametrize("calibrator", CALIBRATORS)
@pytest.mark.parametrize("shares", ["50 : 50", "10 : 1", "100 : 1"])
def test_every_calibrator_ends_at_the_target(shares: str, calibrator: str) -> None:
    for remedy in (Remedy(), Remedy(scheme="balanced"), Remedy(strategy="under")):
        assert_calibrated_at_the_target(NATURAL[shares], remedy, calibrator=calibrator)


@pytest.mark.parametrize("remedy", [Remedy(scheme="balanced"), Remedy(strategy="over")], ids=str)
def test_a_remedy_corrected_twice_would_show(remedy: Remedy) -> None:
    chosen, fitted = decided(NATURAL["10 : 1"], remedy, calibrator="vector")
    x, truth = fresh(chosen.target)
    assert is_calibrated(rules.probabilities(chosen, logits_of(fitted, x)), truth)
    assert chosen.seen is not None
    offset = prior_ledger.offset(chosen.seen, chosen.target, task="multiclass")
    twice = apply(logits_of(fitted, x), np.array(chosen.scale), np.array(chosen.bias), offset, task="multiclass")
    assert not is_calibrated(twice, truth)


RATES = (0.5, 1 / 11, 1 / 101)
MANY = 40_000
FREE = np.concatenate([np.eye(3), np.ones((1, 3))])


def labels_of(rates: Any, size: int, *purpose: Any) -> tuple[Array, Array]:
    """Draw labels, one feature for each: its log-odds are linear in it, and in no other."""
    rng = seeds.generator(0, "labels", repr(purpose))
    truth = rng.random((size, len(rates))) < np.array(rates)
    return rng.normal(size=truth.shape) + 2 * truth, truth


def of_labels() -> Iterator[Remedy]:
    for scheme, loss in itertools.product(class_weights.LABEL_SCHEMES, known("multilabel")):
        if losses.refuses_weights(loss, scheme) is None:
            yield Remedy(scheme=scheme, loss=loss)
    yield Remedy(loss="focal", options=(("alpha", 0.25),))


@cache
def trained_labels(remedy: Remedy) -> tuple[Array, prior.Prior, tuple[prior_ledger.Line, ...]]:
    x, truth = labels_of(RATES, MANY, "train")
    counts = tuple(int(number) for number in truth.sum(axis=0))
    opened = prior.Prior("multilabel", tuple("abc"), counts, counts, counts, MANY, MANY, MANY, ())
    weights = config.Weighting.model_validate({"scheme": remedy.scheme, "beta": 0.999, "defer_frac": 0.0})
    objective, lines = build(opened, remedy.loss, block(remedy.loss, remedy.options), weights)
    return minimised(x, truth.astype(np.int64), 3, objective, FREE), opened, lines


@cache
def labelled_validation() -> tuple[Array, tuple[str, ...], tuple[str, ...]]:
    x, truth = labels_of(RATES, MANY, "val")
    cells = tuple("|".join(name for name, yes in zip("abc", row, strict=True) if yes) for row in truth.tolist())
    return x, tuple(f"{row:06d}" for row in range(MANY)), cells


@pytest.mark.parametrize("calibrator", ["none", "temperature", "platt", "isotonic"])
@pytest.mark.parametrize("remedy", list(of_labels()), ids=str)
def test_many_labels_are_calibrated_at_the_target_each_for_itself(remedy: Remedy, calibrator: str) -> None:
    fitted, opened, lines = trained_labels(remedy)
    x, ids, cells = labelled_validation()
    val = predictions.Predictions(ids, ids, cells, opened.classes, logits_of(fitted, x).astype(np.float32))
    for target in ("natural", {"a": 0.2, "b": 0.3, "c": 0.1}):
        chosen = decide.choose(val, opened, lines, settings(calibrator=calibrator, target=target), asked(opened))
        elsewhere, borne = labels_of(chosen.target, FRESH, "fresh")
        logits = logits_of(fitted, elsewhere)
        probs = rules.probabilities(chosen, logits)
        assert is_calibrated(probs, borne, many=True), (calibration_errors(probs, borne), max(noises(probs, many=True)))
    if remedy.scheme != "none":
        assert not is_calibrated(expit(logits), borne, many=True)


def every_configuration() -> Iterator[dict[str, Any]]:
    shipped = SHIPPED
    calibrators = decide.Decide.model_json_schema()["properties"]["calibrator"]["enum"]
    schemes = config.Weighting.model_json_schema()["properties"]["scheme"]["enum"]
    weightings = [shipped["weighting"] | {"scheme": scheme} for scheme in schemes]
    oversamples = [shipped["oversample"] | {"strategy": strategy} for strategy in resampling.STRATEGIES]
    decides = [shipped["decide"] | {"calibrator": name, "rule": "most_probable"} for name in calibrators]
    trainings = [shipped["train"] | schedule for schedule in SCHEDULES]
    for task, loss, weighting, oversample, decided_by in itertools.product(
        ("multiclass", "multilabel"), losses.names(), weightings, oversamples, decides
    ):
        changed = {"task": task, "loss": loss, "weighting": weighting, "oversample": oversample, "decide": decided_by}
        yield shipped | changed
        if oversample["strategy"] == "none" and decided_by["calibrator"] == "auto":
            for training in trainings:
                yield shipped | changed | {"train": training}


SCHEDULES = ({"sampler": "progressive"}, {"mix": "mixup"}, {"classifier": "tau_normalised"})
EVENING = ("progressive", "tau_normalised")


def evens(content: dict[str, Any]) -> list[str]:
    """Name what makes classes even, or as even as its parameters say, all of which a training may have once."""
    strategy, scheme = content["oversample"]["strategy"], content["weighting"]["scheme"]
    by = [content["train"][key] for key in ("sampler", "classifier") if content["train"][key] in EVENING]
    by += [scheme] if scheme != "none" else []
    return (
        by
        + ([content["loss"]] if losses.adjusts(content["loss"]) else [])
        + ([strategy] if by and strategy != "none" else [])
    )


def a_ledger(content: dict[str, Any]) -> tuple[prior.Prior, tuple[prior_ledger.Line, ...]]:
    """The ledger that these parameters lead to, with 300 and 100 images drawn 300 and 200 times."""
    many, strategy = content["task"] == "multilabel", content["oversample"]["strategy"]
    drawn = (300, 100) if strategy == "none" else (300, 200)
    lines = (
        prior_ledger.Line("split", "train", (1.0, 1.0)),
        prior_ledger.Line("oversample.strategy", strategy, None if many and strategy != "none" else (0.8, 1.6)),
    )
    opened = prior.Prior(content["task"], ("a", "b"), (300, 100), (300, 100), drawn, 400, 400, sum(drawn), lines)
    weights = config.Weighting.model_validate(content["weighting"])
    return opened, build(opened, content["loss"], content["losses"][content["loss"]], weights)[1]


def test_no_configuration_corrects_twice_and_none_leaves_an_unknown_prior_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(pkgutil, "iter_modules", lambda path: modules_once(*path))
    monkeypatch.setattr(data, "_parts", cache(data._parts))
    monkeypatch.setattr(check, "sections", cache(check.sections))
    params = list(check._stage_params())
    monkeypatch.setattr(check, "_stage_params", lambda: params)
    monkeypatch.setattr(check, "_faults", faults_once)
    monkeypatch.setattr(losses, "module", cache(losses.module))
    assert check._names(SHIPPED) == []
    monkeypatch.setattr(check, "_names", lambda content: [])  # every name below is one that the code lists
    monkeypatch.setattr(rules, "with_rule", lambda chosen, *others: chosen)
    monkeypatch.setattr(rules, "decided", lambda chosen, probs: np.zeros(probs.shape, dtype=np.bool_))
    ids, names = ("1", "2", "3", "4"), ("a", "b", "a", "a")
    logits = np.array([[1, 0], [0, 1], [0, 1], [2, 0]], dtype=np.float32)
    val = predictions.Predictions(ids, ids, names, ("a", "b"), logits)
    chosen_by: dict[tuple[Any, ...], decision.Decision] = {}
    allowed = 0
    for content in every_configuration():
        if check.problems(content):
            continue
        allowed += 1
        if content["train"]["sampler"] in EVENING or content["train"]["classifier"] in EVENING:
            assert len(evens(content)) == 1, content
        opened, lines = a_ledger(content)
        calibrator = content["decide"]["calibrator"]
        key = (content["task"], calibrator, tuple(line.factors for line in lines))
        if key not in chosen_by:
            chosen_by[key] = decide.choose(val, opened, lines, settings(calibrator=calibrator), asked(opened))
        chosen = chosen_by[key]
        biased, corrected = any(chosen.bias) or bool(chosen.knots), any(chosen.val_offset)
        assert not (biased and corrected), content
        assert (chosen.calibrator in WITH_BIAS) == biased
        if any(line.factors is None for line in lines):
            assert biased, content
        decision._check_once(chosen)
    assert allowed > 100
