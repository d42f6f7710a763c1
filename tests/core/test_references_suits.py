"""Whether a reference that somebody named belongs to an exposure."""

from pathlib import Path

import pytest

from calcore.errors import ReferenceInvalid, with_article
from calcore.model import Meta
from calcore.model.reference import CubeApertures
from calcore.references.suits import check_suits


def reference(**told):
    meta = Meta({f"instrument.{name}": value for name, value in told.items()})
    return CubeApertures(meta=meta, vectors={})


EXPOSURE = Meta({"instrument.detector": "A", "instrument.band": "SHORT"})


@pytest.mark.parametrize("told", [{}, {"band": "short"}, {"band": "N/A"}, {"detector": "ANY"}])
def test_what_it_does_not_say_is_believed(told):
    check_suits(Path("x.asdf"), reference(**told), EXPOSURE)


@pytest.mark.parametrize(
    ("told", "said"),
    [({"band": "MEDIUM"}, "its BAND is MEDIUM, where SHORT"), ({"detector": "B"}, "its DETECTOR")],
)
def test_one_of_another_place_is_refused(told, said):
    with pytest.raises(ReferenceInvalid, match=f"x.asdf is not for this exposure: {said}"):
        check_suits(Path("x.asdf"), reference(**told), EXPOSURE)


def test_an_exposure_is_none():
    with pytest.raises(ReferenceInvalid, match="is an exposure, not an extract1d reference"):
        check_suits(Path("x_rate.fits"), reference(), EXPOSURE)


@pytest.mark.parametrize(
    "name", ["an apcorr", "an area", "an ipc", "a dark", "a userdq", "an Image"]
)
def test_names_have_their_articles(name):
    assert with_article(name.split()[1]) == name
