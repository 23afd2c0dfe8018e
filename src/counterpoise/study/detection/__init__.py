"""A study of detectors: maps of the frozen backbone that are stored once, and cells that train on them."""
