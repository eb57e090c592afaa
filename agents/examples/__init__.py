"""Agents to start from, each a function of its model and readable in a minute; `offline` has a script for each."""

from agents.examples.assistant import assistant
from agents.examples.extractor import extractor
from agents.examples.operator import operator
from agents.examples.researcher import researcher

__all__ = ["assistant", "extractor", "operator", "researcher"]
