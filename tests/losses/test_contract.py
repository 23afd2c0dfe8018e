"""What every loss keeps, whatever its name: this file finds them by itself."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from counterpoise import config, losses

ROOT = Path(__file__).resolve().parents[2]
COUNTS = [60, 30, 10]


@pytest.fixture(params=losses.names())
def name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def block(name: str) -> dict[str, Any]:
    """Return the loss's block of the params.yaml that ships."""
    found: dict[str, Any] = config.load(ROOT)["losses"][name]
    return found


def build(name: str, counts: list[int] = COUNTS, task: str = "multiclass") -> losses.Loss:
    return losses.build(name, task=task, class_counts=counts, example_count=sum(counts), params=block(name))


ONE_CLASS = [name for name in losses.names() if "multiclass" in losses.module(name).TASKS]
MANY = [name for name in losses.names() if "multilabel" in losses.module(name).TASKS]
PAIRS = [(name, "multiclass") for name in ONE_CLASS] + [(name, "multilabel") for name in MANY]
RANKING = [name for name in losses.names() if losses.ranks(name)]


def some_labels(n: int = 12) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    targets = (torch.rand(n, 3, generator=generator) < 0.4).long()
    return 3 * torch.randn(n, 3, generator=generator), targets


def a_batch(n: int = 12, task: str = "multiclass") -> tuple[Tensor, Tensor]:
    if task == "multilabel":
        return some_labels(n)
    generator = torch.Generator().manual_seed(0)
    return 3 * torch.randn(n, 3, generator=generator), torch.arange(n) % 3


def check(loss: losses.Loss, logits: Tensor, targets: Tensor) -> None:
    """Check shape and type of the values, and that they and their gradient are finite."""
    logits = logits.clone().requires_grad_()
    values = loss(logits, targets)
    assert values.shape == targets.shape
    assert values.dtype == logits.dtype
    assert values.isfinite().all()
    values.mean().backward()  # type: ignore[no-untyped-call]
    assert logits.grad is not None
    assert logits.grad.isfinite().all()


def test_there_are_losses():
    assert {"cross_entropy", "focal"} <= set(losses.names())


@pytest.mark.parametrize("name", ONE_CLASS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_values_have_one_entry_per_example(name, dtype):
    logits, targets = a_batch()
    check(build(name), logits.to(dtype), targets)


@pytest.mark.parametrize("name", ONE_CLASS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("target", [0, 1, 2])
def test_extreme_logits_give_finite_values_and_gradients(name, target, dtype):
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, -1e4], [0.0, 0.0, 0.0]], dtype=dtype)
    check(build(name), logits, torch.full((4,), target))


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("borne", [0, 1])
def test_extreme_logits_of_many_labels_give_finite_values_and_gradients(name, borne, dtype):
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, -1e4], [0.0, 0.0, 0.0]], dtype=dtype)
    check(build(name, task="multilabel"), logits, torch.full((4, 3), borne))


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_many_labels_have_one_value_per_entry_which_permute(name, dtype):
    logits, targets = some_labels()
    check(build(name, task="multilabel"), logits.to(dtype), targets)
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1))
    one, other = build(name, task="multilabel"), build(name, task="multilabel")
    torch.testing.assert_close(one(logits[order], targets[order]), other(logits, targets)[order])


@pytest.mark.parametrize("name", MANY)
def test_a_batch_without_positives_keeps_the_graph(name):
    logits, targets = some_labels()
    check(build(name, task="multilabel"), logits, torch.zeros_like(targets))


@pytest.mark.parametrize("name", MANY)
def test_a_better_prediction_of_many_labels_costs_less(name):
    targets = torch.tensor([[1, 0, 1], [0, 0, 0]])
    good = 4.0 * (2 * targets - 1)
    loss = build(name, task="multilabel")
    assert loss(good, targets).mean() < loss(-good, targets).mean()


def test_a_task_that_a_loss_is_not_defined_for_is_refused(name):
    with pytest.raises(config.InputError, match=f"loss '{name}' is defined for task .*, not 'segmentation'"):
        build(name, task="segmentation")


