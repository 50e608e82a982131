"""Data classes whose methods are made when the first instance is.

    from ntgate.records import dataclass

is `dataclasses.dataclass`, which compiles up to seven methods for each class: for the classes of a
whole machine that takes longer than to boot it, and a run makes instances of a few.  What
dataclasses.fields and the like want to know of a class is there from its first instance on.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from inspect import get_annotations
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(of: type | None = None, /, **options: Any) -> Any:
        def decorate(of: type) -> type:
            return _deferred(of, options)

        return decorate if of is None else decorate(of)


__all__ = ["dataclass"]

_unfinished: dict[type, Callable[[], None]] = {}


def _deferred(of: type, options: dict[str, Any]) -> type:
    own = dict(options)
    if own.pop("slots", False):
        names = [
            name
            for name, kind in get_annotations(of).items()
            if not str(kind).startswith("ClassVar")
        ]
        # Defaults stand where the slots would: such a class has none.
        if not any(name in of.__dict__ for name in names):
            of = _with_slots(of, tuple(names))

    def finish() -> None:
        del of.__init__  # type: ignore[misc]
        dataclasses.dataclass(**own)(of)

    def first(self: Any, *values: Any, **named: Any) -> None:
        for base in reversed(of.__mro__):
            if base in _unfinished:
                _unfinished.pop(base)()
        of.__init__(self, *values, **named)  # type: ignore[misc]

    of.__init__ = first  # type: ignore[misc]
    _unfinished[of] = finish
    return of


def _with_slots(of: type, names: tuple[str, ...]) -> type:
    content = {
        name: value
        for name, value in of.__dict__.items()
        if name not in ("__dict__", "__weakref__")
    }
    made: type = type(of)(of.__name__, of.__bases__, {**content, "__slots__": names})
    made.__qualname__ = of.__qualname__
    return made
