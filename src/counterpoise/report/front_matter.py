"""The head of the model card, in YAML: what model hubs read of it.

The keys are those that Hugging Face documents for model cards; figures are in its `model-index`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from counterpoise.report.facts import Facts
from counterpoise.report.texts import capitalized, figure_name, write_value

TYPES = {
    "macro_f1": "f1",
    "micro_f1": "f1",
    "matthews": "matthews_correlation",
    "box_average_precision": "mean_average_precision",
}
"""Figure -> what a hub calls it, where that is another name."""
OF_TEST = ("test_images", "test_positives", "classes_present")
"""Entries of `metrics.json` that describe test, and not the model."""


def front_matter(facts: Facts) -> str:
    """Write the head of the card, with the lines that begin and end it."""
    kind = "image-classification" if facts.boxes is None else "object-detection"
    content = {
        "license": "other",
        "license_name": "see-section-licences",
        "library_name": "counterpoise",
        "pipeline_tag": kind,
        "tags": ["counterpoise", "class-imbalance", "calibration", facts.decision.task],
        "metrics": list(dict.fromkeys(metric["type"] for metric in _metrics(facts))),
        "model-index": [
            {
                "name": f"{facts.card.backbone}, {facts.card.loss}",
                "results": [
                    {
                        "task": {"type": kind},
                        "dataset": {"type": facts.dataset, "name": facts.dataset, "split": "test"},
                        "metrics": list(_metrics(facts)),
                    }
                ],
            }
        ],
    }
    return f"---\n{yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=1000)}---"


def _metrics(facts: Facts) -> Iterator[dict[str, Any]]:
    """Yield the figures of `metrics.json`, each with its interval in its name."""
    for key, value in facts.metrics.figures.items():
        if key in OF_TEST or key.startswith("no_skill_"):
            continue
        name, span = capitalized(figure_name(key)), facts.metrics.intervals.get(key)
        if span:
            name += f", 95 % interval {write_value(span[0], 3)} to {write_value(span[1], 3)}"
        yield {"type": TYPES.get(key, key), "value": value, "name": name}
