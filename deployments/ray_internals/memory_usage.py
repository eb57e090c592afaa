"""How much of a node's memory is in use, as Ray's memory monitor counts, which kills processes beyond a bound."""

from ray._common.utils import get_system_memory
from ray._private.utils import get_used_memory


def memory_percent() -> float:
    """A container's limit counts, and not what the machine has that it runs on."""
    used, size = memory_in_use()
    return 100 * used / size


def memory_in_use() -> tuple[int, int]:
    """How many bytes are in use, of how many; a container's, as above."""
    used: int = get_used_memory()  # type: ignore[no-untyped-call]  # Ray has no type for it
    size: int = get_system_memory()
    return used, size
