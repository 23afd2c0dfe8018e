"""From logits to probabilities: calibrators, the prior ledger, label shift, and what a prevalence does to precision."""
