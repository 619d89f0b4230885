"""Spares a process what others import and we never need.

RAY_preload_python_modules names this module, so each of Ray's workers imports it first. Serve's own module of helpers
imports pandas, only to know the type of a table, and Serve does without where pandas is not installed. In each of
Serve's processes (controller, proxies, replicas, the hub) that saves 30 MB and a quarter of the imports. Everything
else, such as Ray Data in a backfill, gets pandas as always.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType

# The module that is imported without a package that it can do without.
SPARED = {"ray.serve._private.utils": "pandas"}


@contextmanager
def without(package: str) -> Iterator[None]:
    """Has modules that are imported meanwhile find that a package is not installed, unless it is loaded already."""
    if package in sys.modules:
        yield
        return
    # Standard: with None in this place an import raises ImportError.
    sys.modules[package] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[package]


def forgo(package: str) -> None:
    """Has a package seem not to be installed for the rest of the process, unless it is loaded already."""
    # Standard: as in `without`.
    sys.modules.setdefault(package, None)  # type: ignore[arg-type]


class _Without(Loader):
    """Runs a module as its own loader does, while a package seems not to be installed."""

    def __init__(self, loader: Loader, package: str) -> None:
        self._loader, self._package = loader, package

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        with without(self._package):
            self._loader.exec_module(module)


class _Finder(MetaPathFinder):
    """Finds the modules of SPARED where Python finds them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname not in SPARED:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _Without(spec.loader, SPARED[fullname])
        return spec


sys.meta_path.insert(0, _Finder())
