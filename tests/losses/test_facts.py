"""What losses say of themselves: without torch, and in their own files alone."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from counterpoise import config, losses

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "src" / "counterpoise"
FIGURES = {"average_precision"}
"""Losses that bear the name of a figure, by which results are picked; of these only what speaks of a loss counts."""


def comparisons_with_losses(text: str) -> Iterator[str]:
    """Find where a value is compared, by `==`, `!=`, `in` or `match`, with the name of a loss."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Compare | ast.Match):
            continue
        parts = [node] if isinstance(node, ast.Compare) else [node.subject, *(case.pattern for case in node.cases)]
        inner = [node for part in parts for node in ast.walk(part)]
        constants = {node.value for node in inner if isinstance(node, ast.Constant) and isinstance(node.value, str)}
        names = {ast.unparse(node) for node in inner if isinstance(node, ast.Name | ast.Attribute)}
        compared = constants & set(losses.names())
        if compared - FIGURES or (compared and ("loss" in constants or any("loss" in name for name in names))):
            yield f"line {node.lineno}: {sorted(compared)}"


@pytest.mark.parametrize(
    "text",
    [
        'loss == "focal"',
        'if scheme != "none" and loss == "focal": pass',
        '"ldam" != params.loss',
        'name in ("seesaw", "ohem")',
        'content["loss"] == "average_precision"',
        'params.loss == "average_precision"',
        'loss in ["average_precision"]',
        'match loss:\n    case "focal" | "ohem": pass',
    ],
)
def test_a_comparison_with_the_name_of_a_loss_is_found(text):
    assert len(list(comparisons_with_losses(text))) == 1


@pytest.mark.parametrize("text", ['figure == "average_precision"', 'loss == "none"', 'default = "cross_entropy"'])
def test_a_figure_and_a_default_are_no_comparison_with_a_loss(text):
    assert not list(comparisons_with_losses(text))


def test_no_loss_is_known_by_name_outside_its_file():
    paths = [path for path in sorted(PACKAGE.rglob("*.py")) if path.parent.name != "losses"]
    assert len(paths) > 100
    told = [
        f"{path.relative_to(ROOT)}, {line}"
        for path in paths
        for line in comparisons_with_losses(path.read_text("utf-8"))
    ]
    assert not told, f"let the loss state it, by a constant or in `conflicts`: {told}"


READ_ALL_FACTS = """
import sys
from pathlib import Path
from counterpoise import config, losses, tasks

blocks = config.load(Path(sys.argv[1]))["losses"]
for name in losses.names():
    module = losses.module(name)
    assert module.Params.model_fields is not None
    for task in tasks.names():
        if losses.refuses_task(name, task) is None:
            list(losses.conflicts(name, blocks[name], task=task, weighting_scheme="balanced"))
    losses.prior_factors(name, [9, 1], blocks[name])
    losses.ranks(name), losses.adjusts(name), losses.stateful(name)
    losses.refuses_head(name, "linear"), losses.refuses_weights(name, "balanced"), losses.refuses_subclasses(name)
    losses.refuses_lbfgs(name)
print(len(losses.names()), sorted({"torch", "timm", "scipy", "pandas", "numpy"} & set(sys.modules)))
"""


def test_all_facts_of_all_losses_are_read_without_torch():
    command = [sys.executable, "-c", READ_ALL_FACTS, str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.stdout == f"{len(losses.names())} []\n", done.stderr


@pytest.mark.parametrize("name", losses.names())
def test_a_loss_is_a_module_if_it_says_that_it_keeps_a_state(name):
    module, block = losses.module(name), config.load(ROOT)["losses"][name]
    for task in module.TASKS:
        loss = losses.build(name, task=task, class_counts=[9, 1], example_count=10, params=block)
        assert isinstance(loss, torch.nn.Module) == losses.stateful(name)


def test_a_loss_with_a_state_or_over_pairs_refuses_types_of_classes():
    refusing = {name for name in losses.names() if losses.refuses_subclasses(name)}
    assert refusing == {name for name in losses.names() if losses.ranks(name) or losses.stateful(name)}
    assert "gradient_harmonized" in refusing
    assert "cross_entropy" not in refusing


def test_a_loss_with_a_state_over_pairs_or_for_another_head_needs_adamw():
    for name in losses.names():
        if losses.ranks(name) or losses.stateful(name) or losses.refuses_head(name, "linear"):
            assert losses.refuses_lbfgs(name) is not None
    assert losses.refuses_lbfgs("cross_entropy") is None
    assert "loss 'ohem' needs train.solver 'adamw': it keeps the hardest" in str(losses.refuses_lbfgs("ohem"))


def test_a_loss_asks_for_a_head_and_says_why():
    for name in losses.names():
        module = losses.module(name)
        assert hasattr(module, "HEAD") == hasattr(module, "HEAD_REASON")
        if hasattr(module, "HEAD_REASON"):
            assert len(module.HEAD_REASON.split()) >= 5


def test_a_task_with_the_link_of_another_takes_its_losses(third_task):
    for name in losses.names():
        assert (losses.refuses_task(name, third_task) is None) == (losses.refuses_task(name, "multiclass") is None)
    loss = losses.build("ldam", task=third_task, class_counts=[9, 1], example_count=10, params={"max_margin": 0.0})
    assert loss(torch.zeros(1, 2), torch.tensor([1])).item() == pytest.approx(0.6931, abs=1e-4)
    block = {"gamma": 2.0, "alpha": 0.25}
    with pytest.raises(config.InputError, match=r"losses\.focal\.alpha is 0\.25, which weights present labels"):
        losses.build("focal", task=third_task, class_counts=[1, 1], example_count=2, params=block)
