"""Whether a package keeps what the runner, and users, rely on: what ``calcore plugins check`` finds.

Foreign code is imported and called in another process, which it may end.
"""

import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from typing import TypeVar

from calcore.errors import PluginBroken

R = TypeVar("R")
_ENDED = "ends Python itself (os._exit, or a crash of compiled code); raise an error instead"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at: what, in which respect, whether it is good, and more in words.

    `good` is None where that could not be found out.
    """

    what: str
    respect: str
    good: bool | None
    words: str = ""


def certify(word: str) -> Iterator[Finding]:
    """Look at everything that a package, or a file of steps, brings.

    Parameters
    ----------
    word : str
        Name of an installed distribution, or the place of a file or folder.

    Yields
    ------
    Finding
        As each is made.

    Raises
    ------
    UsageError
        There is no such package or file.
    PluginBroken
        The file cannot be imported.
    """
    aside = _Aside()
    try:
        try:
            things = aside.ask(_things, word)
        except BrokenProcessPool:
            raise PluginBroken(f"what is imported of {word} {_ENDED}") from None
        for place, what in enumerate(things):
            try:
                yield from aside.ask(_looked_at, word, place)
            except BrokenProcessPool:
                yield Finding(what, "contract", good=False, words=_ENDED)
    finally:
        aside.close()


class _Aside:
    """Another process, which is begun anew where somebody has ended it."""

    def __init__(self) -> None:
        self._pool = self._begun()

    @staticmethod
    def _begun() -> ProcessPoolExecutor:
        return ProcessPoolExecutor(1, multiprocessing.get_context("spawn"))

    def ask(self, function: Callable[..., R], *given: object) -> R:
        """Call a function there; `BrokenProcessPool` is raised if that ends the process."""
        try:
            return self._pool.submit(function, *given).result()
        except BrokenProcessPool:
            self.close()
            self._pool = self._begun()
            raise

    def close(self) -> None:
        """End the process."""
        self._pool.shutdown(cancel_futures=True)


def _things(word: str) -> tuple[str, ...]:
    from calcore.testing.scrutiny import things  # noqa: PLC0415 - heavy, and for the other process

    return things(word)


def _looked_at(word: str, place: int) -> tuple[Finding, ...]:
    from calcore.testing.scrutiny import looked_at  # noqa: PLC0415 - likewise

    return looked_at(word, place)
