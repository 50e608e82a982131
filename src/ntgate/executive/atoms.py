"""The global atom table: numbers from c000h for names of up to 255 characters.

A number below c000h is an atom of itself, without a name in the table.
"""

from __future__ import annotations

from collections.abc import Iterator

from ntgate.errors import NtError
from ntgate.executive.ob.names import upcase
from ntgate.layout import ntstatus
from ntgate.records import dataclass

FIRST, LAST = 0xC000, 0xFFFF
LONGEST_NAME = 255


@dataclass(slots=True)
class Atom:
    name: str
    references: int = 1


class AtomTable:
    """Names are found whatever their case, and keep the case in which they came first."""

    def __init__(self) -> None:
        self._atoms: dict[int, Atom] = {}
        self._by_name: dict[str, int] = {}
        self._next = FIRST

    def add(self, name: str) -> int:
        """A new atom, or one reference more; raises STATUS_NO_MEMORY, _OBJECT_NAME_INVALID."""
        number = self.integer(name)
        if number is not None:
            return number
        self._check(name)
        found = self._by_name.get(upcase(name))
        if found is not None:
            self._atoms[found].references += 1
            return found
        number = self._free_number()
        self._atoms[number] = Atom(name)
        self._by_name[upcase(name)] = number
        return number

    def find(self, name: str) -> int:
        """Raises STATUS_OBJECT_NAME_NOT_FOUND."""
        number = self.integer(name)
        if number is not None:
            return number
        self._check(name)
        found = self._by_name.get(upcase(name))
        if found is None:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_NOT_FOUND)
        return found

    def delete(self, number: int) -> None:
        """Take a reference away; raises STATUS_INVALID_HANDLE."""
        if 0 < number < FIRST:
            return
        atom = self._atom(number)
        atom.references -= 1
        if not atom.references:
            del self._atoms[number]
            del self._by_name[upcase(atom.name)]

    def query(self, number: int) -> tuple[str, int, bool]:
        """Name, references, and whether it is there for ever.

        Raises STATUS_INVALID_HANDLE; for 0, which is none, STATUS_INVALID_PARAMETER.
        """
        if not number:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)
        if number < FIRST:
            return f"#{number}", 1, True
        atom = self._atom(number)
        return atom.name, atom.references, False

    def all(self) -> Iterator[int]:
        yield from self._atoms

    @staticmethod
    def integer(name: str) -> int | None:
        """The number of a name like #1234, which is an atom of itself."""
        if name[:1] != "#" or not name[1:].isascii() or not name[1:].isdigit():
            return None
        number = int(name[1:])
        return number if 0 < number < FIRST else None

    def _check(self, name: str) -> None:
        if not name:
            raise NtError(ntstatus.STATUS_OBJECT_NAME_INVALID)
        if len(name) > LONGEST_NAME:
            raise NtError(ntstatus.STATUS_INVALID_PARAMETER)

    def _atom(self, number: int) -> Atom:
        atom = self._atoms.get(number)
        if atom is None:
            raise NtError(ntstatus.STATUS_INVALID_HANDLE)
        return atom

    def _free_number(self) -> int:
        for step in range(LAST - FIRST + 1):
            number = FIRST + (self._next - FIRST + step) % (LAST - FIRST + 1)
            if number not in self._atoms:
                self._next = number + 1
                return number
        raise NtError(ntstatus.STATUS_NO_MEMORY)
