"""What a manifest looks like, key by key, so that a damaged one is told and not stumbled over.

Only what somebody reads is looked at, and what must be there is what every run writes; other keys may
stand beside them.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from calcore.run.outcome import Status

_MOST_SHOWN = 40
"""So many characters of a wrong value are shown."""


@dataclass(frozen=True)
class Kind:
    """A plain value: what it must be, in words, and whether one is."""

    words: str
    fits: Callable[[Any], bool]

    def __or__(self, other: "Kind") -> "Kind":
        return Kind(f"{self.words} or {other.words}", lambda v: self.fits(v) or other.fits(v))

    def amiss(self, value: Any, where: str) -> Iterator[str]:
        """Yield what is wrong with a value that stands at a place."""
        if not self.fits(value):
            yield f"{where} must be {self.words}, not {_shown(value)}"


@dataclass(frozen=True)
class Every:
    """A list of things of one shape."""

    shape: "Shape"

    def amiss(self, value: Any, where: str) -> Iterator[str]:
        """Yield what is wrong with a value that stands at a place."""
        if not isinstance(value, list):
            yield f"{where} must be a list, not {_shown(value)}"
            return
        for number, item in enumerate(value):
            yield from self.shape.amiss(item, f"{where}[{number}]")


@dataclass(frozen=True)
class Named:
    """Things of one shape under names that are not known before."""

    shape: "Shape"

    def amiss(self, value: Any, where: str) -> Iterator[str]:
        """Yield what is wrong with a value that stands at a place."""
        if not isinstance(value, dict):
            yield f"{where} must be a table of names, not {_shown(value)}"
            return
        for name, item in value.items():
            yield from self.shape.amiss(item, f"{where}.{name}")


@dataclass(frozen=True)
class Keys:
    """A thing with keys that must, and keys that may be there."""

    needed: Mapping[str, "Shape"]
    more: Mapping[str, "Shape"] = field(default_factory=dict)

    def amiss(self, value: Any, where: str) -> Iterator[str]:
        """Yield what is wrong with a value that stands at a place."""
        if not isinstance(value, dict):
            yield f"{where or 'it'} must be a table of keys, not {_shown(value)}"
            return
        for name, shape in {**self.needed, **self.more}.items():
            key = f"{where}.{name}" if where else name
            if name in value:
                yield from shape.amiss(value[name], key)
            elif name in self.needed:
                yield f"{key} is missing"


Shape = Kind | Every | Named | Keys


def amiss(content: Any) -> str | None:
    """Return the first thing that is wrong with a manifest; None if nothing is."""
    return next(_MANIFEST.amiss(content, ""), None)


def _shown(value: Any) -> str:
    text = json.dumps(value)
    return text if len(text) <= _MOST_SHOWN else f"{text[: _MOST_SHOWN - 3]}..."


def _is_number(value: Any) -> bool:
    plain = isinstance(value, int | float) and not isinstance(value, bool)
    return plain and abs(value) <= sys.float_info.max  # neither NaN nor infinite


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and _is_number(value) and value >= 0


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value


def _is_name(value: Any) -> bool:
    return _is_text(value) and value not in {"", ".."} and Path(value).name == value


def _one_of(*words: str) -> Kind:
    return Kind(
        f"one of {', '.join(words)}", lambda value: isinstance(value, str) and value in words
    )


_ANY = Kind("anything", lambda _value: True)
_NOTHING = Kind("null", lambda value: value is None)
_TEXT = Kind("a text", _is_text)
_NAME = Kind("the name of a file", _is_name)
_NUMBER = Kind("a number", _is_number)
_COUNT = Kind("a number of things", _is_count)
_TEXTS = Every(_TEXT)
_WORDS = Kind(
    "a list of texts", lambda value: isinstance(value, list) and all(map(_is_text, value))
)
_STATUS = _one_of(*(status.value for status in Status))

_REQUEST = Keys(
    {
        "instrument": _TEXT | _NOTHING,
        "stage": _one_of("1", "2", "3", "all"),
        "pipeline": _TEXT | _NOTHING,
        "settings": Named(_ANY),
        "skip": _TEXTS,
        "save": _TEXTS,
        "start": _TEXT | _NOTHING,
        "until": _TEXT | _NOTHING,
        "references": Named(_TEXT),
        "config": _TEXT | _NOTHING,
        "profile": _TEXT,
        "packages": _TEXTS,
    },
    {"output": _TEXT | _NOTHING},
)
_INPUT = Keys({"name": _NAME, "path": _TEXT | _NOTHING, "content": _TEXT}, {"told": Named(_TEXT)})
_STEP = Keys(
    {
        "name": _TEXT,
        "use": _TEXT,
        "source": _TEXT,
        "skipped": _TEXT,
        "settings": Named(Keys({"value": _ANY, "origin": _TEXT})),
        "references": Named(Keys({"name": _TEXT, "origin": _TEXT, "content": _TEXT})),
    },
    {
        "cites": _TEXTS,
        "files": Named(_TEXT),
        "state": Keys({"name": _TEXT, "content": _TEXT}),
        "status": _STATUS,
        "seconds": _NUMBER,
        "reason": _TEXT,
        "flagged": Named(Named(_COUNT)),
    },
)
_ASSOCIATION = Keys(
    {
        "name": _NAME,
        "product": _TEXT,
        "type": _TEXT,
        "identity": _TEXT,
        "pool": _TEXT,
        "members": Every(
            Keys({"name": _TEXT, "role": _TEXT}, {"group": _TEXT, "catalogue": _NAME})
        ),
    },
    {"path": _TEXT},
)
_LIMIT = _NUMBER | _TEXT | _NOTHING  # what is not finite is a text
_PRODUCT = Keys(
    {
        "name": _TEXT,
        "pipeline": _TEXT,
        "status": _STATUS,
        "reason": _TEXT,
        "why": _TEXT,
        "seconds": _NUMBER,
        "files": _TEXTS,
        "figures": Every(
            Keys({"name": _TEXT, "value": _NUMBER | _TEXT, "low": _LIMIT, "high": _LIMIT})
        ),
        "inputs": Named(Every(_INPUT)),
        "steps": Every(_STEP),
        "chains": Every(
            Keys({"steps": _TEXTS, "seconds": _NUMBER, "peak_memory": _COUNT | _NOTHING})
        ),
        "warnings": Every(Keys({"message": _TEXT, "source": _TEXT, "step": _TEXT})),
    },
    {"profile": _TEXT, "context": _TEXT, "config": _TEXT, "association": _ASSOCIATION},
)
_MANIFEST = Keys(
    {
        "begun": _TEXT,
        "command": _WORDS | _NOTHING,
        "step": _TEXT | _NOTHING,
        "request": _REQUEST,
        "machine": Keys(
            {
                "python": _TEXT,
                "implementation": _TEXT,
                "platform": _TEXT,
                "cores": _COUNT | _NOTHING,
            }
        ),
        "status": _TEXT,
        "seconds": _NUMBER | _NOTHING,
        "packages": Named(_TEXT),
        "waiting": _TEXTS,
        "products": Every(_PRODUCT),
    },
    {"crds": Keys({}, {"contexts": _TEXTS})},
)
