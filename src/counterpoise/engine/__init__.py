"""The processes and the precision of training."""
