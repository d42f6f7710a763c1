"""Catalogues of the sky: columns, NaN, proper motions; Gaia's archive, played by a server here."""

import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from urllib.parse import parse_qs

import numpy as np
import pytest
from astropy import units as u
from astropy.table import Table

from calcore.errors import CatalogueMissing, FileInvalid
from calcore.sky_catalogue import mean_year, sky_catalogue
from calcore.steps.star_files import read_stars


@pytest.mark.parametrize("name", ["stars.ecsv", "stars.csv", "stars.fits"])
def test_files_of_all_kinds(tmp_path, name):
    path = tmp_path / name
    ra, dec = np.array([10.0, np.nan, 12.0, 13.0]), np.array([-3.0, 1.0, np.nan, 5.0])
    Table({"Name": ["a", "b", "c", "d"], "Ra": ra, "DEC": dec}).write(path)
    found = sky_catalogue(str(path))
    np.testing.assert_array_equal(found.ra, [10.0, 13.0])
    np.testing.assert_array_equal(found.dec, [-3.0, 5.0])
    again = tmp_path / "again.ecsv"
    found.table().write(again)
    np.testing.assert_array_equal(sky_catalogue(str(again)).ra, found.ra)


def test_stars_move_where_their_motion_is_known(tmp_path):
    path = tmp_path / "stars.ecsv"
    table = Table({"ra": [0.0, 10.0, 10.0] * u.deg, "dec": [60.0, 60.0, 60.0] * u.deg})
    table["pmra"] = [-100.0, np.nan, 36.0] * u.mas / u.yr
    table["pmdec"] = [50.0, 50.0, 0.0] * u.mas / u.yr
    table["ref_epoch"] = 2016.0 * u.yr
    table.write(path)
    found = sky_catalogue(str(path), epoch_year=2026.0)
    # One arcsecond of the great circle is two of right ascension here; across RA 0.
    np.testing.assert_allclose(found.ra, [360 - 2 / 3600, 10.0, 10 + 0.72 / 3600], atol=1e-9)
    np.testing.assert_allclose(found.dec, [60 + 0.5 / 3600, 60.0, 60.0], atol=1e-12)
    np.testing.assert_array_equal(sky_catalogue(str(path)).ra, [0.0, 10.0, 10.0])
    assert mean_year([51544.5, None]) == 2000
    assert mean_year([51544.5, 51544.5 + 7305]) == 2010
    assert mean_year([None]) is None


def test_stars_count_as_their_weights_say(tmp_path):
    path = tmp_path / "stars.csv"
    path.write_text("ra,dec,weight\n1,2,4\n3,4,0\n5,6,\n7,8,0.25\n")
    found = sky_catalogue(str(path))
    np.testing.assert_array_equal(found.columns, [[1, 7], [2, 8], [4, 0.25]])
    assert found.table().colnames == ["RA", "DEC", "weight"]
    path.write_text("x,y,weight\n1,2,4\n3,4,0\n7,8,0.25\n")
    np.testing.assert_array_equal(read_stars(path).error, [0.5, 2.0])
    path.write_text("x,y\n1,2\n")
    np.testing.assert_array_equal(read_stars(path).error, [1.0])


def test_what_files_are_refused(tmp_path):
    path = tmp_path / "stars.csv"
    Table({"alpha": [1.0], "dec": [2.0]}).write(path)
    with pytest.raises(FileInvalid, match="has no column ra or radeg; it has alpha, dec"):
        sky_catalogue(str(path))
    path.write_text("ra,dec\nnorth,2.0\n")
    with pytest.raises(FileInvalid, match=r"stars\.csv: has a column ra that holds no numbers"):
        sky_catalogue(str(path))
    path.write_text("ra,dec\n")
    with pytest.raises(FileInvalid, match="has no star with a position"):
        sky_catalogue(str(path))
    path.write_text("x,y\n1.0,left\n")
    with pytest.raises(FileInvalid, match="has a column y that holds no numbers"):
        read_stars(path)
    with pytest.raises(FileInvalid, match="cannot be read as a table, and is none of GAIADR3, "):
        sky_catalogue("GAIADR9", outline=(np.zeros(4), np.zeros(4)))


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A server that answers as Gaia's archive does; `asked` are its queries, `status` its mood."""
    asked = []
    stars = Table({"source_id": np.array([7, 8]), "ra": [80.0, 80.001], "dec": [-70.0, -70.001],
                   "pmra": [100.0, np.nan], "pmdec": [0.0, np.nan], "ref_epoch": [2016.0, 2016.0],
                   "phot_g_mean_mag": [15.0, 18.0]})  # fmt: skip

    class Answer(BaseHTTPRequestHandler):
        status = 200

        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            asked.append((self.path, parse_qs(body.decode())))
            stream = BytesIO()
            stars.write(stream, format="votable")
            content = stream.getvalue() if Answer.status == 200 else b"closed for the night"
            self.send_response(Answer.status)
            self.send_header("Content-Type", "application/x-votable+xml")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_words):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("CALCORE_GAIA_TAP", f"http://127.0.0.1:{server.server_port}/tap")
    monkeypatch.setenv("CALCORE_CACHE", str(tmp_path / "cache"))
    yield asked, Answer
    server.shutdown()
    server.server_close()


OUTLINE = (np.array([79.99, 80.01, 80.01, 79.99]), np.array([-70.01, -70.01, -69.99, -69.99]))


def test_gaia_is_asked_once(archive):
    pytest.importorskip("pyvo")
    asked, _ = archive
    found = sky_catalogue("GaiaDR3", epoch_year=2026.0, outline=OUTLINE)
    assert found.ra[0] == pytest.approx(80 + 1 / 3600 / np.cos(np.radians(70)), abs=1e-8)
    assert found.ra[1] == 80.001
    ((path, sent),) = asked
    assert path == "/tap/sync"
    (query,) = sent["QUERY"]
    assert "FROM gaiadr3.gaia_source" in query
    assert "CIRCLE('ICRS', 80.00000, -70.00000, 0.01329)" in query
    again = sky_catalogue("GAIADR3", epoch_year=2016.0, outline=OUTLINE)
    assert len(asked) == 1
    assert again.ra[0] == 80.0
    sky_catalogue("GAIADR2", outline=OUTLINE)
    assert "FROM gaiadr2.gaia_source" in asked[1][1]["QUERY"][0]


def test_one_sentence_where_gaia_cannot_be_asked(archive, monkeypatch):
    pytest.importorskip("pyvo")
    _, answer = archive
    answer.status = 503
    with pytest.raises(CatalogueMissing, match=r"GAIADR3 could not be asked from http://127.*503"):
        sky_catalogue("GAIADR3", outline=OUTLINE)
    monkeypatch.setenv("CALCORE_GAIA_TAP", "http://127.0.0.1:9/tap")
    with pytest.raises(CatalogueMissing, match=r"with a network, or give a file as tweakreg.abs_"):
        sky_catalogue("GAIADR3", outline=OUTLINE)


def test_one_sentence_where_what_asks_is_missing(archive, monkeypatch):
    del archive
    monkeypatch.setitem(sys.modules, "pyvo.dal", None)
    with pytest.raises(CatalogueMissing, match=r"not installed: pip install calcore\[gaia\]"):
        sky_catalogue("GAIAREFCAT", outline=OUTLINE)
