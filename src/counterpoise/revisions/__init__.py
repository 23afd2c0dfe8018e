"""Two commits compared: their figures, their parameters, and what may be said of the difference."""