@pytest.mark.parametrize("task", ["multiclass", "multilabel"])
def test_a_loss_that_lacks_a_task_gives_the_reason(name, task):
    refusal = losses.refuses_task(name, task)
    if task in losses.module(name).TASKS:
        assert refusal is None
        return
    assert refusal is not None
    reason = refusal.partition(f", not '{task}': ")[2]
    assert len(reason.split()) >= 5, f"say in ONLY why {name} is not for {task}"
    with pytest.raises(config.InputError) as caught:
        build(name, task=task)
    assert str(caught.value) == refusal


@pytest.mark.parametrize("name", ONE_CLASS)
@pytest.mark.parametrize("target", [0, 2])
def test_a_batch_of_one_class_is_fine(name, target):
    logits, _ = a_batch()
    check(build(name), logits, torch.full((12,), target))


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_batch_of_one_example_is_fine(name, task):
    logits, targets = a_batch(1, task)
    check(build(name, task=task), logits, targets)


@pytest.mark.parametrize("name", ONE_CLASS)
def test_a_class_that_is_never_drawn_is_fine(name):
    logits, _ = a_batch()
    loss = build(name, [60, 30, 0])
    check(loss, logits, torch.arange(12) % 2)
    check(loss, logits, torch.full((12,), 2))  # validation may hold it


@pytest.mark.parametrize("name", MANY)
@pytest.mark.parametrize("count", [0, 60])
def test_a_label_that_is_never_drawn_or_always_is_fine(name, count):
    logits, targets = some_labels()
    loss = losses.build(name, task="multilabel", class_counts=[30, 10, count], example_count=60, params=block(name))
    for borne in (0, 1):  # validation may hold it, or hold some without it
        targets[:, 2] = borne
        check(loss, logits, targets)


@pytest.mark.parametrize("name", ONE_CLASS)
def test_a_better_prediction_costs_less(name):
    targets = torch.tensor([0, 1, 2])
    good = 4 * torch.eye(3)
    assert build(name)(good, targets).mean() < build(name)(-good, targets).mean()


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_a_step_down_the_gradient_lowers_the_loss(name, task):
    logits, targets = a_batch(task=task)
    logits.requires_grad_()
    loss = build(name, task=task)
    before = loss(logits, targets).mean()
    (slope,) = torch.autograd.grad(before, logits)
    assert slope.abs().max() > 0
    assert build(name, task=task)((logits - 0.1 * slope).detach(), targets).mean() < before


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_gradients_stay_off_where_they_are_off(name, task):
    logits, targets = a_batch(task=task)
    logits.requires_grad_()
    with torch.no_grad():
        assert not build(name, task=task)(logits, targets).requires_grad
        assert not torch.is_grad_enabled()
    assert build(name, task=task)(logits, targets).requires_grad
    assert torch.is_grad_enabled()


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_what_a_loss_remembers_changes_only_while_it_is_trained(name, task):
    loss = build(name, task=task)
    if not isinstance(loss, torch.nn.Module):
        pytest.skip("the loss remembers nothing")
    logits, targets = a_batch(task=task)
    loss(logits, targets)
    kept = {name: tensor.clone() for name, tensor in loss.state_dict().items()}
    with torch.no_grad():
        loss(logits.flip(0), targets)
    loss.eval()
    loss(logits.flip(0), targets)
    assert all(torch.equal(tensor, kept[name]) for name, tensor in loss.state_dict().items())


@pytest.mark.parametrize(("name", "task"), PAIRS)
def test_inputs_are_left_untouched(name, task):
    logits, targets = a_batch(task=task)
    kept = logits.clone(), targets.clone()
    build(name, task=task)(logits, targets)
    assert torch.equal(logits, kept[0])
    assert torch.equal(targets, kept[1])
    assert not logits.requires_grad
    assert logits.grad is None


