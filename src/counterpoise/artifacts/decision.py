"""`models/decision.json`: how a raw logit becomes a probability and a decision, chosen on validation alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path

from counterpoise import priors, storage

PATH = "models/decision.json"


@dataclass(frozen=True)
class Decision:
    """From logits z to probabilities p and to a class.

    p = softmax(scale * z + bias + offset); the decided class is the argmax over j of sum_k p_k gain[k][j].

    Attributes:
        task: What the labels mean.
        classes: The c class names, in the order of every list here.
        calibrator: `none`, `temperature` (scale = 1 / T for every class) or `vector`.
        scale: Factor of each logit.
        bias: Summand of each logit; zero for calibrators without one.
        ledger: What each remedy did to the prior.
        natural: Prior of the manifest.
        seen: Prior that the model was made to see; `None` where a remedy has no closed form.
        val: Prior of validation.
        target: Prior of deployment.
        val_offset: Step 1, log val - log seen; zero for a calibrator with a bias, which swallows the prior.
        target_offset: Step 2, log target - log val.
        rule: Name of the decision rule.
        gain: (c, c) what deciding j is worth when k is true; `gain[k][j]`.
        val_images: Number of validation images of each class on which all of this rests.
    """

    task: str
    classes: tuple[str, ...]
    calibrator: str
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
    val_images: tuple[int, ...]


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
        content["gain"] = tuple(tuple(row) for row in content["gain"])
        for name, value in content.items():
            if isinstance(value, list):
                content[name] = tuple(value)
        decision = Decision(**content)
        _check(decision)
    except (KeyError, TypeError) as error:
        raise storage.ArtifactError(f"{PATH}: damaged: {error!r}") from error
    return decision


def _check(decision: Decision) -> None:
    count = len(decision.classes)
    for name in (
        "scale",
        "bias",
        "natural",
        "val",
        "target",
        "val_offset",
        "target_offset",
        "gain",
        "val_images",
    ):
        if len(getattr(decision, name)) != count:
            raise storage.ArtifactError(
                f"{PATH}: {name} has {len(getattr(decision, name))} entries for {count} classes"
            )
