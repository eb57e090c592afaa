"""The meaning of a conversation: its turn machine, the driver, models and tools. Knows neither Ray nor Redis."""
