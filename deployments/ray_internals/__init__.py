"""All uses of private parts of Ray and of Serve. `tests/house/test_ray_internals.py` says what each of them needs."""
