"""The turn machine, pure: its states, events, inputs and commands, and the function that joins them."""

from agents.turn.draft import Limits, Machine, Refusal, StepResult
from agents.turn.events import Event, Logged
from agents.turn.facts import Facts, apply, fold
from agents.turn.flow import fsm_state
from agents.turn.inputs import Input
from agents.turn.machine import abort, give_up_start, revive, step
from agents.turn.states import TRANSITIONS, Signal, State

__all__ = [
    "TRANSITIONS",
    "Event",
    "Facts",
    "Input",
    "Limits",
    "Logged",
    "Machine",
    "Refusal",
    "Signal",
    "State",
    "StepResult",
    "abort",
    "apply",
    "fold",
    "fsm_state",
    "give_up_start",
    "revive",
    "step",
]
