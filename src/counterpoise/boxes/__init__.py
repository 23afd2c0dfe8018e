"""Boxes: areas and overlaps, matching with the truth, average precision, kinds of errors, merging; numpy alone."""
