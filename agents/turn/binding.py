"""Binds a decision to what was shown: the hash of a call's arguments."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def arguments_hash(arguments: Mapping[str, Any]) -> str:
    """The SHA-256 of the arguments as JSON with sorted keys and no white space, in hexadecimal."""
    canonical = json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode(errors="surrogatepass")).hexdigest()
