"""Reading a line at a terminal with history and completion.  Import it late: it is slow to."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from prompt_toolkit import PromptSession
from prompt_toolkit.auto_suggest import AutoSuggestFromHistory
from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import FileHistory, History, InMemoryHistory

from ntgate.debug.completion import candidates
from ntgate.debug.session import Session


class LineEditor:
    """Asks for lines.  `history_file` is None where none can be kept."""

    def __init__(self, session: Session, history_file: Path | None) -> None:
        history: History = InMemoryHistory()
        if history_file is not None:
            history = FileHistory(str(history_file))
        self._prompt: PromptSession[str] = PromptSession(
            history=history,
            auto_suggest=AutoSuggestFromHistory(),
            completer=KdCompleter(session),
            complete_while_typing=False,
        )

    def read(self, prompt: str) -> str:
        """One line.  Raises EOFError on Ctrl-D and KeyboardInterrupt on Ctrl-C."""
        return self._prompt.prompt(prompt)


class KdCompleter(Completer):
    """Completes commands, symbols, types and registers."""

    def __init__(self, session: Session) -> None:
        self._session = session

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        word, found = candidates(self._session, document.text_before_cursor)
        for text in found:
            yield Completion(text, start_position=-len(word))
