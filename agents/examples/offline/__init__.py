"""What the examples do without a model: the offline assistant, and a script for each of the others."""
