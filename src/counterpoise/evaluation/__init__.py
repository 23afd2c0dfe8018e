"""What a model is worth on test: figures with intervals, raw, calibrated and re-decided."""
