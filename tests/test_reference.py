"""The reference lists every public name, and each docstring says what a reader needs to know."""

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

from torch import Tensor

import ntm_tutorial
from ntm_tutorial import addressing, memory, ntm
from tests.each import each
from tests.test_book import listed as pages
from tests.test_book import parse
from tools.links import ROOT
from tools.reference import link_equations, used_names

MODULES = [
    importlib.import_module(found.name)
    for found in pkgutil.walk_packages(ntm_tutorial.__path__, "ntm_tutorial.")
    if found.name != "ntm_tutorial.lstm"  # an address from before there were families
]
PACKAGE = ROOT / "ntm_tutorial"
PAGES = [page for page in pages() if page.startswith("book/api/")]
SHAPE = re.compile(r"\((?:[A-Z],?|\*?\w+(?:, ?[\w+*]+)+|)\)|\bany shape\b")
"""How a docstring states a shape: (T, B, I), or (rows, columns), or that any will do."""


def public(module: ModuleType) -> Iterator[tuple[str, Any]]:
    """Yield a module's public functions and classes, and the public methods of the classes."""
    for name, thing in vars(module).items():
        own = getattr(thing, "__module__", "") == module.__name__ and not name.startswith("_")
        if own and (inspect.isfunction(thing) or inspect.isclass(thing)):
            yield f"{module.__name__}.{name}", thing
            for part_name, part in vars(thing).items():
                part = part.fget if isinstance(part, property) else part
                if inspect.isfunction(part) and not part_name.startswith("_"):
                    yield f"{module.__name__}.{name}.{part_name}", part


PUBLIC = dict(found for module in MODULES for found in public(module))


@cache
def listed(site: Path) -> list[str]:
    """Return every name that the reference lists."""
    built = [parse(site / f"{page}.html") for page in PAGES]
    return [str(entry["id"]) for page in built for entry in page.select("dt.sig[id]")]


def test_it_lists_every_public_name_once(site: Path) -> None:
    """A name that a package exports stands under the package."""
    wanted = set()
    for name in PUBLIC:
        module = next(m.__name__ for m in MODULES[::-1] if name.startswith(f"{m.__name__}."))
        package, own = module.rpartition(".")[0], name.removeprefix(f"{module}.")
        exports = getattr(importlib.import_module(package), "__all__", ())
        exported = package != "ntm_tutorial" and own.partition(".")[0] in exports
        wanted.add(f"{package}.{own}" if exported else name)
    assert len(wanted) > 150
    assert not wanted - set(listed(site))
    assert len(listed(site)) == len(set(listed(site)))


@each("module", [ntm_tutorial, *MODULES])
def test_it_lists_all_that_a_package_exports(module: ModuleType, site: Path) -> None:
    below = [name for name in listed(site) if name.startswith(f"{module.__name__}.")]
    last = {name.rpartition(".")[2] for name in below} | {"pretrained"}
    assert not set(getattr(module, "__all__", ())) - last


def test_the_overview_lists_what_can_be_imported_from_the_package_itself() -> None:
    text = (ROOT / "book" / "api.md").read_text(encoding="utf-8")
    first = text.partition("## What you need most")[2].partition("\n## ")[0]
    names = re.findall(r"~ntm_tutorial(?:\.\w+)*\.(\w+)\n", first)
    assert sorted(names) == sorted(ntm_tutorial.__all__)


def test_it_is_ordered_as_the_house_is() -> None:
    """A part of the package imports only from parts of its own page, or of those before."""
    above: list[str] = []
    for page in PAGES:
        text = (ROOT / f"{page}.md").read_text(encoding="utf-8")
        here = list(dict.fromkeys(re.findall(r"automodule:: ntm_tutorial\.(\w+)", text)))
        above += here
        files = [module for module in MODULES if part_of(module.__name__) in here]
        assert not set(used_parts(files)) - set(above), page
    assert sorted(above) == sorted({part_of(module.__name__) for module in MODULES})


def part_of(name: str) -> str:
    return name.split(".")[1]


def used_parts(modules: list[ModuleType]) -> Iterator[str]:
    for node in (node for module in modules for node in ast.walk(tree_of(module))):
        if isinstance(node, ast.ImportFrom) and node.module == "ntm_tutorial":
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("ntm_tutorial."):
            yield part_of(str(node.module))


def tree_of(thing: Any) -> ast.Module:
    return ast.parse(textwrap.dedent(inspect.getsource(thing)))


