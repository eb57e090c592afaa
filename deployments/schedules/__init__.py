"""Schedules: when something is due, and what is done about it; pure rules, to which the time is an argument."""
