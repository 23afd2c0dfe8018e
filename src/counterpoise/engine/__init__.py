"""The processes that a training runs in."""
