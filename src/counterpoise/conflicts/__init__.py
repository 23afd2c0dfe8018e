"""Which switches of `params.yaml` make no sense together, and why."""
