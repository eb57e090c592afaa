"""The settings of Python's garbage collector in processes that live long: it looks at new objects, and seldom."""

import gc

MAX_NEW_OBJECTS = 10_000
"""With more new containers a collection is due; Python's default is 700."""


def tune_gc() -> None:
    """Call it once everything is imported: objects that live now are never looked at again.

    Nearly all objects of a turn die by their reference count. Looking for cycles among the half million objects of
    imported modules, again and again, took a third of a turn's CPU time. There is no collection first: that would take
    half of an actor's start, to find some hundreds of objects.
    """
    gc.freeze()
    gc.set_threshold(MAX_NEW_OBJECTS, 20, 20)
