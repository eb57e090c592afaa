"""The meaning of a conversation: its turn machine, the driver, models and tools. Knows neither Ray nor Redis."""

from agents.former_names import answer_to_former_names

answer_to_former_names()
