"""What the tests of access share."""

from tests.support.own_application import http, store

__all__ = ["http", "store"]
