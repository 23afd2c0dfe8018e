"""Backbones, heads, their weights, what is frozen, and how several networks are combined."""
