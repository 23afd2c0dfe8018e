"""The section of the report that shows what training sees of tiles with boxes."""

from __future__ import annotations

from counterpoise.report.facts import Facts, counted
from counterpoise.report.objects import Objects
from counterpoise.report.parts import Part
from counterpoise.report.texts import write_count


def in_training(facts: Facts, of: Objects) -> Part | None:
    """Show tiles, and the samples of them that an epoch shows; `None` where there are none."""
    if not of.samples:
        return None
    tiles = facts.draws["tile_id"].nunique()
    again = int((facts.draws["view"] > 0).sum())
    text = (
        f"An epoch has {counted(len(facts.draws), 'sample')} of {counted(tiles, 'tile')}; {write_count(again)} of them "
        "are views made by oversampling. Each row begins with an unchanged tile, and goes on with samples of it, as "
        "the last epochs show them. Look whether the boxes still fit, and whether your scenes could look like this."
    )
    words = "Full lines: objects. Dashed: ignored, neither object nor background, such as what is cut too short."
    return Part("box-samples", "What training sees", (text, words), pictures=of.samples)
