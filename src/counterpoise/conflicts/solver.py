"""Conflicts between L-BFGS, which minimises one function of all samples, and what acts on steps, batches or epochs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from counterpoise import losses
from counterpoise.config import PATH

ACTS = (
    ("model", "dropout", 0.0, "drops features at random in each step; the penalty takes its place"),
    ("train", "mix", "none", "mixes the examples of a batch"),
    ("train", "sampler", "as_drawn", "changes the samples from epoch to epoch"),
    ("train", "accumulate", 1, "divides a batch into parts"),
    ("train", "compile", False, "speeds up steps"),
    ("weighting", "defer_frac", 0.0, "starts after some epochs"),
    ("oversample", "defer_frac", 0.0, "starts after some epochs"),
)
"""Section, key, the value that switches it off, and what it does."""


def refused(content: Mapping[str, Any]) -> Iterator[str]:
    """Refuse what `train.solver: lbfgs` cannot fit, and what would have no effect on it."""
    if content["train"]["solver"] != "lbfgs":
        return
    freeze, head = content["model"]["freeze"], content["model"]["head"]
    if freeze != "backbone":
        yield (
            f"{PATH}: train.solver is 'lbfgs', which fits a head on stored features, but with model.freeze {freeze!r} "
            "the backbone is trained too; set train.solver to 'adamw', or model.freeze to 'backbone'"
        )
        return
    if refusal := losses.refuses_lbfgs(content["loss"]):
        yield refusal
        return
    if head != "linear":
        yield (
            f"{PATH}: train.solver is 'lbfgs', which fits a linear head, but model.head is {head!r}; set train.solver "
            "to 'adamw' (-S train.solver=adamw), or model.head to 'linear'"
        )
    for section, key, usual, does in ACTS:
        value = content[section][key]
        if value != usual:
            yield (
                f"{PATH}: {section}.{key} is {value!r}, which {does}, but train.solver 'lbfgs' fits all samples at "
                f"once; set train.solver to 'adamw' (-S train.solver=adamw), or {section}.{key} to {usual!r}"
            )
    if content["train"]["monitor"] == "none":
        yield (
            f"{PATH}: train.monitor is 'none', but with train.solver 'lbfgs' validation chooses the L2 penalty; set "
            "train.monitor to 'loss', or train.solver to 'adamw'"
        )
