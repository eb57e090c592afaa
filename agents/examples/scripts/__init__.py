"""What the examples say without a model: a script each, as a function of the request."""
