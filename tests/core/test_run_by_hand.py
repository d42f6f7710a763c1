"""Background exposures that a setting names, in place of an association's."""

from pathlib import Path

import pytest

from calcore.errors import BadParameter, BadPipeline
from calcore.model import Meta
from calcore.pipeline import Pipeline, Slot, with_settings
from calcore.run.by_hand import with_members
from calcore.run.graph import Job

RATE, OWN = Path("a_rate.fits"), Path("own_rate.fits")


def pipeline(value, key="bkg_list", slot="bkg_subtract"):
    slots = tuple(Slot(name, name, name) for name in ("bkg_subtract", "photom"))
    made = Pipeline("image2", "2", slots)
    return with_settings(made, {slot: {key: value}}, "the command line", given=True)


def job(**members):
    science = {"science": (RATE,)}
    return Job("a:2", "a", "2", "image2", "x", Meta({}), {**science, **members}, Path())


@pytest.fixture
def others(tmp_path):
    paths = tmp_path / "b_rate.fits", tmp_path / "c_rate.fits"
    for path in paths:
        path.touch()
    return paths


@pytest.mark.parametrize("key", ["bkg_list", "members.background"])
def test_files_take_the_place_of_members(others, key):
    spellings = [str(path) for path in others], others, ", ".join(map(str, others))
    for value in spellings:
        made = with_members(job(background=(OWN,), psf=(OWN,)), pipeline(value, key))
        assert made.members == {"science": (RATE,), "background": others, "psf": (OWN,)}
    one = with_members(job(), pipeline(others[0], key))
    assert one.members["background"] == others[:1]


def test_members_stay_where_nothing_is_named(others):
    before = job(background=(OWN,))
    assert with_members(before, pipeline(None)) is before
    assert with_members(before, pipeline([])) is before
    assert with_members(before, Pipeline("image2", "2", ())) is before


def test_what_is_named_must_be_there_and_wanted(others):
    with pytest.raises(BadParameter) as error:
        with_members(job(), pipeline([others[0], "gone_rate.fits"]))
    assert str(error.value) == (
        "background exposures of bkg_subtract (given by the command line): gone_rate.fits is not "
        "there; name files that are"
    )
    with pytest.raises(BadParameter, match=r"exposures of photom .* mean nothing: the step takes"):
        with_members(job(), pipeline(others, slot="photom"))
    with pytest.raises(BadParameter, match=r"members\.background must be a list of files, not 3"):
        pipeline(3)
    with pytest.raises(BadPipeline, match="must be a table"):
        with_settings(pipeline(others), {"photom": 3}, "x", given=True)
