"""Python's garbage collector, set for processes that live long: it looks at what is new, and seldom."""

import gc

NEW_OBJECTS = 10_000
"""So many new containers make a collection due; by default it is 700."""


def tune_gc() -> None:
    """Call it once everything is imported: what lives now stays for good, and is never looked at again.

    Nearly everything of a turn dies by its reference count. Walking over half a million objects of imported modules
    again and again in search of cycles took a third of a turn's CPU. Nor are they walked over first: that would be half
    of an actor's start, to find some hundreds of objects.
    """
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, 20, 20)
