"""Tables of cases: what one test goes through, and what `make test` and `make slow` share."""

import functools
import inspect
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

Test = Callable[..., None]


def each(names: str | tuple[str, ...], rows: Iterable[Any]) -> Callable[[Test], Test]:
    """Run a test for every row, as ``pytest.mark.parametrize`` does, but as a single test.

    All rows run, and each that fails is reported with its values. They share fixtures: where a row
    needs its own folder or patch, parametrize.
    """
    known = tuple(name.strip() for name in names.split(",")) if isinstance(names, str) else names
    cases = [(row,) if len(known) == 1 else tuple(row) for row in rows]
    assert cases, "no case, so nothing would be tested"

    def decorate(test: Test) -> Test:
        signature = inspect.signature(test)
        own = "subtests" in signature.parameters

        @functools.wraps(test)
        def looped(*arguments: Any, subtests: Any, **fixtures: Any) -> None:
            more = {"subtests": subtests} if own else {}
            for case in cases:
                values = dict(zip(known, case, strict=True))
                with subtests.test(**{name: str(value)[:80] for name, value in values.items()}):
                    test(*arguments, **fixtures, **more, **values)

        kept = [one for name, one in signature.parameters.items() if name not in known]
        if not own:
            kept.append(inspect.Parameter("subtests", inspect.Parameter.KEYWORD_ONLY))
        looped.__signature__ = signature.replace(parameters=kept)  # type: ignore[attr-defined]
        return looped

    return decorate


def by_turns(places: Iterable[Any], views: Sequence[tuple[Any, ...]]) -> list[Any]:
    """List every place in every view: one of the views for `make test`, the rest for `make slow`.

    The next place gets the next view, so that each view is on many places.
    """
    return [
        pytest.param(place, *view, marks=[pytest.mark.slow] if (nth - turn) % len(views) else [])
        for turn, place in enumerate(places)
        for nth, view in enumerate(views)
    ]
