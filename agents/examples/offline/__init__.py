"""Scripts for the examples, which let them run without a model: one for each agent."""
