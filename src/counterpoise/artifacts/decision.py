"""`models/decision.json`: how a raw logit becomes a probability and a decision, chosen on validation alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from counterpoise import priors, storage

PATH = "models/decision.json"
LISTS = (
    "classes",
    "pooled",
    "scale",
    "bias",
    "natural",
    "val",
    "target",
    "val_offset",
    "target_offset",
    "thresholds",
    "val_images",
)
"""What stands as a plain list there and is a tuple here."""


@dataclass(frozen=True)
class Moved:
    """The same decision made for another share of the class that matters.

    Attributes:
        prevalence: That share.
        target: (c,) prior.
        target_offset: (c,) in nats, as `Decision.target_offset`.
        gain: As `Decision.gain`.
        thresholds: As `Decision.thresholds`.
    """

    prevalence: float
    target: tuple[float, ...]
    target_offset: tuple[float, ...]
    gain: tuple[tuple[float, ...], ...]
    thresholds: tuple[float | None, ...]

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> Moved:
        """Read what `dataclasses.asdict` and JSON left."""
        gain = tuple(tuple(row) for row in content["gain"])
        target, target_offset, thresholds = (tuple(content[key]) for key in ("target", "target_offset", "thresholds"))
        return cls(content["prevalence"], target, target_offset, gain, thresholds)


@dataclass(frozen=True)
class Decision:
    """From logits z to probabilities p and to classes.

    `multiclass`: p = softmax(scale * z + bias + offset); the decided class is the argmax over j of
    sum_k p_k gain[k][j]. `multilabel`: p = sigmoid(scale * z + bias + offset); every label whose p reaches its
    threshold is decided, and at least `at_least` labels of each image, the most probable.

    Attributes:
        task: What the labels mean.
        classes: The c class names, in the order of every list here.
        positive: The class that matters.
        calibrator: `none`, `temperature` (scale = 1 / T), `vector` or `platt` (a scale and a bias for each class).
        pooled: Labels with too few validation images of their own, whose calibration is that of all labels together.
        scale: Factor of each logit.
        bias: Summand of each logit; zero for calibrators without one.
        ledger: What each remedy did to the prior.
        natural: Prior of the manifest; of many labels it does not sum to 1.
        seen: Prior that the model was made to see; `None` where a remedy has no closed form.
        val: Prior of validation.
        target: Prior of deployment.
        val_offset: Step 1, log val - log seen (of many labels, of the odds); zero for a calibrator with a bias, which
            swallows the prior.
        target_offset: Step 2, log target - log val (of many labels, of the odds).
        rule: Name of the decision rule.
        gain: `multiclass`: (c, c) what deciding j is worth when k is true, `gain[k][j]`; else empty.
        thresholds: `multilabel`: for each label the least probability at the target prior; `None` where no threshold
            keeps what the rule promises, so that the label is never decided; else empty.
        at_least: `multilabel`: labels that each image gets at the least.
        val_images: Number of validation images of each class on which all of this rests.
        val_total: Number of validation images.
        val_decided: For each class, decided on validation with these very rules: true positives, false positives, false
            negatives, true negatives.
        prevalences: The same for other shares of the class that matters, as `evaluate.at_prevalence` asks.
    """

    task: str
    classes: tuple[str, ...]
    positive: str
    calibrator: str
    pooled: tuple[str, ...]
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    ledger: tuple[priors.Line, ...]
    natural: tuple[float, ...]
    seen: tuple[float, ...] | None
    val: tuple[float, ...]
    target: tuple[float, ...]
    val_offset: tuple[float, ...]
    target_offset: tuple[float, ...]
    rule: str
    gain: tuple[tuple[float, ...], ...]
    thresholds: tuple[float | None, ...]
    at_least: int
    val_images: tuple[int, ...]
    val_total: int
    val_decided: tuple[tuple[int, int, int, int], ...]
    prevalences: tuple[Moved, ...]

    def moved(self, index: int) -> Decision:
        """Return the decision made for `prevalences[index]`."""
        other = self.prevalences[index]
        return replace(
            self,
            target=other.target,
            target_offset=other.target_offset,
            gain=other.gain,
            thresholds=other.thresholds,
        )


def write(root: Path, decision: Decision) -> None:
    """Check and write a decision."""
    _check(decision)
    storage.write_json(root / PATH, asdict(decision))


def read(root: Path) -> Decision:
    """Read and check a decision.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    content = storage.read_json(root / PATH)
    try:
        content["ledger"] = tuple(priors.Line.from_json(line) for line in content["ledger"])
        content["prevalences"] = tuple(Moved.from_json(other) for other in content["prevalences"])
        for name in ("gain", "val_decided"):
            content[name] = tuple(tuple(row) for row in content[name])
        for name in LISTS:
            content[name] = tuple(content[name])
        content["seen"] = None if content["seen"] is None else tuple(content["seen"])
        decision = Decision(**content)
        _check(decision)
    except (KeyError, TypeError) as error:
        raise storage.ArtifactError(f"{PATH}: damaged: {error!r}") from error
    return decision


def _check(decision: Decision) -> None:
    count = len(decision.classes)
    lengths = {
        name: len(getattr(decision, name))
        for name in (
            "scale",
            "bias",
            "natural",
            "val",
            "target",
            "val_offset",
            "target_offset",
            "val_images",
            "val_decided",
            "thresholds" if decision.task == "multilabel" else "gain",
        )
    }
    lengths |= {} if decision.seen is None else {"seen": len(decision.seen)}
    lengths |= {f"gain[{row}]": len(values) for row, values in enumerate(decision.gain)}
    for name, length in lengths.items():
        if length != count:
            raise storage.ArtifactError(f"{PATH}: {name} has {length} entries for {count} classes")
    if decision.positive not in decision.classes:
        raise storage.ArtifactError(f"{PATH}: the class that matters, {decision.positive!r}, is no class")
