"""Figures of decisions, rankings and probabilities, for one weighting of the images or for many at a time."""
