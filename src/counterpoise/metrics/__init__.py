"""Metrics of decisions, rankings and probabilities, for one weighting of the examples or for many at once."""
