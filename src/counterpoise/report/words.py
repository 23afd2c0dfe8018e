"""The words of the report that depend on the task."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Words:
    """Nouns and sentences of one task.

    Attributes:
        noun: What the name of a class means, such as "label".
        nouns: The plural of `noun`.
        has_share: The verb before the share of a class, as in "is 5 % of the images" or "is on 5 % of the images".
        shares_remark: A remark about the shares of the classes; may be empty.
        observed: What the calibration chart counts.
        calibration_unit: What its bins contain, in the plural.
        calibration_scope: Which probabilities it shows, as a sentence.
        prior: What a remedy changes, such as "the class prior".
        prior_factor: What a line of the ledger multiplies, such as "odds".
        raw_rule: How raw logits decide; `{name}` is replaced by the class that matters.
        mistake_kinds: The words under a picture for a class that was found, missed, and wrongly decided.
        wrong: A class that was decided and is wrong, such as "decided class".
        mistakes_note: A remark about the probabilities under pictures, as a sentence.
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
    wrong: str
    mistakes_note: str
