"""Small example tools: a calculator, a clock, an announcement that needs an approval, and two for the page."""

from agents.examples.tools.announcement import announce
from agents.examples.tools.calculator import calculator
from agents.examples.tools.clock import clock
from agents.examples.tools.device import get_location, pick_file

__all__ = ["announce", "calculator", "clock", "get_location", "pick_file"]
