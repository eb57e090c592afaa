"""How middleware works: the base class, what its callbacks see and change, and the stack that calls them in order."""
