"""The reference has every public name, and the docstrings say what a reader needs to know."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import Tensor

import ntm_tutorial
from tests.test_book import parse

MODULES = [ntm_tutorial] + [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(ntm_tutorial.__path__, "ntm_tutorial.")
]
SHAPE = re.compile(r"\((?:[A-Z]|\*any|\d+)(?:, ?(?:[A-Z]|\d+|2r\+1))*,?\)|shape|\bone\b")
"""How a docstring states a shape: (T, B, I)."""


def defined(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield the public functions and classes of a module, and the public methods of the classes."""
    for name, thing in vars(module).items():
        function = inspect.isfunction(thing) or inspect.isclass(thing)
        if function and thing.__module__ == module.__name__ and not name.startswith("_"):
            yield f"{module.__name__}.{name}", thing
            for own, part in vars(thing).items():
                part = getattr(part, "fget", None) or getattr(part, "__func__", part)
                if inspect.isfunction(part) and not own.startswith("_"):
                    yield f"{module.__name__}.{name}.{own}", part


PUBLIC = dict(found for module in MODULES for found in defined(module))


def exported() -> Iterator[tuple[str, Any]]:
    """Yield what packages and modules list in ``__all__``."""
    for module in MODULES:
        for name in getattr(module, "__all__", ()):
            yield f"{module.__name__}.{name}", getattr(module, name)


@cache
def listed(site: Path) -> dict[str, str]:
    """Map every name that the reference lists to its page."""
    pages = sorted((site / "book" / "api").glob("*.html"))
    return {
        str(entry["id"]): page.name
        for page in pages
        for entry in parse(page).select("dt.sig[id]")
    }

print(len(PUBLIC))
