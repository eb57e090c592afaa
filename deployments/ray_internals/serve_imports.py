"""What Serve imports in every one of its processes, where it is installed, and never uses for us: pandas.

It only looks whether it could write a data frame as JSON. That took a second of a core and some 40 MB in each process
of Serve: its controller, the managers of HAProxy, every replica.
"""

import sys
import threading
from collections.abc import Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

IMPORTER = "ray.serve._private.utils"
UNUSED = "pandas"


def spare_serve_imports() -> None:
    """Let Serve find no pandas when it is imported; everything else in this process does. Safe to call again."""
    if IMPORTER not in sys.modules and not any(isinstance(finder, _Finder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _Finder())


class _Finder(MetaPathFinder):
    """Other threads import meanwhile what they like."""

    def __init__(self) -> None:
        self._importing = threading.local()

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname == UNUSED and getattr(self._importing, "serve", False):
            raise ModuleNotFoundError(f"Serve has no use for {UNUSED}", name=fullname)
        if fullname != IMPORTER:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Loader(spec.loader, self._importing)
        return spec


class _Loader(Loader):
    """Marks the thread while it runs the importer's code."""

    def __init__(self, loader: Loader, importing: threading.local) -> None:
        self._loader = loader
        self._importing = importing

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._importing.serve = True
        try:
            self._loader.exec_module(module)
        finally:
            self._importing.serve = False