@pytest.mark.parametrize("name", ONE_CLASS)
def test_permuting_examples_permutes_values(name):
    logits, targets = a_batch()
    order = torch.randperm(len(targets), generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(build(name)(logits[order], targets[order]), build(name)(logits, targets)[order])


def test_some_losses_rank_and_others_do_not():
    assert {"auc_margin", "auc_pairwise", "average_precision", "partial_auc"} <= set(RANKING)
    assert not {"cross_entropy", "focal"} & set(RANKING)


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("targets", [[0, 0, 0, 0], [2, 2, 2, 2], [1]])
def test_a_batch_without_pairs_costs_a_ranking_nothing_and_pulls_nowhere(name, targets):
    logits = a_batch(len(targets))[0].requires_grad_()
    values = build(name)(logits, torch.tensor(targets))
    values.mean().backward()  # type: ignore[no-untyped-call]
    assert not values.any()
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("borne", [0, 1])
def test_labels_that_all_bear_or_none_cost_a_ranking_nothing_and_pull_nowhere(name, borne):
    logits, targets = some_labels()
    logits.requires_grad_()
    values = build(name, task="multilabel")(logits, torch.full_like(targets, borne))
    values.mean().backward()  # type: ignore[no-untyped-call]
    assert not values.any()
    assert logits.grad is not None
    assert not logits.grad.any()


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("targets", [[0, 1, 2, 0], [2, 0, 0, 0], [1, 1, 0, 1]])
def test_extreme_logits_with_pairs_give_a_ranking_finite_values_and_gradients(name, dtype, targets):
    logits = torch.tensor([[1e4, -1e4, 0.0], [-1e4, 1e4, 0.0], [1e4, 1e4, -1e4], [0.0, 0.0, 0.0]], dtype=dtype)
    check(build(name), logits, torch.tensor(targets))
    check(build(name, task="multilabel"), logits, torch.tensor([[1, 0, 1], [0, 1, 1], [0, 0, 0], [1, 1, 0]]))


@pytest.mark.parametrize("name", RANKING)
def test_a_ranking_does_not_see_what_softmax_does_not_see(name):
    logits, targets = a_batch()
    shifts = torch.linspace(-5, 5, len(targets))[:, None]
    torch.testing.assert_close(
        build(name)(logits + shifts, targets), build(name)(logits, targets), rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("name", [name for name in RANKING if name != "average_precision"])
def test_a_ranking_by_auc_gives_every_class_the_same_say(name):
    """Ten times as many examples of one class, all alike, leave the loss as it is; precision depends on the shares."""
    logits, targets = torch.tensor([[0.0, 0.4], [0.3, 0.0]]), torch.tensor([1, 0])
    once = build(name, [1, 1])(logits, targets).mean()
    many = build(name, [1, 10])(logits[[0, *[1] * 10]], targets[[0, *[1] * 10]]).mean()
    torch.testing.assert_close(many, once)


@pytest.mark.parametrize("name", RANKING)
def test_what_a_ranking_does_to_the_prior_is_unknown(name):
    assert losses.prior_factors(name, COUNTS, block(name)) is None


def test_a_ranking_and_a_loss_that_rebalances_refuse_class_weights_and_no_other_loss_does(name):
    assert losses.refuses_weights(name, "none") is None
    refusal = losses.refuses_weights(name, "balanced")
    assert (refusal is not None) == (name in RANKING or losses.adjusts(name))
    assert refusal is None or refusal.startswith(f"params.yaml: weighting.scheme is 'balanced', but loss '{name}'")


def test_some_losses_rebalance_by_class_counts_and_say_why_weights_would_be_too_much():
    adjusting = {name for name in losses.names() if losses.adjusts(name)}
    assert {"balanced_softmax", "logit_adjustment", "seesaw", "vector_scaling"} <= adjusting
    assert not {"cross_entropy", "focal", "ldam", *RANKING} & adjusting
    for name in adjusting:
        refusal = losses.refuses_weights(name, "balanced")
        assert refusal is not None
        assert "already corrects for class counts, and weights would correct twice" in refusal


def test_a_loss_asks_for_a_head_there_is_and_refuses_others():
    refusing = {name: losses.refuses_head(name, "linear") for name in losses.names()}
    assert {name for name, refusal in refusing.items() if refusal} == {"ldam"}
    assert refusing["ldam"] is not None
    assert refusing["ldam"].startswith("params.yaml: model.head is 'linear', but the margins of loss 'ldam'")
    assert all(losses.refuses_head(name, "cosine") is None for name in losses.names())


def joint(counts: list[int]) -> Tensor:
    """Joint distribution (x, c) of four kinds of image and the class, whose marginal is that of the counts."""
    given = torch.tensor([[0.5, 0.3, 0.1, 0.1], [0.1, 0.6, 0.1, 0.2], [0.05, 0.15, 0.5, 0.3]], dtype=torch.float64)
    return (given.T * torch.tensor(counts) / sum(counts)).contiguous()


def least(loss: losses.Loss, mass: Tensor) -> Tensor:
    """Minimise the expected loss over a table of logits, one row for each kind of image; return its softmax."""
    kinds, classes = mass.shape
    targets = torch.arange(classes).repeat(kinds)
    table = torch.zeros_like(mass, requires_grad=True)
    optimizer = torch.optim.LBFGS(
        [table], max_iter=2000, tolerance_grad=1e-12, tolerance_change=1e-16, line_search_fn="strong_wolfe"
    )

    def expected() -> Tensor:
        optimizer.zero_grad()
        # Given the kind, so that rare kinds are found as exactly as common ones.
        value = (loss(table.repeat_interleave(classes, 0), targets) * (mass / mass.sum(1, keepdim=True)).ravel()).sum()
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimizer.step(expected)  # type: ignore[no-untyped-call]
    return table.detach().softmax(dim=1)


def to_share(table: Tensor) -> Tensor:
    return table / table.sum(dim=1, keepdim=True)


ONE_CLASS = [name for name in losses.names() if "multiclass" in losses.module(name).TASKS]
RARE = [100, 10, 1]
KNOWN = [name for name in ONE_CLASS if losses.prior_factors(name, RARE, block(name)) is not None]


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("counts", [RARE, [1, 100, 10], [7, 7, 7]])
def test_at_its_minimum_a_loss_gives_the_posterior_under_the_prior_times_its_factors(name, counts):
    factors = losses.prior_factors(name, counts, block(name))
    assert factors is not None
    mass = joint(counts)
    expected = to_share(mass * torch.tensor(factors, dtype=torch.float64))
    torch.testing.assert_close(least(build(name, counts), mass), expected, rtol=0, atol=1e-4)


@pytest.mark.parametrize("name", ["focal", "ldam", "vector_scaling"])
def test_what_is_called_unknown_is_no_change_of_the_prior(name):
    """Odds of the output over true odds would be the same for all kinds of image."""
    assert losses.prior_factors(name, RARE, block(name)) is None
    mass = joint(RARE)
    ratio = least(build(name, RARE), mass) / mass
    ratio = ratio / ratio[:, :1]
    assert (ratio.amax(dim=0) / ratio.amin(dim=0)).max() > 1.2


def test_its_line_in_the_ledger_is_positive_or_unknown(name):
    found = losses.prior_factors(name, COUNTS, block(name))
    assert found is None or (len(found) == 3 and min(found) > 0)


def test_an_unknown_parameter_is_refused(name):
    with pytest.raises(config.InputError, match=rf"params.yaml: losses\.{name}\.no_such_thing is not a parameter"):
        losses.build(
            name,
            task=losses.module(name).TASKS[0],
            class_counts=COUNTS,
            example_count=100,
            params={**block(name), "no_such_thing": 1},
        )


def test_a_missing_parameter_is_refused(name):
    if not losses.module(name).Params.model_fields:
        pytest.skip("the loss has no parameters")
    with pytest.raises(config.InputError, match=rf"losses\.{name}\.\w+ is missing"):
        losses.build(name, task=losses.module(name).TASKS[0], class_counts=COUNTS, example_count=100, params={})


def test_every_parameter_is_explained(name):
    for field in losses.module(name).Params.model_fields.values():
        assert field.description


def test_params_yaml_has_a_block_for_every_loss_and_no_other():
    assert sorted(config.load(ROOT)["losses"]) == losses.names()


OTHERWISE: dict[tuple[str, str], Any] = {
    ("auc_pairwise", "power"): 3,
    ("focal", "alpha"): 0.25,
    ("gradient_harmonized", "bins"): 4,
}
"""Other values of parameters that cannot be halved."""
IDLE = {
    ("asymmetric", "multiclass", "clip"),
    ("asymmetric", "multilabel", "label_smoothing"),
    ("focal", "multiclass", "alpha"),
}
"""Parameters that play no part in a task, as their description says."""
FIELDS = [
    (name, task, field)
    for name, task in PAIRS
    for field in losses.module(name).Params.model_fields
    if (name, task, field) not in IDLE
]


def another(name: str, field: str) -> Any:
    """Return a value of a parameter that is not the one that ships."""
    shipped = block(name)[field]
    return OTHERWISE[name, field] if (name, field) in OTHERWISE else shipped / 2 or 0.1


@pytest.mark.parametrize(("name", "task", "field"), FIELDS)
def test_every_parameter_reaches_the_loss(name, task, field):
    """A parameter that `build` forgot would leave two trainings alike, in value and slope, for two batches in a row."""

    def traces(own: dict[str, Any]) -> list[Tensor]:
        loss = losses.build(name, task=task, class_counts=COUNTS, example_count=sum(COUNTS), params=own)
        found = []
        for seed in (0, 1):
            logits, targets = a_batch(12, task)
            logits = (logits + 0.3 * seed * torch.arange(3)).requires_grad_()
            values = loss(logits, targets)
            values.mean().backward()  # type: ignore[no-untyped-call]
            assert logits.grad is not None
            found += [values.detach(), logits.grad]
        return found

    pairs = zip(traces(block(name)), traces(block(name) | {field: another(name, field)}), strict=True)
    assert any(not torch.allclose(one, other) for one, other in pairs)


def test_docs_have_a_section_for_the_loss(name):
    """Which parts it must have says `tests/test_docs.py`."""
    assert f"\n### `{name}`\n" in (ROOT / "docs" / "losses.md").read_text(encoding="utf-8")


def test_the_loss_has_a_test_file_and_a_function_of_its_name(name):
    assert (ROOT / "tests" / "losses" / f"test_{name}.py").is_file()
    assert callable(getattr(losses.module(name), name))


def test_an_unknown_loss_is_refused_and_the_right_one_suggested():
    with pytest.raises(config.InputError, match=r"loss is 'focl'; expected one of .* did you mean 'focal'"):
        losses.module("focl")


BY_LBFGS = [(name, task) for name, task in PAIRS if losses.refuses_lbfgs(name) is None]


@pytest.mark.parametrize(("name", "task"), BY_LBFGS)
def test_a_loss_for_lbfgs_has_the_gradient_of_its_value(name: str, task: str) -> None:
    loss = build(name, task=task)
    logits, targets = a_batch(6, task)
    logits = logits.double()

    def mean(values: Tensor) -> Tensor:
        return loss(values, targets).mean()

    assert torch.autograd.gradcheck(mean, (logits.requires_grad_(),))


@pytest.mark.parametrize(("name", "task"), BY_LBFGS)
def test_a_loss_for_lbfgs_does_not_depend_on_other_examples(name: str, task: str) -> None:
    loss = build(name, task=task)
    logits, targets = a_batch(6, task)
    alone = torch.cat([loss(logits[[row]], targets[[row]]) for row in range(len(logits))])
    torch.testing.assert_close(loss(logits, targets), alone)


def test_seesaw_and_ohem_would_break_what_lbfgs_needs() -> None:
    logits, targets = a_batch(6)
    seesaw, ohem = build("seesaw"), build("ohem")
    inputs = (logits.double().requires_grad_(),)
    assert not torch.autograd.gradcheck(lambda values: seesaw(values, targets).mean(), inputs, raise_exception=False)
    alone = torch.cat([ohem(logits[[row]], targets[[row]]) for row in range(len(logits))])
    assert not torch.allclose(ohem(logits, targets), alone)


@pytest.mark.parametrize(("name", "task"), [pair for pair in PAIRS if pair[0] not in RANKING])
def test_only_a_loss_that_says_so_keeps_its_mean_as_most_examples_become_easy(name: str, task: str) -> None:
    """Two of 1,000 examples are wrong; the others go from undecided to sure."""
    targets = torch.zeros(1000, dtype=torch.int64)
    shown = targets if task == "multiclass" else torch.zeros(1000, 3, dtype=torch.int64)
    means = []
    for sure in (0.0, 6.0):
        logits = torch.tensor([sure, 0.0, 0.0]) if task == "multiclass" else torch.full((3,), -sure)
        logits = logits.repeat(1000, 1)
        logits[:2] = torch.tensor([-3.0, 0.0, 0.0]) if task == "multiclass" else torch.full((3,), 3.0)
        loss = build(name, task=task)
        if isinstance(loss, torch.nn.Module):
            loss.train()
        means.append(loss(logits, shown).mean().item())
    keeps = getattr(losses.module(name), "KEEPS_ITS_MEAN", False)
    assert (means[1] > 0.3 * means[0]) == keeps, means
