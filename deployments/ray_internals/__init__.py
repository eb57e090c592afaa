"""Everything that depends on private parts of Ray and of Serve, so that a new Ray version is checked in one place."""
