"""Commands that look into files: info, and the pictures that run draws."""

import json
import os
import sys
import time

import asdf
import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable
from click.testing import CliRunner

from calcore import io
from calcore.cli.app import commands
from calcore.cli.pictures import catalog_beside, draw
from calcore.model import Catalog, Image, Meta, Mosaic, Ramp

META = Meta(
    {
        "telescope": "JWST", "instrument.name": "X", "instrument.detector": "X1",
        "exposure.type": "X_IMAGE", "exposure.ngroups": 5, "exposure.group_time": 10.73676,
        "bunit_data": "MJy/sr",
    }
)  # fmt: skip
RECORD = {
    "version": "0.1.0", "pipeline": "image2", "profile": "reference",
    "asked": {"profile": "reference"}, "slots": [
        {"name": "flat_field", "use": "flat_field", "source": "calcore 0.1.0",
         "status": "complete", "reason": "", "settings": {"inverse": False},
         "references": {"flat": "flat.fits"}},
        {"name": "photom", "use": "acme.photom", "source": "acme 1.0", "status": "skipped",
         "reason": "switched off by the command line", "settings": {}, "references": {}},
    ],
}  # fmt: skip


def image(kind=Image, **more):
    rng = np.random.default_rng(3)
    data = rng.normal(5, 0.1, (40, 50)).astype(np.float32)
    if kind is Image:
        dq = np.zeros((40, 50), np.uint32)
        dq[:4] = 1
        dq[0, :5] |= 4
        more["dq"] = dq
    else:
        more["wht"] = np.ones_like(data)
    return kind(meta=META, data=data, err=np.ones_like(data), **more)


def ask(*words):
    return CliRunner().invoke(commands, ["info", *map(str, words)])


@pytest.fixture
def product(tmp_path):
    path = tmp_path / "jw01_x1_cal.fits"
    return io.write(image(), path, record_tree={"calcore": {"image2": RECORD}})


def test_info_shows_keywords_extensions_and_flags(product):
    shown = ask(product)
    assert (shown.exit_code, shown.stderr) == (0, "")
    lines = [line.split() for line in shown.stdout.splitlines()]
    assert lines[0][0] == "jw01_x1_cal.fits"
    assert ["INSTRUME", "X"] in lines
    assert ["TGROUP", "10.73676"] in lines
    assert ["SCI", "float32", "40x50", "MJy/sr"] in lines
    assert ["DQ", "uint32", "40x50"] in lines
    assert ["none", "1800", "90.000%"] in lines
    assert ["DO_NOT_USE", "200", "10.000%"] in lines
    assert ["JUMP_DET", "5", "0.250%"] in lines


def test_info_shows_how_a_product_was_made(product):
    shown = ask(product).stdout
    assert "made by calcore 0.1.0, image2, profile reference" in shown
    assert "complete  (calcore 0.1.0)" in shown
    assert "flat: flat.fits" in shown
    assert "skipped: switched off by the command line  (acme.photom of acme 1.0)" in shown
    assert "inverse = False" not in shown
    verbose = ask("-v", product).stdout
    assert "inverse = False" in verbose
    assert "asked for profile: 'reference'" in verbose
    assert "TELESCOP" in verbose


def test_info_reads_the_header_of_other_programs_products(tmp_path):
    path = tmp_path / "jw01_x1_rate.fits"
    primary = fits.PrimaryHDU()
    primary.header.update(
        {"INSTRUME": "X", "S_JUMP": "COMPLETE", "R_DARK": "crds://dark.fits", "S_REGION": "POLYGON"}
    )
    data = fits.ImageHDU(np.zeros((4, 4), np.float32), name="SCI")
    fits.HDUList([primary, data]).writeto(path)
    shown = ask(path).stdout
    assert "S_JUMP    COMPLETE" in shown
    assert "R_DARK    crds://dark.fits" in shown
    assert "S_REGION" not in shown


def test_info_shows_raw_counts_as_they_are(tmp_path):
    ramp = Ramp(
        meta=META, data=np.full((1, 2, 4, 8), 7, np.uint16),
        groupdq=np.zeros((1, 2, 4, 8), np.uint8), pixeldq=np.zeros((4, 8), np.uint32),
    )  # fmt: skip
    shown = ask(io.write(ramp, tmp_path / "jw01_x1_ramp.fits")).stdout
    assert "uint16   1x2x4x8" in shown


