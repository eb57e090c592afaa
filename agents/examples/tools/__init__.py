"""Small example tools: a calculator, a clock, and an announcement that needs an approval."""

from agents.examples.tools.announcement import announce
from agents.examples.tools.calculator import calculator
from agents.examples.tools.clock import clock

__all__ = ["announce", "calculator", "clock"]
