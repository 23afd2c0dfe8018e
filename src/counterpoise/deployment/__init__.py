"""What a built model says of new images."""
