"""Backbones, heads, pretrained weights, freezing, and ensembles of networks."""
