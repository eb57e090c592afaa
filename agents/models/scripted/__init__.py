"""A model without a network: plays a script step by step."""
