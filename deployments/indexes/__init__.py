"""What is found by indexes: the lists of conversations, by filters and in orders."""
