"""A model that the pipeline built, and what it says of images, whatever its task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from counterpoise import storage
from counterpoise.artifacts import decision, model
from counterpoise.deployment import detector, model_folder, predictor, prevalence


@dataclass(frozen=True)
class Built:
    """A built model.

    Attributes:
        root: The repository.
        content: Its checked parameters.
        card: What the model is.
        decision: How its outputs become decisions.
        stated: As `--model` names the repository; `None` for the current folder.
    """

    root: Path
    content: Mapping[str, Any]
    card: model.Card
    decision: decision.Decision
    stated: str | None = None

    @property
    def boxes(self) -> bool:
        """Whether it finds boxes."""
        return isinstance(self.card, model.DetectorCard)

    def answers(self, paths: Iterable[Path]) -> Iterator[predictor.Answer | detector.Answer]:
        """Say what images show, one by one, in order."""
        answer = detector.answer if self.boxes else predictor.answer
        with model_folder.naming(self.stated):
            yield from answer(self.root, paths, self.content, self.decision)

    def with_shares(self, texts: Sequence[str]) -> Built:
        """Decide for other shares of classes, as `prevalence.parse` takes them.

        Raises:
            InputError: A share is wrong.
            ArtifactError: There are no predictions of validation.
        """
        if not texts:
            return self
        shares = prevalence.parse(texts, self.decision)
        return replace(self, decision=prevalence.moved(self.root, self.content, self.decision, shares))

    def settings(self) -> dict[str, Any]:
        """Collect all that decides what is said of an image, by name."""
        device = {name: self.content["model"][name] for name in ("device", "precision")}
        return {
            "model": storage.checksum_of(self.root / model.SUMS),
            "decision or prevalence": storage.checksum(repr(asdict(self.decision)).encode()),
            "section tile": dict(self.content["tile"]),
            "section predict": dict(self.content["predict"]),
            "model.device or model.precision": device,
        }


def read(root: Path, content: Mapping[str, Any], stated: str | None = None) -> Built:
    """Read the model of a repository.

    Args:
        root: The repository.
        content: Its checked parameters.
        stated: As `--model` names the repository; `None` for the current folder.

    Raises:
        InputError: It is of another version or another task.
        ArtifactError: There is none, or a file is damaged.
    """
    with model_folder.naming(stated):
        model_folder.check_version(root)
        card, decided = model.read_card(root), decision.read(root)
        model_folder.check_task(content, card, decided)
    return Built(root, content, card, decided, stated)
