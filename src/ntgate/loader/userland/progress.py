"""How a long preparation tells its caller where it is."""

from typing import Protocol


class Progress(Protocol):
    """Steps follow one another; each is told first, then advanced."""

    def step(self, title: str, total: int | None) -> None:
        """A new step begins; `total` is its size in its own units, None when it is not known."""

    def advance(self, done: int) -> None:
        """`done` units of the current step are finished, counted from its start."""


class Silent:
    """The Progress that says nothing."""

    def step(self, title: str, total: int | None) -> None:
        """Say nothing."""

    def advance(self, done: int) -> None:
        """Say nothing."""
