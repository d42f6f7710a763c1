"""Which reference an exposure uses: the user's word, then a plugin's, then CRDS's."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from calcore.errors import ReferenceMissing, with_article
from calcore.model import Meta, Reference

NOT_APPLICABLE = "N/A"
NOBODY = "nobody"  # who says N/A of what CRDS does not have


@dataclass(frozen=True, eq=False)
class Choice:
    """A reference that was chosen: a path, ``"N/A"`` or a record, and who chose it.

    `altered` names the packages that have put another one in its place.
    """

    value: Any
    origin: str
    altered: tuple[str, ...] = ()

    @property
    def applies(self) -> bool:
        """False for N/A."""
        return not (isinstance(self.value, str) and self.value.upper() == NOT_APPLICABLE)

    @property
    def file(self) -> Path | None:
        """The file; None for N/A and for a record."""
        is_file = self.applies and not isinstance(self.value, Reference)
        return Path(self.value) if is_file else None

    @property
    def absence(self) -> str:
        """Why there is no reference, for people to read."""
        return "nobody gives one" if self.origin == NOBODY else f"N/A by {self.origin}"

    @property
    def name(self) -> str:
        """What products call it: the file's name, as CRDS does, or N/A; and who has altered it."""
        if not self.applies:
            return NOT_APPLICABLE
        if isinstance(self.value, Reference):
            name = str(self.value.meta.get("filename", f"<{type(self.value).__name__}>"))
        else:
            name = f"{'crds://' if self.origin == 'CRDS' else ''}{Path(self.value).name}"
        return " + ".join((name, *self.altered))


def choose(
    kind: str,
    meta: Meta,
    overrides: Mapping[str, tuple[Any, str]],
    find: Callable[[str, Meta], tuple[Any, str] | None],
) -> Choice:
    """Return the reference of a type for an exposure.

    Parameters
    ----------
    kind : str
        Type of reference, such as ``dark``.
    meta : Meta
        Metadata of the exposure.
    overrides : mapping
        Type to path (or ``"N/A"``, or a record) and who gave it.
    find : callable
        Asks the plugins and CRDS; returns a value and who answered, or None.

    Raises
    ------
    ReferenceMissing
        Nobody knows, or the file that was named is not there.
    """
    if kind in overrides:
        choice = Choice(*overrides[kind])
    else:
        answer = find(kind, meta)
        if answer is None:
            raise ReferenceMissing(
                f"nobody knows {with_article(kind)} reference for this exposure; give one with "
                f"--ref {kind}=FILE"
            )
        choice = Choice(*answer)
    if (
        choice.applies
        and not isinstance(choice.value, Reference)
        and not os.path.isfile(choice.value)  # noqa: PTH113 - False in a folder that is closed
    ):
        raise ReferenceMissing(
            f"the {kind} reference {choice.value} (from {choice.origin}) is not there"
        )
    return choice
