"""How middleware works: what one is, what its callbacks see and change, and the stack that runs them in order."""