def test_info_shows_associations_catalogues_and_asdf(tmp_path):
    members = [{"expname": "a_cal.fits", "exptype": "science"}]
    association = {"asn_type": "image3", "products": [{"name": "all", "members": members}]}
    (tmp_path / "x_asn.json").write_text(json.dumps(association))
    table = QTable({"xcentroid": [1.0, 2.0], "label": [1, 2]})
    io.write(Catalog(table), tmp_path / "x_cat.ecsv")
    asdf.AsdfFile({"meta": {"reftype": "distortion"}}).write_to(tmp_path / "x.asdf")
    shown = ask(*(tmp_path / name for name in ("x_asn.json", "x_cat.ecsv", "x.asdf")))
    assert shown.exit_code == 0, shown.stderr
    for text in ("association image3, stage 3", "science      a_cal.fits", "2 rows", "xcentroid",
                 "distortion"):  # fmt: skip
        assert text in shown.stdout


def test_info_knows_columns_without_unit_and_goes_on_after_what_it_does_not_expect(
    tmp_path, monkeypatch
):
    table = QTable({"sky_centroid": SkyCoord([1.0] * u.deg, [2.0] * u.deg)})
    for name in ("a_cat.ecsv", "b_cat.ecsv"):
        io.write(Catalog(table), tmp_path / name)
    shown = ask(tmp_path / "a_cat.ecsv", tmp_path)
    assert shown.exit_code == 1
    assert "  sky_centroid" in shown.stdout
    assert shown.stderr == f"calcore: {tmp_path}: is a folder; name files in it\n"

    def broken(path, _verbose):
        if path.name.startswith("a"):
            raise ZeroDivisionError("by zero")
        yield "b is shown"

    monkeypatch.setitem(sys.modules["calcore.cli.info"]._READERS, ".ecsv", broken)
    shown = ask(tmp_path / "a_cat.ecsv", tmp_path / "b_cat.ecsv")
    assert "a_cat.ecsv: unexpected ZeroDivisionError: by zero" in shown.stderr
    assert "b is shown" in shown.stdout


def test_info_says_what_is_wrong_with_each_file_and_shows_the_others(product, tmp_path):
    short = tmp_path / "short_cal.fits"
    short.write_bytes(product.read_bytes()[:-4000])
    text = tmp_path / "text.fits"
    text.write_text("not a FITS file")
    shown = ask(tmp_path / "no.fits", short, text, product)
    assert shown.exit_code == 1
    lines = shown.stderr.splitlines()
    assert len(lines) == 3
    assert "no.fits: there is no such file" in lines[0]
    assert str(short) in lines[1]
    assert "is not a FITS file" in lines[2]
    assert "jw01_x1_cal.fits" in shown.stdout


def test_two_dimensional_products_are_drawn_beside_their_files(product, tmp_path):
    ramp = tmp_path / "jw01_x1_ramp.fits"
    cube = np.zeros((1, 2, 4, 8), np.float32)
    io.write(
        Ramp(meta=META, data=cube, groupdq=cube.astype(np.uint8),
             pixeldq=np.zeros((4, 8), np.uint32)), ramp,
    )  # fmt: skip
    drawn = draw([product, ramp, tmp_path / "x_cat.ecsv"])
    assert drawn == {product: (product.with_suffix(".png"),)}
    assert product.with_suffix(".png").stat().st_size > 5000


def test_a_picture_that_is_newer_than_its_product_is_left(product):
    picture = product.with_suffix(".png")
    picture.touch()
    future = time.time() + 100
    os.utime(picture, (future, future))
    assert draw([product]) == {product: (picture,)}
    assert picture.stat().st_size == 0


def test_a_file_that_cannot_be_drawn_is_a_line_in_the_log(tmp_path, caplog):
    path = tmp_path / "broken_cal.fits"
    path.write_text("broken")
    assert draw([path]) == {}
    assert "no picture of broken_cal.fits" in caplog.text


def test_a_mosaic_is_drawn_with_its_catalogue(tmp_path):
    path = io.write(image(Mosaic), tmp_path / "all_i2d.fits")
    assert catalog_beside(path) is None
    bare = draw([path])[path][0].read_bytes()
    table = QTable({"xcentroid": [10.0], "ycentroid": [20.0], "is_extended": [False]})
    io.write(Catalog(table), tmp_path / "all_cat.ecsv")
    assert list(catalog_beside(path)["xcentroid"]) == [10.0]
    path.with_suffix(".png").unlink()
    assert draw([path])[path][0].read_bytes() != bare


def test_a_product_whose_name_cannot_be_written_gets_its_picture(tmp_path):
    path = tmp_path / os.fsdecode(b"a\xff_cal.fits")
    io.write(image(), path)
    assert draw([path]) == {path: (path.with_suffix(".png"),)}


def test_a_picture_that_fails_for_any_reason_is_a_line_in_the_log(product, monkeypatch, caplog):
    monkeypatch.setattr("calcore.report.image_figure", lambda *_, **__: 1 / 0)
    assert draw([product]) == {}
    assert "no picture of" in caplog.text
    assert "ZeroDivisionError" in caplog.text
