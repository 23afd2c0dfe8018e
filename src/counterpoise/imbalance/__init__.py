"""How uneven classes are, and what evens them out before the loss: resampling and class weights."""
