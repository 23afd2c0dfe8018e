"""What is learned from many trainings: learning curves, and which parameters artifacts were built with."""
