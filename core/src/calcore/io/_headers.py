"""Metadata between headers and dotted names, through the keyword table."""

import re
from collections.abc import Iterable, Mapping
from typing import Any

from calcore.io import keywords
from calcore.io._cards import Card
from calcore.io._hdu import Contents, Extension
from calcore.io._tables import COLUMN_CARD

_STRUCTURE = re.compile(
    r"(SIMPLE|BITPIX|NAXIS\d*|EXTEND|XTENSION|PCOUNT|GCOUNT|GROUPS|BSCALE|BZERO|BLANK|TFIELDS|THEAP|"
    r"EXTNAME|EXTVER|CHECKSUM|DATASUM|END)$"
)


def meta_of(contents: Contents, apart: frozenset[str] = frozenset()) -> dict[str, Any]:
    """Return what the headers say, by dotted name, but those of extensions of some names."""
    values: dict[str, Any] = {}
    for extension in contents.extensions:
        if extension.version == 1 and extension.name not in {"ASDF", *apart}:
            values |= {n: v for n, v in own_values(extension).items() if n not in values}
    return values


def own_values(extension: Extension) -> dict[str, Any]:
    """Return what one header says, by dotted name."""
    values: dict[str, Any] = {}
    for card in extension.cards:
        row = keywords.row_at(card.keyword, extension.name)
        if row is not None and card.value is not None:
            values.setdefault(row.name, row.read(card.value))
    return values


def meta_of_reference(contents: Contents) -> dict[str, Any]:
    """Return what a reference's headers say; some have in the first header what belongs to SCI."""
    values = meta_of(contents)
    for card in contents.primary.cards:
        row = keywords.row_at(card.keyword, "SCI")
        known = keywords.row_at(card.keyword, "PRIMARY")
        if row is not None and known is None and card.value is not None:
            values.setdefault(row.name, row.read(card.value))
    return values


def carried_cards(extension: Extension) -> tuple[Card, ...]:
    """Return all cards but those that describe the data; columns of tables stay for their units."""
    return tuple(
        card._replace(known=keywords.row_at(card.keyword, extension.name) is not None)
        for card in extension.cards
        if not _STRUCTURE.match(card.keyword)
    )


def cards_for(hdu: str, meta: Mapping[str, Any], template: Iterable[Card] = ()) -> list[Card]:
    """Return the cards of a header, without those that describe its data.

    Parameters
    ----------
    hdu : str
        Extension name.
    meta : mapping
        Dotted names and values.
    template : cards
        Header of the file the record came from: known keywords keep place and comment and take
        their value from `meta`; unknown ones stay as they are.
    """
    left = {
        row.keyword: (row, value)
        for name, value in meta.items()
        if (row := keywords.row_of(name)) is not None and row.hdu == hdu
    }
    cards: list[Card] = []
    for card in template:
        if COLUMN_CARD.match(card.keyword):
            continue
        if card.keyword in left:
            row, value = left.pop(card.keyword)
            cards.append(_card(row, value, card))
        elif not card.known:
            cards.append(card)
    rest = sorted(left.values(), key=lambda item: keywords.place(item[0].name))
    return cards + [_card(row, value) for row, value in rest]


def _card(row: keywords.Row, value: Any, old: Card | None = None) -> Card:
    """Return the card of a known keyword."""
    plain = row.read(value.item() if hasattr(value, "item") else value)
    if old is not None and type(old.value) is type(plain) and old.value == plain:
        return old
    if old is not None and old.comment:
        return Card(row.keyword, plain, old.comment)
    return Card(row.keyword, plain, f"[{row.unit}] {row.name}" if row.unit else row.name)


def nameless(meta: Mapping[str, Any]) -> dict[str, Any]:
    """Return what has no keyword and therefore goes into the ASDF tree."""
    return {name: value for name, value in meta.items() if keywords.row_of(name) is None}
