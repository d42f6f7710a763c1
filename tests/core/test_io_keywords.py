"""The keyword table."""

from importlib.metadata import entry_points

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.errors import PluginBroken
from calcore.io import keywords

KNOWN = [
    ("exposure.type", "EXP_TYPE", "PRIMARY"),
    ("exposure.group_time", "TGROUP", "PRIMARY"),
    ("exposure.effective_exposure_time", "XPOSURE", "SCI"),
    ("subarray.ystart", "SUBSTRT2", "PRIMARY"),
    ("cal_step.dark_sub", "S_DARK", "PRIMARY"),
    ("ref_file.linearity.name", "R_LINEAR", "PRIMARY"),
    ("photometry.pixelarea_steradians", "PIXAR_SR", "SCI"),
    ("wcsinfo.s_region", "S_REGION", "SCI"),
    ("bunit_err", "BUNIT", "ERR"),
    ("background.level", "BKGLEVEL", "PRIMARY"),
]


@pytest.mark.parametrize(("name", "keyword", "hdu"), KNOWN)
def test_names_and_keywords(name, keyword, hdu):
    assert keywords.keyword_of(name) == (keyword, hdu)
    assert keywords.name_of(keyword, hdu) == name


def test_every_row_is_there_and_back():
    names = list(keywords.names())
    assert len(names) > 500
    places = [keywords.keyword_of(name) for name in names]
    assert len(set(places)) == len(places) == len(set(names))
    assert [keywords.name_of(*place) for place in places] == names
    assert all(len(keyword) <= 8 and keyword.upper() == keyword for keyword, _ in places)


def test_unknown_names_have_no_keyword():
    assert keywords.keyword_of("no.such.name") is None
    assert keywords.name_of("NOSUCH") is None


@pytest.fixture
def fresh(monkeypatch):
    monkeypatch.setattr(keywords, "_table", None)


@pytest.mark.usefixtures("fresh")
def test_a_plugin_adds_rows_once_or_twice():
    row = {"keyword": "LAMPTEMP", "name": "instrument.lamp_temperature", "type": "float"}
    keywords.register([row], "some-plugin")
    keywords.register([row], "some-plugin")
    assert keywords.keyword_of("instrument.lamp_temperature") == ("LAMPTEMP", "PRIMARY")


@pytest.mark.usefixtures("fresh")
@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"keyword": "EXP_TYPE", "name": "other.name", "type": "str"}, "already EXP_TYPE"),
        ({"keyword": "OTHER", "name": "exposure.type", "type": "str"}, "already EXP_TYPE"),
        ({"keyword": "OTHER", "name": "a.b"}, "lacks 'type'"),
        ({"keyword": "OTHER", "name": "a.b", "type": "text"}, "use one of str, int, float, bool"),
    ],
)
def test_a_plugin_cannot_give_a_keyword_two_meanings(row, sentence):
    with pytest.raises(PluginBroken, match=f"some-plugin: .*{sentence}"):
        keywords.register([row], "some-plugin")


@pytest.mark.usefixtures("fresh")
def test_the_keywords_of_the_installed_instruments_fit_together():
    for point in entry_points(group="calcore.instruments"):
        instrument = point.load()
        if instrument.file("tables", "keywords.toml").is_file():
            rows = instrument.table("keywords")["keyword"]
            keywords.register(rows, instrument.distribution)
            assert all(keywords.keyword_of(row["name"]) for row in rows)


@pytest.mark.usefixtures("fresh")
def test_a_card_read_before_its_keyword_was_known_is_kept(tmp_path):
    header = fits.Header([("INSTRUME", "CAM"), ("LAMPTEMP", 77.5), ("TARG_RA", 1.5)])
    path = tmp_path / "a_rate.fits"
    image = fits.ImageHDU(np.ones((3, 4), "f4"), name="SCI")
    fits.HDUList([fits.PrimaryHDU(header=header), image]).writeto(path)
    record = io.open(path)
    row = {"keyword": "LAMPTEMP", "name": "instrument.lamp_temperature", "type": "float"}
    keywords.register([row], "some-plugin")
    changed = record.replace(meta=record.meta.set({"target.ra": None}))
    out = fits.getheader(io.write(changed, tmp_path / "b_rate.fits"))
    assert out["LAMPTEMP"] == 77.5
    assert "TARG_RA" not in out
    assert io.read_meta(tmp_path / "b_rate.fits")["instrument.lamp_temperature"] == 77.5
