"""`models/decision.json`: how a raw logit becomes a probability and a decision, chosen on validation alone."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from itertools import pairwise
from pathlib import Path

from counterpoise import storage
from counterpoise.calibration import calibrators, links, prior_ledger

PATH = "models/decision.json"
SUMS = "models/decide.sums"


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


@dataclass(frozen=True)
class Estimated:
    """What `target` rests on where it was estimated from unlabelled predictions.

    Attributes:
        images: Number of unlabelled images.
        low: (c,) lower ends of 95 % intervals of `target`.
        high: (c,) upper ends.
        iterations: Steps of EM; for multilabel, the most that a label took.
        separation: How well the model distinguishes the classes, 0 to 1; for multilabel, that of the worst one.
        p_value: Of the check that validation's classes in these shares explain the scores; for multilabel, the least
            one times their number.
        unnoticed: What the check cannot notice, in sentences for people.
    """

    images: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    iterations: int
    separation: float
    p_value: float
    unnoticed: str


@dataclass(frozen=True)
class Boxes:
    """Which boxes are decided for: those whose probability of being right reaches the threshold of their class.

    p = sigmoid(scale * z + bias + offset) for the raw log-odds z; of a class with knots, the logit of its curve at z
    takes the place of scale * z + bias.

    Attributes:
        iou: Overlap with an object from which on a box is right.
        calibrator: `platt` or `isotonic`.
        scale: (c,).
        bias: (c,).
        knots: `isotonic`: for each class its curve, as `Decision.knots`; else empty.
        pooled: (c,) whether a class has the calibration of all classes together, for want of boxes.
        offset: (c,) log of the density of objects in deployment over that in validation.
        rule: Name of the decision rule.
        thresholds: (c,) least probability; `None` where the class is never decided.
        val_counts: (c,) on validation, with these thresholds: objects found, false alarms, objects.
        val_images: Number of validation images.
    """

    iou: float
    calibrator: str
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    knots: tuple[calibrators.Curve, ...]
    pooled: tuple[bool, ...]
    offset: tuple[float, ...]
    rule: str
    thresholds: tuple[float | None, ...]
    val_counts: tuple[tuple[int, int, int], ...]
    val_images: int


@dataclass(frozen=True)
class Decision:
    """From logits z to probabilities p and to classes.

    `multiclass`: p = softmax(scale * z + bias + offset); the decided class is the argmax over j of
    sum_k p_k gain[k][j]. `multilabel`: p = sigmoid(scale * z + bias + offset); every label whose p reaches its
    threshold is decided, and at least `at_least` labels of each image, the most probable. With `platt` and `isotonic`
    something else takes the place of scale * z + bias: `calibrators.apply`.

    Attributes:
        task: What the labels mean.
        classes: The c class names, in the order of every list here.
        positive: The class that matters.
        positive_reason: Why it is this one, as words that follow "it matters".
        calibrator: `none`, `temperature` (scale = 1 / T), `vector`, `platt` (a scale and a bias for each class), or
            `isotonic` (a curve for each class).
        pooled: Labels with too few validation images of their own, whose calibration is that of all labels together.
        scale: Factor of each logit.
        bias: Added to each logit; zero for calibrators without one.
        ledger: What each remedy did to the prior.
        natural: Prior of the manifest; for multilabel it does not sum to 1.
        seen: Prior that the model was made to see; `None` where a remedy has no closed form.
        val: Prior of validation.
        target: Prior of deployment.
        val_offset: Step 1, log val - log seen (for multilabel, of the odds); zero for a calibrator with a bias, which
            swallows the prior.
        target_offset: Step 2, log target - log val (for multilabel, of the odds).
        rule: Name of the decision rule.
        gain: `multiclass`: (c, c) what deciding j is worth when k is true, `gain[k][j]`; else empty.
        thresholds: `multilabel`: for each label the least probability at the target prior; `None` where no threshold
            keeps what the rule needs, so that the label is never decided; else empty.
        at_least: `multilabel`: labels that each image gets at the least.
        val_images: Number of validation images of each class on which all of this rests.
        val_total: Number of validation images.
        val_decided: For each class, decided on validation with these very rules: true positives, false positives, false
            negatives, true negatives.
        val_raw: The same of raw logits: the most probable class, or labels from 0.5 on.
        val_decided_effects: Of the class that matters, design effects of recall and false-positive rate on validation,
            with these rules; 1 where no images come in groups. See `prevalence.rate_effects`.
        val_raw_effects: The same of raw logits.
        prevalences: The decision for other shares of the class that matters, as `evaluate.at_prevalence` asks.
        knots: `isotonic`: for each class where its curve has knots, and the probability there; a label that has too few
            images for a curve has no knots, but scale and bias. Empty for other calibrators.
        estimated: What `target` rests on; `None` where it is natural or was stated.
        boxes: Which boxes are decided for; `None`, and left out of the file, where labels have no boxes.
    """

    task: str
    classes: tuple[str, ...]
    positive: str
    positive_reason: str
    calibrator: str
    pooled: tuple[str, ...]
    scale: tuple[float, ...]
    bias: tuple[float, ...]
    ledger: tuple[prior_ledger.Line, ...]
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
    val_raw: tuple[tuple[int, int, int, int], ...]
    val_decided_effects: tuple[float, float]
    val_raw_effects: tuple[float, float]
    prevalences: tuple[Moved, ...]
    knots: tuple[calibrators.Curve, ...] = ()
    estimated: Estimated | None = None
    boxes: Boxes | None = None

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
    content = asdict(decision)
    if decision.boxes is None:
        del content["boxes"]
    storage.write_json(root / PATH, content, root / SUMS)


def read(root: Path) -> Decision:
    """Read and check a decision.

    Raises:
        storage.ArtifactError: The file is missing or damaged.
    """
    decision = storage.read_dataclass(root, PATH, Decision, SUMS, optional=("boxes",))
    _check(decision)
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
            "val_raw",
            links.of_task(decision.task).DECIDED_BY,
        )
    }
    lengths |= {} if decision.seen is None else {"seen": len(decision.seen)}
    lengths |= {"knots": len(decision.knots)} if decision.calibrator == "isotonic" or decision.knots else {}
    if decision.estimated is not None:
        lengths |= {f"estimated.{name}": len(getattr(decision.estimated, name)) for name in ("low", "high")}
    if decision.boxes is not None:
        names = ("scale", "bias", "pooled", "offset", "thresholds", "val_counts")
        lengths |= {f"boxes.{name}": len(getattr(decision.boxes, name)) for name in names}
        lengths |= {"boxes.knots": len(decision.boxes.knots)} if decision.boxes.knots else {}
    lengths |= {f"gain[{row}]": len(values) for row, values in enumerate(decision.gain)}
    for name, length in lengths.items():
        if length != count:
            raise storage.ArtifactError(f"{PATH}: {name} has {length} entries for {count} classes")
    if decision.positive not in decision.classes:
        raise storage.ArtifactError(f"{PATH}: the class that matters, {decision.positive!r}, is no class")
    _check_once(decision)
    for name, (places, values) in zip(decision.classes, decision.knots, strict=bool(decision.knots)):
        rising = all(a < b for a, b in pairwise(places)) and all(a <= b for a, b in pairwise(values))
        if len(places) != len(values) or not rising or not all(0 < value < 1 for value in values):
            raise storage.ArtifactError(
                f"{PATH}: the knots of {name!r} must rise, with probabilities between 0 and 1; found {places}, {values}"
            )


def _check_once(decision: Decision) -> None:
    """Refuse a decision that corrects the prior twice, or not at all."""
    learns = decision.calibrator in calibrators.WITH_BIAS
    if learns and any(decision.val_offset):
        raise storage.ArtifactError(
            f"{PATH}: calibrator {decision.calibrator!r} learned the prior of validation itself; val_offset "
            f"{decision.val_offset} would correct it twice"
        )
    if not learns and (any(decision.bias) or decision.knots):
        raise storage.ArtifactError(
            f"{PATH}: calibrator {decision.calibrator!r} has neither bias nor knots, since val_offset corrects the "
            f"prior; found bias {decision.bias}, knots {decision.knots}"
        )
    if not learns and decision.seen is None:
        raise storage.ArtifactError(
            f"{PATH}: the prior seen is unknown, and calibrator {decision.calibrator!r} does not learn it"
        )
