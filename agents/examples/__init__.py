"""Agents to start from, each a function of its model and readable in a minute."""

from agents.examples.assistant import assistant

__all__ = ["assistant"]
