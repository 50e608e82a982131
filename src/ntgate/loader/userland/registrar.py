"""Registration scripts (.rgs): what a DLL wants in the registry, in ATL's notation.

    HKCR
    {
        NoRemove CLSID
        {
            '{4590F811-...}' = s 'WBEM Locator'
            {
                InprocServer32 = s '%MODULE%' { val ThreadingModel = s 'Both' }
            }
        }
    }

From the public documentation of the ATL Registrar ("Registry Scripting", "Creating Registrar
Scripts").
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from ntgate.executive.cm.node import KeyNode, utf16
from ntgate.executive.cm.tree import KeyTree
from ntgate.layout.cm import REG_BINARY, REG_DWORD, REG_SZ

ROOTS = {
    "HKCR": r"\REGISTRY\MACHINE\SOFTWARE\Classes",
    "HKEY_CLASSES_ROOT": r"\REGISTRY\MACHINE\SOFTWARE\Classes",
    "HKLM": r"\REGISTRY\MACHINE",
    "HKEY_LOCAL_MACHINE": r"\REGISTRY\MACHINE",
    "HKU": r"\REGISTRY\USER",
    "HKEY_USERS": r"\REGISTRY\USER",
}
CURRENT_USER = ("HKCU", "HKEY_CURRENT_USER")

_WORD = re.compile(r"\s*(?:(?P<mark>[}=])|'(?P<quoted>(?:[^']|'')*)'|(?P<plain>\S+))")
_REPLACED = re.compile("%([^%]*)%")


class ScriptError(Exception):
    """A script says what no script can say."""


def run_script(tree: KeyTree, user_sid: str, script: str, replacements: Mapping[str, str]) -> None:
    """Carry out a script. `replacements` is what stands for %NAME%, by the name in capitals.

    Raises ScriptError; what stands before the mistake is done.
    """
    words = _Words(_REPLACED.sub(lambda match: _replaced(match[1], replacements), script))
    for root in words:
        path = rf"\REGISTRY\USER\{user_sid}" if root in CURRENT_USER else ROOTS.get(root)
        if path is None or words.take() != "{":
            raise ScriptError(f"{root} is no root key")
        _run_keys(tree, tree.find(path), words)


def _replaced(name: str, replacements: Mapping[str, str]) -> str:
    if not name:
        return "%"
    try:
        return replacements[name.upper()]
    except KeyError:
        raise ScriptError(f"nothing stands for %{name}%") from None


class _Words:
    """The words of a script; `quoted` tells whether the last one had quotes."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._at = 0
        self.quoted = False

    def __iter__(self) -> Iterator[str]:
        while self.more():
            yield self.take()

    def more(self) -> bool:
        return bool(self._text[self._at :].strip()) if self._at < len(self._text) else False

    def take(self) -> str:
        match = _WORD.match(self._text, self._at)
        if match is None:
            raise ScriptError("the script ends too soon")
        self._at = match.end()
        self.quoted = match["quoted"] is not None
        if match["quoted"] is not None:
            return match["quoted"].replace("''", "'")
        return match["mark"] or match["plain"]

    def next_is(self, mark: str) -> bool:
        """Whether the next word is this one; if so, it is taken."""
        match = _WORD.match(self._text, self._at)
        if match is None or (match["mark"] or match["plain"]) != mark:
            return False
        self._at = match.end()
        return True


def _run_keys(tree: KeyTree, parent: KeyNode, words: _Words) -> None:
    """Everything up to the closing brace."""
    while True:
        word = words.take()
        if word == "}" and not words.quoted:
            return
        modifier = "" if words.quoted else word.lower()
        if modifier == "val":
            name = words.take()
            if not words.next_is("="):
                raise ScriptError(f"val {name} has no value")
            _set_value(tree, parent, name, words)
            continue
        if modifier == "delete":
            delete_path(tree, parent, words.take())
            continue
        if modifier in ("noremove", "forceremove"):
            word = words.take()
        if modifier == "forceremove":
            delete_path(tree, parent, word)
        key = make_path(tree, parent, word)
        if words.next_is("="):
            _set_value(tree, key, "", words)
        if words.next_is("{"):
            _run_keys(tree, key, words)


def _set_value(tree: KeyTree, key: KeyNode, name: str, words: _Words) -> None:
    kind, text = words.take(), words.take()
    if kind == "s":
        tree.set_value(key, name, REG_SZ, utf16(text + "\0"))
    elif kind == "d":
        tree.set_value(key, name, REG_DWORD, (int(text) & 0xFFFF_FFFF).to_bytes(4, "little"))
    elif kind == "b":
        tree.set_value(key, name, REG_BINARY, bytes.fromhex(text))
    else:
        raise ScriptError(f"{kind} is no type of value")


def make_path(tree: KeyTree, start: KeyNode, path: str) -> KeyNode:
    """The key of a path below another, made with its parents where they are missing."""
    node = start
    for name in filter(None, path.split("\\")):
        node, missing = tree.follow(node, name)
        if missing:
            node = tree.create(node, missing)
    return node


def delete_path(tree: KeyTree, start: KeyNode, path: str) -> None:
    """Delete the key of a path below another with everything in it, where there is one."""
    node = start
    for name in filter(None, path.split("\\")):
        node, missing = tree.follow(node, name)
        if missing:
            return
    tree.delete_tree(node)
