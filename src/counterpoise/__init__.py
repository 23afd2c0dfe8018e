"""Train image models where the class that matters is rare, and say honestly which remedy helped."""
