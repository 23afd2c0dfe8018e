"""Training a network: the loop, what it minimises, how the learning rate falls, and what is kept."""
