"""A model that the pipeline built, and what it says of images, whatever its task."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
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
    """

    root: Path
    content: Mapping[str, Any]
    card: model.Card
    decision: decision.Decision

    @property
    def boxes(self) -> bool:
        """Whether it finds boxes."""
        return isinstance(self.card, model.DetectorCard)

    def answers(self, paths: Iterable[Path]) -> Iterator[predictor.Answer | detector.Answer]:
        """Say what images show, one by one, in order."""
        if self.boxes:
            return detector.answer(self.root, paths, self.content, self.decision)
        return predictor.answer(self.root, paths, self.content, self.decision)

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


def read(root: Path, content: Mapping[str, Any], stated: Sequence[str] = ()) -> Built:
    """Read the model of a repository.

    Args:
        root: The repository.
        content: Its checked parameters.
        stated: Shares of classes where it is used, as `prevalence.parse` takes them.

    Raises:
        InputError: It is of another version or another task, or a share is wrong.
        ArtifactError: There is none, or a file is damaged.
    """
    model_folder.check_version(root)
    card, decided = model.read_card(root), decision.read(root)
    model_folder.check_task(content, card, decided)
    shares = prevalence.parse(stated, decided) if stated else {}
    return Built(root, content, card, prevalence.moved(root, content, decided, shares))
