"""References that a step gets: found, opened, altered; and those that a plugin's mask is made from."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from calcore import io
from calcore.errors import KeywordMissing, ReferenceInvalid, ReferenceMissing, with_article
from calcore.io.keywords import keyword_of
from calcore.model import Meta, Record, Reference
from calcore.references.resolve import Choice, choose
from calcore.references.suits import check_suits

Finder = Callable[..., "tuple[Any, str] | None"]
"""From a reference's type and an exposure's metadata to a value and who gave it.

What a mask of a scene is made from is asked for with ``references``, a third argument.
"""
Alterer = Callable[[str, Meta, Reference], tuple[Reference, tuple[str, ...]]]
R = TypeVar("R", bound=Reference)


@dataclass(frozen=True)
class Asked:
    """References of an exposure for those who answer `calcore.hooks.calcore_mask`.

    They are noted in `choices`, since what is masked depends on them.
    """

    slot: str
    meta: Meta
    find: Finder
    overrides: Mapping[str, tuple[Any, str]]
    alter: Alterer
    beside: Path
    choices: dict[str, Choice]

    def __call__(self, kind: type[R], named: str | None = None) -> R:
        """Return a reference; see `calcore.hooks.AskedReferences`."""
        type_ = kind.type
        if named is not None and type_ not in self.overrides:
            choice = Choice(named_file(self.slot, self.meta, named, self.beside), "the header")
        else:
            choice = choose(type_, self.meta, self.overrides, self.find)
        found = self._opened(choice, kind)
        if found is None:
            raise ReferenceMissing(
                f"{self.slot} needs {with_article(type_)} reference to tell where light falls "
                f"({choice.absence}); give one with --ref {type_}=FILE, or set "
                f"{self.slot}.mask_science_regions to false"
            )
        return found

    def if_any(self, kind: type[R]) -> R | None:
        """Return a reference, or None where it is N/A."""
        return self._opened(choose(kind.type, self.meta, self.overrides, self.find), kind)

    def _opened(self, choice: Choice, kind: type[R]) -> R | None:
        self.choices[kind.type] = choice
        if not choice.applies:
            return None
        found, by = self.alter(kind.type, self.meta, opened(choice, kind, self.meta))
        self.choices[kind.type] = replace(choice, altered=by)
        assert isinstance(found, kind)
        return found


def opened(choice: Choice, kind: type[R], meta: Meta) -> R:
    """Return the reference that was chosen.

    Raises
    ------
    ReferenceInvalid
        It is of another type, or not for such exposures.
    """
    if isinstance(choice.value, Record):
        if not isinstance(choice.value, kind):
            raise ReferenceInvalid(
                f"{with_article(kind.type)} reference is needed, and {type(choice.value).__name__} "
                "was given"
            )
        return choice.value
    reference = io.open_reference(choice.value, kind, meta)
    if choice.origin != "CRDS":  # whose rules have chosen what fits
        check_suits(Path(choice.value), reference, meta)
    return reference


def named_file(slot: str, meta: Meta, name: str, beside: Path) -> Path:
    """Return the file that a header names, which lies beside the exposure.

    Raises
    ------
    KeywordMissing
        The header names none.
    ReferenceMissing
        It is not there.
    """
    if not meta.get(name):
        keyword, _ = keyword_of(name) or (None, "")
        raise KeywordMissing(name, keyword)
    path = beside / str(meta[name])
    if not path.is_file():
        raise ReferenceMissing(
            f"{slot} needs the file {path.name} that the header names ({name}), and {beside} has "
            "none; put it there"
        )
    return path