@each("name", PUBLIC)
def test_a_docstring_says_what_a_reader_needs(name: str) -> None:
    """Where a type says Tensor and no more, it says the shape; it says what raises.

    That it is there, and how it is laid out, ruff checks.
    """
    thing = PUBLIC[name]
    text = inspect.getdoc(thing) or ""
    hints = {} if inspect.isclass(thing) else typing.get_type_hints(thing)
    bare = [argument for argument, hint in hints.items() if is_bare(hint)]
    assert not bare or SHAPE.search(text), bare
    if thing.__module__ != "ntm_tutorial.checks":  # which says once what each check raises
        assert not raises(thing) or re.search(r"Raises:\s+(\w+: .*\s+)*ValueError: \w", text)


def is_bare(hint: Any) -> bool:
    """Tell whether a type holds a tensor without a shape."""
    return hint is Tensor or any(is_bare(part) for part in typing.get_args(hint))


def raises(thing: Any) -> bool:
    """Tell whether code raises ValueError, by itself or through a check or a private helper."""
    if inspect.isclass(thing):
        thing = vars(thing).get("__init__")
    thing = inspect.unwrap(thing) if inspect.isfunction(thing) else None
    if thing is None or not thing.__code__.co_filename.startswith(str(PACKAGE)):
        return False  # not ours, or made by a decorator
    nodes = list(ast.walk(tree_of(thing)))
    handlers = [node for node in nodes if isinstance(node, ast.ExceptHandler)]
    if any(isinstance(one.type, ast.Name) and one.type.id == "Exception" for one in handlers):
        return False  # what it raises, it catches
    if any(isinstance(node, ast.Raise) and "ValueError" in ast.unparse(node) for node in nodes):
        return True
    called = [ast.unparse(node.func) for node in nodes if isinstance(node, ast.Call)]
    helpers = [name for name in called if name.startswith(("_", "check_"))]
    helpers = [name for name in helpers if name != thing.__name__]  # it may call itself
    return any(raises(thing.__globals__.get(name)) for name in helpers)


def test_the_rules_find_what_breaks_them() -> None:
    def mute(size: int) -> Tensor:
        raise ValueError(size)

    assert raises(addressing.shift)
    assert raises(ntm.NTM)
    assert not raises(mute)  # of this module
    assert is_bare(typing.get_type_hints(mute)["return"])
    assert is_bare(list[tuple[str, Tensor | None]])
    assert not is_bare(typing.get_type_hints(memory.read)["return"])
    assert SHAPE.search("an answer (T, B, O)")
    assert not SHAPE.search("an answer (see Eq. 5)")


def test_equations_become_links_but_not_in_literal_blocks() -> None:
    text = "By Eqs. 5-9, and\nEquation 10::\n\n    Eq. 2\n\nEqs. 3,\n4 (Eq. 6)."
    assert link_equations(text) == (
        "By :equation:`Eqs. 5 <5>`-:equation:`9 <9>`, and\n:equation:`Equation 10 <10>`::\n\n"
        "    Eq. 2\n\n:equation:`Eqs. 3 <3>`,\n:equation:`4 <4>` (:equation:`Eq. 6 <6>`)."
    )


@each(
    ("name", "number"),
    [("memory.read", 2), ("memory.erase", 3), ("memory.add", 4), ("addressing.shift", 8)],
)
def test_a_docstring_leads_to_its_equation(name: str, number: int, site: Path) -> None:
    page = parse(site / f"{PAGES[0]}.html")
    entry = page.find(id=f"ntm_tutorial.{name}")
    assert entry is not None
    description = entry.find_next_sibling("dd")
    links = {a.get_text(): str(a["href"]) for a in description.select("a[href*=equation]")}  # type: ignore[union-attr]
    address = links[f"Eq. {number}"].partition("#")[2]
    equation = parse(site / "book" / "notation.html").find(id=address)
    assert equation is not None
    assert f"({number})" in equation.get_text()


def test_a_chapter_is_linked_where_it_uses_a_name_first(site: Path) -> None:
    entry = parse(site / f"{PAGES[0]}.html").find(id="ntm_tutorial.addressing.shift")
    assert entry is not None
    description = entry.find_next_sibling("dd")
    assert description.select_one("a[href$='04_location_addressing.html']")  # type: ignore[union-attr]


def test_uses_are_found_through_imports() -> None:
    source = """
        from ntm_tutorial import memory as m, plots
        from ntm_tutorial.ntm import NTM
        import torch
        torch.zeros(3), m.read(x, w), [NTM(9, 8).step], plots.along
    """
    assert {"ntm_tutorial.memory.read", "ntm_tutorial.ntm.NTM", "ntm_tutorial.plots.along"} <= set(
        used_names(textwrap.dedent(source))
    )
