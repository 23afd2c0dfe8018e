"""The words of the page that differ from task to task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """Nouns and sentences of one task.

    Attributes:
        noun: What the name of a class stands for.
        nouns: Its plural.
        has_share: The verb before the share of a class, as in "is 5 % of the images" or "is on 5 % of the images".
        shares_remark: What a reader must know of the shares of the classes; empty for nothing.
        observed: What the calibration plot counts.
        calibration_unit: What its bins hold, in the plural.
        calibration_scope: What it looks at, as a sentence.
        prior: What a remedy changes.
        prior_factor: What a line of the ledger multiplies.
        raw_rule: How raw logits decide; `{name}` stands for the class that matters.
        mistake_kinds: What is said of a class under a picture: right, not decided, and wrongly decided.
        mistakes_note: What a reader must know of the probabilities under pictures, as a sentence.
    """

    noun: str
    nouns: str
    has_share: str
    shares_remark: str
    observed: str
    calibration_unit: str
    calibration_scope: str
    prior: str
    prior_factor: str
    raw_rule: str
    mistake_kinds: tuple[str, str, str]
    mistakes_note: str
