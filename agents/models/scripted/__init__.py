"""A model without a network, its steps, and what its scripts read from a request."""
