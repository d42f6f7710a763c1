"""A small simulated MIRI visit: its files, its references, and that a seed fixes every byte."""

import json
import os
import subprocess
import sys
from io import BytesIO
from pathlib import Path

import asdf
import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from calcore.errors import BadParameter, UnknownName
from calcore.io.keywords import name_of
from calcore.simulate import Effects, SkyOptions, Target, VisitOptions, simulate
from calcore_miri.simulate import SIMULATION

SMALL = VisitOptions(
    subarray="SUB64",
    n_groups=6,
    n_ints=2,
    n_dithers=2,
    sky=SkyOptions(stars=1500, galaxies=300),
    target=Target(ra_deg=0.0003, dec_deg=-69.0, roll_deg=123.0, va_scale=1.0001),
)
ROOT = "jw01234001001_02101_00001_mirimage"


@pytest.fixture(scope="module")
def visit(module_folder):
    return simulate(SIMULATION, module_folder, SMALL)


def lookup(visit, path, types):
    """Ask CRDS, in a process of its own: the client keeps what it once read."""
    parameters = {}
    for hdu in ("PRIMARY", "SCI"):
        for card in fits.getheader(path, hdu).cards:
            if name_of(card.keyword, hdu):
                parameters[f"META.{name_of(card.keyword, hdu)}".upper()] = str(card.value)
    code = (
        "import json, sys, crds\n"
        "parameters, types = json.load(sys.stdin)\n"
        "found = crds.getreferences(parameters, reftypes=types, observatory='jwst')\n"
        "json.dump(found, sys.stdout)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=json.dumps([parameters, types]),
        env={**os.environ, **visit.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout[done.stdout.index("{") :])


def test_raw_files_have_the_archives_extensions_and_shapes(visit):
    assert [path.name for path in visit.raw] == [
        f"jw01234001001_02101_0000{n}_mirimage_uncal.fits" for n in (1, 2)
    ]
    with fits.open(visit.raw[0]) as hdus:
        names = [hdu.name for hdu in hdus]
        assert names == ["PRIMARY", "SCI", "REFOUT", "GROUP", "INT_TIMES", "ASDF"]
        assert hdus["SCI"].data.shape == (2, 6, 64, 72)
        assert hdus["SCI"].data.dtype == np.uint16
        assert hdus["REFOUT"].data.shape == (2, 6, 64, 18)
        assert len(hdus["GROUP"].data) == 12
        times = hdus["INT_TIMES"].data
        assert list(times["integration_number"]) == [1, 2]
        assert np.all(times["int_start_MJD_UTC"] < times["int_mid_MJD_UTC"])


def test_headers_are_complete_and_agree_with_each_other(visit):
    header, science = fits.getheader(visit.raw[1]), fits.getheader(visit.raw[1], "SCI")
    expected = {
        "TELESCOP": "JWST",
        "INSTRUME": "MIRI",
        "DETECTOR": "MIRIMAGE",
        "FILTER": "F770W",
        "EXP_TYPE": "MIR_IMAGE",
        "READPATT": "FASTR1",
        "NINTS": 2,
        "NGROUPS": 6,
        "NFRAMES": 1,
        "GROUPGAP": 0,
        "FRMDIVSR": 1,
        "SUBARRAY": "SUB64",
        "SUBSTRT1": 1,
        "SUBSTRT2": 779,
        "SUBSIZE1": 72,
        "SUBSIZE2": 64,
        "FASTAXIS": 1,
        "SLOWAXIS": 2,
        "NOUTPUTS": 5,
        "TSOVISIT": False,
        "PATT_NUM": 2,
        "NUMDTHPT": 2,
        "VISIT_ID": "01234001001",
    }
    assert {key: header[key] for key in expected} == expected
    assert header["TFRAME"] == pytest.approx(0.08512)  # JDox, "MIRI Imaging Subarrays"
    assert header["TGROUP"] == header["TFRAME"]
    assert header["EFFINTTM"] == pytest.approx(6 * header["TGROUP"])
    assert header["EFFEXPTM"] == pytest.approx(2 * header["EFFINTTM"])
    assert header["DURATION"] == pytest.approx(14 * header["TGROUP"])  # one reset each
    assert header["EXPSTART"] < header["EXPMID"] < header["EXPEND"]
    assert f"{header['DATE-OBS']}T{header['TIME-OBS']}" == header["DATE-BEG"]
    for keyword in (
        "BARTDELT",
        "BSTRTIME",
        "BENDTIME",
        "TARG_RA",
        "XOFFSET",
        "YOFFSET",
        "PATTTYPE",
    ):
        assert keyword in header
    for keyword in (
        "RA_V1",
        "DEC_V1",
        "PA_V3",
        "V2_REF",
        "V3_REF",
        "VPARITY",
        "V3I_YANG",
        "S_REGION",
    ):
        assert keyword in science
    assert science["VA_SCALE"] == 1.0001
    assert science["ROLL_REF"] == pytest.approx(123.0, abs=0.01)
    assert 0 <= science["RA_REF"] < 360
    matrix = np.array([[science[f"PC{i}_{j}"] for j in (1, 2)] for i in (1, 2)])
    assert np.linalg.det(matrix) == pytest.approx(-1, abs=1e-6)  # east is left of north


def test_the_tree_repeats_the_headers(visit):
    with fits.open(visit.raw[0]) as hdus:
        with asdf.open(BytesIO(hdus["ASDF"].data.tobytes())) as file:
            meta = file.tree["meta"]
        assert meta["exposure"]["group_time"] == hdus[0].header["TGROUP"]
        assert meta["observation"]["date"] == hdus[0].header["DATE-OBS"]
        assert meta["visit"]["tsovisit"] is False
        assert meta["wcsinfo"]["ra_ref"] == hdus["SCI"].header["RA_REF"]
        assert meta["ephemeris"]["spatial_x_bary"] == hdus["SCI"].header["JWST_X"]


def test_every_type_is_found_by_the_crds_client(visit):
    types = [*SIMULATION.table["references"], *SIMULATION.table["not_applicable"]["types"]]
    found = lookup(visit, visit.raw[0], types)
    for name, row in SIMULATION.table["references"].items():
        if row["kind"] == "parameters":
            assert found[name] == "N/A" or found[name].startswith("NOT FOUND n/a")
        else:
            assert Path(found[name]).exists(), (name, found[name])
    for name in SIMULATION.table["not_applicable"]["types"]:
        assert not found[name].endswith((".fits", ".asdf"))


def test_mappings_carry_their_checksum(visit):
    import hashlib

    mappings = list((visit.cache / "mappings" / "jwst").iterdir())
    assert len(mappings) > 15
    for path in mappings:
        lines = path.read_text().splitlines(keepends=True)
        stated = next(line for line in lines if "sha1sum" in line)
        rest = "".join(line for line in lines if "sha1sum" not in line)
        assert hashlib.sha1(rest.encode()).hexdigest() in stated


def reference(visit, name):
    return visit.cache / "references" / "jwst" / "miri" / f"jwst_miri_{name}_0001.fits"


def test_references_measure_the_truth_within_their_errors(visit):
    truth = fits.open(visit.truth / "mirimage_detector.fits")
    gain = fits.getdata(reference(visit, "gain"), "SCI")
    ratio = gain / truth["GAIN"].data
    assert ratio.mean() == pytest.approx(1, abs=1e-4)
    assert ratio.std() == pytest.approx(0.01, rel=0.02)
    noise = fits.getdata(reference(visit, "readnoise"), "SCI") / truth["READNOISE"].data
    assert noise.mean() == pytest.approx(np.sqrt(2), rel=1e-3)
    dark = fits.getdata(reference(visit, "dark"), "SCI")
    assert dark.shape == (2, 6, 64, 72)
    truth.close()


def test_flags_have_a_numbering_of_their_own_and_say_so(visit):
    with (
        fits.open(reference(visit, "mask")) as hdus,
        fits.open(visit.truth / "mirimage_detector.fits") as truth,
    ):
        value = {row["NAME"]: row["VALUE"] for row in hdus["DQ_DEF"].data}
        assert value["HOT"] != 2048
        hot = hdus["DQ"].data & value["HOT"] != 0
        assert np.array_equal(hot, truth["DQ"].data & 2048 != 0)
        edge = hdus["DQ"].data & value["REFERENCE_PIXEL"] != 0
        assert edge[:, :4].all()
        assert edge.sum() == 8 * 1024


def test_the_linearity_polynomial_leaves_the_bias_where_it_is(visit):
    with (
        fits.open(reference(visit, "linearity")) as hdus,
        fits.open(visit.truth / "mirimage_detector.fits") as truth,
    ):
        coeffs = hdus["COEFFS"].data.astype(float)
        bias = truth["BIAS"].data.astype(float)
        value = sum(c * bias**k for k, c in enumerate(coeffs))
        good = np.isfinite(value)
        assert good.mean() > 0.99
        assert np.allclose(value[good], bias[good], atol=0.05)


def test_truth_lists_what_the_frames_hold(visit):
    with fits.open(visit.truth / f"{ROOT}_truth.fits") as hdus:
        rate = hdus["RATE_E"].data
        assert rate.shape == (64, 72)
        assert hdus["HITS"].columns.names[:4] == ["integration", "group", "frame", "partly"]
        shared, plain = hdus["RATE_IPC"].data, hdus["RATE_DN"].data
        assert shared[:, 4:].sum() == pytest.approx(plain[:, 4:].sum(), rel=1e-5)
    sources = Table.read(visit.truth / f"{ROOT}_sources.ecsv")
    assert {"x", "y", "flux_jy", "ra_deg", "isolated"} <= set(sources.colnames)
    assert sources["isolated"].sum() == 5


def test_the_association_names_the_exposures(visit):
    (path,) = visit.associations
    content = json.loads(path.read_text())
    assert content["asn_type"] == "image3"
    (product,) = content["products"]
    assert product["name"] == "jw01234-o001_t001_miri_f770w-sub64"
    assert [member["expname"] for member in product["members"]] == [
        path.name.replace("uncal", "cal") for path in visit.raw
    ]


def test_the_same_seed_gives_the_same_bytes(visit, tmp_path):
    again = simulate(SIMULATION, tmp_path, SMALL)
    root = visit.cache.parent
    files = sorted(path.relative_to(root) for path in root.rglob("*") if path.is_file())
    assert files == sorted(
        path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()
    )
    for name in files:
        assert (tmp_path / name).read_bytes() == (root / name).read_bytes(), name
    assert len(again.raw) == 2


def test_another_seed_makes_other_exposures_and_keeps_the_references(visit, tmp_path):
    first = simulate(SIMULATION, tmp_path, SMALL)
    stamps = {path: path.stat().st_mtime_ns for path in first.cache.rglob("*.fits")}
    before = first.raw[0].read_bytes()
    second = simulate(
        SIMULATION, tmp_path, VisitOptions(**{**vars(SMALL), "seed": 7, "n_groups": 5})
    )
    assert second.raw[0].read_bytes() != before
    assert {path: path.stat().st_mtime_ns for path in second.cache.rglob("*.fits")} == stamps


def test_pick_up_is_written_for_sub_arrays_it_does_not_fit_into(visit):
    path = visit.cache / "references" / "jwst" / "miri" / "jwst_miri_emicorr_0001.asdf"
    with asdf.open(path) as file:
        cases = file.tree["subarray_cases"]
        assert cases["FULL_FAST"]["frameclocks"] == 277504
        assert cases["SUB256"]["rowclocks"] == 96
        assert "Hz390" in cases["SUB64"]["freqs"]["FAST"]
        assert "Hz390" not in cases["FULL_FAST"]["freqs"]["FAST"]
        assert len(file.tree["frequencies"]["Hz10"]["phase_amplitudes"]) == 500


@pytest.mark.parametrize(
    ("choice", "error", "words"),
    [
        ({"subarray": "SUB65"}, UnknownName, "sub-array of MIRIMAGE 'SUB65'. Did you mean 'SUB64'"),
        ({"pattern": "FASTR2"}, UnknownName, "MIRI read-out pattern 'FASTR2'"),
        ({"filters": ["F777W"]}, UnknownName, "MIRI filter 'F777W'"),
        ({"detectors": ["MIRIMAG"]}, UnknownName, "MIRI detector 'MIRIMAG'"),
        ({"mode": "images"}, UnknownName, "simulated mode of MIRI 'images'"),
        ({"size": "tiny"}, UnknownName, "size of MIRI image 'tiny'"),
        ({"n_dithers": 99}, BadParameter, "MIRI has 8 dither positions; 99 were asked for"),
        ({"pattern": "SLOWR1"}, BadParameter, "SUB64 of MIRIMAGE is read with fast patterns only"),
    ],
)
def test_impossible_choices_are_refused_before_anything_is_written(tmp_path, choice, error, words):
    options = VisitOptions(**{**vars(SMALL), **choice})
    with pytest.raises(error, match=words.replace(".", r"\.")):
        simulate(SIMULATION, tmp_path / "new", options)
    assert not list(tmp_path.rglob("*.fits"))


def test_no_references_and_no_truth_where_none_are_wanted(tmp_path):
    options = VisitOptions(
        subarray="SUB64",
        n_groups=3,
        n_dithers=1,
        references=False,
        truth=False,
        effects=Effects.none(),
    )
    made = simulate(SIMULATION, tmp_path, options)
    assert made.cache is None
    assert made.truth is None
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".fits", ".json"]
