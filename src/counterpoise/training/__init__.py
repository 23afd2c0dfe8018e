"""Training of networks: the training loop, objective, learning rate schedule, early stopping and checkpoints."""
