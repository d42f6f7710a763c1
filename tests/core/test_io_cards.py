"""Header cards, against astropy's reading and writing of the same."""

import math

import pytest
from astropy.io import fits

from calcore.io._cards import BLOCK, Card, format_card, parse, serialise

VALUES = [
    True, False, 0, -7, 123456789012, 1.5, -2.0e-30, 1e22, 3.141592653589793, 59000.123456789,
    "", "A", "O'Neill", "it's 'quoted'", " leading", "a/b / c", "x" * 68, "y" * 200,
    "''" * 50, "trailing &",
]  # fmt: skip


@pytest.mark.parametrize("value", VALUES)
def test_what_is_written_is_read_back_by_us_and_by_astropy(value):
    header = serialise([Card("SIMPLE", True), Card("KEY", value, "a comment")])
    assert len(header) % BLOCK == 0
    assert parse(header)[1].value == value
    assert fits.Header.fromstring(header)["KEY"] == value
    assert type(parse(header)[1].value) is type(value)


@pytest.mark.parametrize("value", VALUES)
def test_what_astropy_writes_is_read(value):
    header = fits.Header([("KEY", value)])
    assert parse(header.tostring().encode())[0].value == value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("KEY     =                1.0D+03 / double", 1000.0),
        ("KEY     = -5", -5),
        ("KEY     =", None),
        ("KEY     =                      / undefined", None),
        ("KEY     = 'a' / 'b'", "a"),
        ("KEY     = (1.0, 2.0)", "(1.0, 2.0)"),
    ],
)
def test_values_in_other_spellings(text, value):
    assert parse(text.ljust(80).encode())[0].value == value


def test_comments_blanks_and_hierarch_cards_are_kept_to_the_byte():
    lines = [
        "COMMENT  = not a value",
        "HISTORY made by hand",
        " " * 8 + "Section",
        "HIERARCH ESO TEL AIRM = 1.25 / long name",
    ]
    body = b"".join(line.ljust(80).encode() for line in lines)
    cards = parse(body)
    assert cards[3].value == 1.25
    assert serialise(cards).startswith(body)


def test_a_continued_string_is_one_card_and_is_written_as_it_was():
    header = fits.Header([("KEY", "z" * 150, "with a comment")]).tostring().encode()
    (card,) = parse(header)
    assert card.value == "z" * 150
    assert serialise([card]) == header


@pytest.mark.parametrize("value", [math.nan, math.inf, None])
def test_what_fits_cannot_say_is_left_undefined(value):
    assert parse(format_card(Card("KEY", value)))[0].value is None


def test_spare_blocks_stand_before_the_end():
    header = serialise([Card("SIMPLE", True)], blocks=3)
    assert len(header) == 3 * BLOCK
    assert fits.Header.fromstring(header)["SIMPLE"] is True
    assert header[-80:-77] == b"END"
