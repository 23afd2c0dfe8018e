"""Detectors and their remedies for imbalance: of scales, of space, of foreground and background, of objectives."""
