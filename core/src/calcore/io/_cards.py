"""Header cards: 80 characters each, read and written.

The format is that of the FITS standard 4.0 (Pence et al. 2010, A&A 524, A42; sections 4.1, 4.2), with
the CONTINUE convention for long strings. Cards that calcore does not know are kept as they stand.
"""

import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

BLOCK = 2880
_CARD = 80
_STRING = re.compile(r"\s*'((?:[^']|'')*)'\s*(?:/\s?(.*))?$")
_TORN = re.compile(r"\s*'(.*&)'\s*()$")
_COMMENTARY = frozenset({"COMMENT", "HISTORY", ""})


class Card(NamedTuple):
    """One keyword with value and comment; `text` is how the file has it, a multiple of 80 bytes.

    `known` tells whether its value went into the metadata when the file was read.
    """

    keyword: str
    value: Any
    comment: str = ""
    text: bytes = b""
    known: bool = False


def parse(header: bytes) -> list[Card]:
    """Return the cards of a header up to its END."""
    cards: list[Card] = []
    for start in range(0, len(header), _CARD):
        raw = header[start : start + _CARD]
        keyword = raw[:8].decode("latin-1").rstrip()
        if keyword == "END":
            break
        if keyword == "CONTINUE" and cards and _continues(cards[-1].value):
            cards[-1] = _joined(cards[-1], raw)
        elif raw[8:10] == b"= " and keyword not in _COMMENTARY:
            value, comment = _value(raw[10:].decode("latin-1"))
            cards.append(Card(keyword, value, comment, raw))
        elif keyword == "HIERARCH":
            name, _, rest = raw.decode("latin-1").partition("=")
            cards.append(Card(name.strip(), *_value(rest), raw))
        else:
            cards.append(Card(keyword, raw[8:].decode("latin-1").rstrip(), "", raw))
    return cards


def _continues(value: Any) -> bool:
    return isinstance(value, str) and value.endswith("&")


def _joined(card: Card, raw: bytes) -> Card:
    """Return a card with a CONTINUE card joined to it.

    Doubled quotes are undone last, as some writers tear them apart.
    """
    text = card.text + raw
    lines = [text[start : start + _CARD].decode("latin-1") for start in range(0, len(text), _CARD)]
    pieces = [_quoted(line[10:]) or ("", "") for line in lines]
    inner = "".join(piece[:-1] for piece, _ in pieces[:-1]) + pieces[-1][0]
    return Card(card.keyword, _undoubled(inner), " ".join(c for _, c in pieces if c), text)


def _value(text: str) -> tuple[Any, str]:
    """Return value and comment of what follows ``= ``."""
    string = _quoted(text)
    if string:
        return _undoubled(string[0]), string[1]
    word, _, comment = text.partition("/")
    return _scalar(word.strip()), comment.strip()


def _quoted(text: str) -> tuple[str, str] | None:
    """Return a string as it stands between its quotes, and the comment."""
    match = _STRING.match(text) or _TORN.match(text)
    return (match.group(1), (match.group(2) or "").rstrip()) if match else None


def _undoubled(inner: str) -> str:
    return inner.replace("''", "'").rstrip()


def _scalar(word: str) -> Any:
    """Return a logical, integer or real number; anything else as text, nothing as None."""
    if word in {"T", "F"}:
        return word == "T"
    if not word:
        return None
    try:
        return int(word)
    except ValueError:
        pass
    try:
        return float(word.replace("D", "E").replace("d", "e"))
    except ValueError:
        return word


def serialise(cards: Iterable[Card], blocks: int = 0) -> bytes:
    """Return a header: the cards, END, and blanks up to a whole number of blocks (at least `blocks`).

    If `blocks` is more than is needed, blank cards come before END.
    """
    body = b"".join(card.text or format_card(card) for card in cards)
    needed = -(-(len(body) + _CARD) // BLOCK)
    if blocks > needed:
        body += b" " * (blocks * BLOCK - _CARD - len(body))
    body += b"END".ljust(_CARD)
    return body + b" " * (-len(body) % BLOCK)


def format_card(card: Card) -> bytes:
    """Return a card as a header has it."""
    if card.keyword in _COMMENTARY:
        return f"{card.keyword:8}{card.value or ''}".encode("ascii", "replace")[:_CARD].ljust(_CARD)
    if isinstance(card.value, str):
        return b"".join(_string_cards(card.keyword, card.value, card.comment))
    text = f"{card.keyword:8}= {_number(card.value):>20}"
    if card.comment:
        text += f" / {card.comment}"
    return text.encode("ascii", "replace")[:_CARD].ljust(_CARD)


def _number(value: Any) -> str:
    """Return a number as a header spells it; what FITS cannot say is left undefined."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "T" if value else "F"
    if isinstance(value, int):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return ""
    text = repr(number).upper()
    mantissa, exponent, power = text.partition("E")
    if "." not in mantissa:
        mantissa += ".0"
    return mantissa + exponent + power


def _string_cards(keyword: str, value: str, comment: str) -> Iterator[bytes]:
    """Yield the card of a string, and CONTINUE cards if it is long."""
    quoted = value.encode("ascii", "replace").decode("ascii").replace("'", "''")
    if len(quoted) <= 68:
        text = f"{keyword:8}= '{quoted:8}'"
        if comment:
            text = f"{text:30} / {comment}"
        yield text.encode("ascii", "replace")[:_CARD].ljust(_CARD)
        return
    head = f"{keyword:8}= "
    while quoted:
        piece = quoted[:67]
        if piece.endswith("'") and (len(piece) - len(piece.rstrip("'"))) % 2:
            piece = piece[:-1]  # a doubled quote must not be torn apart
        quoted = quoted[len(piece) :]
        more = "&" if quoted else ""
        yield f"{head}'{piece}{more}'".encode("ascii").ljust(_CARD)
        head = "CONTINUE  "
