"""The options of a Ray task or actor that the definition of an agent or a tool may set, and the type of each."""

import math
from collections.abc import Iterator, Mapping

AMOUNTS = ("num_cpus", "num_gpus", "memory")
TABLES = ("resources", "label_selector", "runtime_env")
RAY_OPTIONS = (*AMOUNTS, *TABLES, "accelerator_type")


def ray_problems(options: object) -> Iterator[str]:
    """The mistakes in a definition's `ray`, in sentences for its author."""
    if not isinstance(options, Mapping):
        yield "ray is a mapping, such as dict(num_cpus=1)"
        return
    for key, value in options.items():
        if key not in RAY_OPTIONS:
            yield f"each key of ray is one of {', '.join(RAY_OPTIONS)}, not {key!r}"
        if key in AMOUNTS and not (is_number(value) and value >= 0):
            yield f"ray: {key} must be a number, 0 or more"
        if key in TABLES and not isinstance(value, Mapping):
            yield f"ray: {key} must be a mapping"
        if key == "accelerator_type" and not isinstance(value, str):
            yield f"ray: {key} must be a text"


def is_number(value: object) -> bool:
    """Whether the value is a finite number, and not a bool."""
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]  # it is, by then
