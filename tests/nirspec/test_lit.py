"""Where the light of NIRSpec's slits, shutters and slices falls."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from calcore.errors import ModeNotSupported, ReferenceInvalid, ReferenceMissing
from calcore.io import open_reference
from calcore.model import Meta
from calcore.registry.manager import manager
from calcore.registry.questions import References
from calcore.steps.detector.clean_flicker_noise import CleanFlickerNoise
from calcore_nirspec import INSTRUMENT
from calcore_nirspec.hooks import calcore_mask
from calcore_nirspec.optical_references import IfuPost, IfuSlicer, Msa, MsaConfiguration
from calcore_nirspec.simulate import SIMULATION
from calcore_nirspec.steps.picture_frame import PictureFrame
from calcore_nirspec.wcs.apertures import fixed_slits, slices, slitlet
from calcore_nirspec.wcs.lit import bands, box_of

OPTICS = runpy.run_path(str(Path(__file__).with_name("optics.py")))
Asked, record, shutters = OPTICS["Asked"], OPTICS["record"], OPTICS["shutters"]
simulated, spectrograph = OPTICS["simulated"], OPTICS["spectrograph"]
G395M = (2.87e-6, 5.27e-6)


def meta(
    kind="NRS_FIXEDSLIT", *, start=1, rows=2048, subarray="FULL", detector="NRS1",
    light=("F290LP", "G395M"), **more,
):  # fmt: skip
    return Meta(
        {
            "instrument.name": "NIRSPEC", "instrument.detector": detector, "exposure.type": kind,
            "instrument.filter": light[0], "instrument.grating": light[1],
            "subarray.name": subarray, "subarray.xstart": 1, "subarray.ystart": start,
            "subarray.xsize": 2048, "subarray.ysize": rows,
            "instrument.msa_metadata_id": 2, **more,
        }
    )  # fmt: skip


def test_fixed_slits_have_boxes_and_a_sub_array_shows_its_own():
    asked = Asked("G395M")
    lit = calcore_mask(meta(), asked)
    assert asked.asked == [
        "wavelengthrange", "fpa", "camera", "collimator", "disperser", "msa"
    ]  # fmt: skip
    rows = np.flatnonzero(lit.any(axis=1))
    assert 960 < rows[0] < 975
    assert 1110 < rows[-1] < 1125
    assert 0.03 < lit.mean() < 0.06  # not whole rows: the spectra are short
    np.testing.assert_array_equal(
        calcore_mask(meta(start=897, rows=256, subarray="ALLSLITS"), asked), lit[896:1152]
    )
    own = calcore_mask(meta(start=897, rows=256, subarray="SUBS400A1"), asked)
    assert not (own & ~lit[896:1152]).any()
    assert 45 < own.any(axis=1).sum() < 65
    other = calcore_mask(meta(start=897, rows=256, subarray="SUB2048"), asked)  # the square slit
    assert 30 < other.any(axis=1).sum() < 40
    bright = calcore_mask(meta("NRS_BRIGHTOBJ", start=897, rows=256, subarray="SUB2048"), asked)
    np.testing.assert_array_equal(bright, other)


def test_slices_have_bands_that_follow_them():
    asked = Asked("G395M")
    lit = calcore_mask(meta("NRS_IFU"), asked)
    assert asked.asked[-2:] == ["ifuslicer", "ifupost"]
    assert lit[922:1116].all()  # the fixed slits are open, too
    edges = np.flatnonzero(np.diff(lit[:, 1000].astype(int)) == 1)
    assert len(edges) == 31
    assert np.flatnonzero(np.diff(lit[:, 600].astype(int)) == 1)[0] > edges[0]  # they are curved
    first, last = np.flatnonzero(lit[:900].any(axis=0))[[0, -1]]
    assert 340 < first < 380
    assert 1600 < last < 1700
    assert lit.dtype == bool


def test_shutters_are_those_of_the_exposure():
    table = shutters(
        (12, 2, 4, 251, 22, 1), (12, 2, 4, 251, 24, 1), (7, 2, 4, 251, 30, 1),
        (3, 2, 4, 251, 90, 2), (4, 5, 4, 251, 90, 1), (100, 2, 0, 0, 0, 1),
    )  # fmt: skip
    asked = Asked("G395M", table)
    lit = calcore_mask(meta("NRS_MSASPEC"), asked)
    assert lit[922:1116].all()
    free = lit.any(axis=1)
    free[922:1116] = False
    edges = np.flatnonzero(np.diff(free.astype(int)))
    lengths = sorted(edges[1::2] - edges[::2])
    assert len(lengths) == 2
    assert 8 <= lengths[1] - lengths[0] <= 12  # two shutters more, five rows each
    second = calcore_mask(meta("NRS_MSASPEC", **{"dither.position_number": 2}), asked)
    assert (second != lit).any()


def test_shutters_that_failed_open_shine_in_every_exposure():
    plain = calcore_mask(meta("NRS_IFU"), Asked("G395M"))
    closed = {"Q": 4, "x": 200, "y": 60, "state": "closed", "Internal state": "normal"}
    stuck = {**closed, "TA state": "open"}
    np.testing.assert_array_equal(
        calcore_mask(meta("NRS_IFU"), Asked("G395M", stuck=[closed])), plain
    )
    lit = calcore_mask(meta("NRS_IFU"), Asked("G395M", stuck=[closed, stuck]))
    assert not (plain & ~lit).any()
    optics = spectrograph("NRS1", "G395M")
    one = slitlet(0, 200, [60], simulated(Msa).quadrant(4), 0.5, 1.15)
    wavelength = np.linspace(3e-6, 4.5e-6, 50)
    x, y = np.round(optics.pixels(*one.edge(0.0, wavelength), wavelength)).astype(int)
    seen = (x >= 0) & (x < 2048)
    assert seen.any()
    assert lit[y[seen], x[seen]].all()
    with pytest.raises(ReferenceInvalid, match="otherwise than by Q, x and y"):
        calcore_mask(meta("NRS_IFU"), Asked("G395M", stuck=[{"Q": 1, "state": "open"}]))


def test_spectra_of_a_slit_lie_in_its_box():
    optics = spectrograph("NRS1", "G395M")
    slit = fixed_slits(simulated(Msa).quadrant(5), 0.5)[0]
    rows, columns = box_of(optics, slit, G395M)
    wavelength = np.linspace(3e-6, 4.5e-6, 50)
    x, y = optics.pixels(*slit.edge(0.3, wavelength), wavelength)
    assert (x > columns.start).all()
    assert (x < columns.stop).all()
    assert (y > rows.start).all()
    assert (y < rows.stop).all()
    other = fixed_slits(simulated(Msa).quadrant(5), 0.5)[4]
    assert box_of(optics, other, G395M) is None  # beyond the gap: the other detector sees it
    assert box_of(spectrograph("NRS2", "G395M"), other, G395M) is not None


def test_what_a_slice_s_edges_enclose_is_lit():
    optics = spectrograph("NRS2", "G395H")
    slicer, post = simulated(IfuSlicer), simulated(IfuPost)
    one = slices(slicer.data, slicer.model, [post.slice(n) for n in range(30)], 0.5)[8]
    lit = bands(optics, [one], G395M)
    wavelength = np.linspace(*G395M, 300)
    for place, inside in ((0.45, True), (-0.45, True), (0.62, False), (-0.62, False)):
        x, y = np.round(optics.pixels(*one.edge(place, wavelength), wavelength)).astype(int)
        seen = (x >= 0) & (x < 2048) & (y >= 0) & (y < 2048)
        assert seen.sum() > 30
        assert (lit[y[seen], x[seen]] == inside).all()


def test_a_shutter_stands_where_its_row_and_column_say():
    part = simulated(Msa).quadrant(4)
    place = slitlet(1, 251, [22, 23], part, 0.5, 1.15)
    x, y = place.edge(0.0, np.zeros(1))
    np.testing.assert_allclose(x, 0.0238 + (251 - 183) * 1.05e-4)
    np.testing.assert_allclose(y, 0.0246 + (22 - 86) * 2.04e-4)
    assert (place.low, place.high) == (-0.5, 0.5 + 1.15)


def test_simulated_shutters_are_those_of_their_file(tmp_path):
    mode = SIMULATION.mode("msa")
    SIMULATION.companions(mode, tmp_path)
    (path,) = tmp_path.iterdir()
    assert path.name == mode["keywords"]["MSAMETFL"]
    table = open_reference(path, MsaConfiguration).table
    rows = table[table["dither_point_index"] == 2]
    assert len(np.unique(rows["slitlet_id"])) == len(rows) / 3 == 48
    picture = fits.getdata(path, "SHUTTER_IMAGE")
    assert picture.shape == (730, 342)
    assert picture.sum() == len(rows)
    changes = {"instrument.msa_metadata_id": 1, "dither.position_number": 2}
    lit = calcore_mask(meta("NRS_MSASPEC", **changes), Asked("G395M", table))
    assert 0.3 < lit.mean() < 0.7
    SIMULATION.companions(SIMULATION.mode("ifu"), tmp_path)  # whose headers name no file
    assert list(tmp_path.iterdir()) == [path]


def test_each_error_is_a_sentence():
    asked = Asked("G395M", shutters((12, 2, 4, 251, 22, 1)))
    with pytest.raises(ModeNotSupported, match="fall on all pixels of SUB512"):
        calcore_mask(meta("NRS_IFU", start=1000, rows=64, subarray="SUB512"), asked)
    with pytest.raises(ReferenceInvalid, match=r"knows .* but not F070LP_PRISM"):
        calcore_mask(meta(light=("F070LP", "PRISM")), asked)
    with pytest.raises(ReferenceMissing, match="there is no ifupost"):
        calcore_mask(meta("NRS_IFU"), Asked("G395M", missing="ifupost"))
    elsewhere = meta("NRS_MSASPEC", **{"dither.position_number": 3})
    with pytest.raises(ReferenceInvalid, match="none for MSAMETID 2 and PATT_NUM 3"):
        calcore_mask(elsewhere, asked)
    table = asked.shutters[[name for name in asked.shutters.dtype.names if name != "shutter_row"]]
    with pytest.raises(ReferenceInvalid, match="no column shutter_row"):
        calcore_mask(meta("NRS_MSASPEC"), Asked("G395M", table))
    for row, column in ((0, 3), (366, 3), (5, 0)):
        with pytest.raises(ReferenceInvalid, match=f"in row {row}, column {column}, but"):
            slitlet(1, row, [column], simulated(Msa).quadrant(1), 0.5, 1.15)
    with pytest.raises(ReferenceInvalid, match="no part Q5"):
        record(Msa, Q1={}).quadrant(5)
    with pytest.raises(ReferenceInvalid, match="no slice_7"):
        record(IfuPost, slice_0={}).slice(7)
    with pytest.raises(ReferenceInvalid, match="has 2 rows and 3 columns where 5 and 5 are needed"):
        fixed_slits({"data": np.zeros(2, "i4,f8,f8"), "model": None}, 0.5)


def test_no_answer_for_exposures_of_other_kinds():
    nothing = Asked("MIRROR")
    assert calcore_mask(meta("NRS_IMAGE"), nothing) is None
    assert calcore_mask(Meta({"instrument.name": "OTHER"}), nothing) is None
    assert nothing.asked == []


def test_steps_are_given_the_answer_and_refuse_without():
    find = References(manager("calcore-nirspec"))
    exposure = meta("NRS_IFU")
    exposure = exposure.with_facts(INSTRUMENT.facts(exposure))
    mask, origin = find("scenemask", exposure, Asked("G395M"))
    assert origin == "calcore_mask"
    with pytest.raises(ReferenceMissing, match="no wavelengthrange reference here"):
        find("scenemask", exposure)
    step = CleanFlickerNoise(mask_science_regions=True)
    for one in (step, PictureFrame()):
        one.check(exposure, {"scenemask": mask})
        with pytest.raises(ModeNotSupported, match="slices of NRS_IFU"):
            one.check(exposure, {})
