"""What the tests of copies share."""

from tests.support.own_application import ada, http, store

__all__ = ["ada", "http", "store"]
