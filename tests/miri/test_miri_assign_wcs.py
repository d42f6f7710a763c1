"""World coordinates of MIRI's image slicers, from references as CRDS serves them."""

import numpy as np
import pytest

from calcore.errors import ReferenceInvalid
from calcore.io import open_reference, write
from calcore.model import Image, Meta
from calcore.testing import Case, StepContract
from calcore_miri import INSTRUMENT
from calcore_miri.references import (
    SlicerDistortion,
    SlicerRanges,
    SlicerRegions,
    SlicerWavelengths,
)
from calcore_miri.steps.assign_wcs import AssignWcs

SHAPE = (32, 40)
META = {
    "instrument.name": "MIRI", "instrument.detector": "MIRIFUSHORT", "exposure.type": "MIR_MRS",
    "instrument.channel": "12", "instrument.band": "SHORT", "subarray.xstart": 1,
    "subarray.ystart": 1, "subarray.fastaxis": 1, "subarray.slowaxis": 2, "wcsinfo.ra_ref": 10.0,
    "wcsinfo.dec_ref": 20.0, "wcsinfo.roll_ref": 0.0, "wcsinfo.v2_ref": -503.0,
    "wcsinfo.v3_ref": -319.0,
}  # fmt: skip
COPIED = {"!": "remap_axes", "mapping": [0, 1, 0, 1]}


def polynomial(constant, first, second):
    return {"!": "polynomial", "coefficients": [[constant, second], [first, 0.0]]}


def shifted(first, second, node):
    both = [{"!": "shift", "offset": by} for by in (first, second)]
    return {
        "!": "compose",
        "forward": [{"!": "concatenate", "forward": both}, node],
    }


def pair(first, second):
    joined = {"!": "concatenate", "forward": [first, second]}
    return {"!": "compose", "forward": [COPIED, joined]}


def references(**changes):
    field = {**pair(polynomial(-503, 1, 0), polynomial(-319, 0, -1)),
             "inverse": pair(polynomial(503, 1, 0), polynomial(-319, 0, -1))}  # fmt: skip
    labels = np.zeros((9, 1024, 1032), np.int16)
    labels[7, :, 2:10], labels[7, :, 20:28] = 101, 201
    given = {
        "distortion": SlicerDistortion(
            meta=Meta({}),
            slices=[101, 201],
            alpha=[shifted(0, -6, polynomial(0, 0, 0.1)), shifted(0, -24, polynomial(0, 0, 0.1))],
            beta=[{"!": "constant", "value": value} for value in (-0.5, 0.5)],
            x=[polynomial(6, 0, 10), polynomial(24, 0, 10)],
            y=[polynomial(-500, 100, 0), polynomial(-800, 100, 0)],
            field={"channel_band": ["1SHORT", "2SHORT"], "model": [field, field]},
            beta_zero={}, beta_step={},
        ),
        "specwcs": SlicerWavelengths(
            meta=Meta({}),
            slices=[101, 201],
            wavelengths=[polynomial(5, 0.01, 0), polynomial(8, 0.01, 0)],
        ),
        "regions": SlicerRegions(meta=Meta({}), labels=labels),
        "wavelengthrange": SlicerRanges(
            meta=Meta({}), names=["1SHORT", "2SHORT"], ranges=[[4.5, 6.0], [7.5, 9.0]]
        ),
    }  # fmt: skip
    for name, values in changes.items():
        given[name] = given[name].replace(**values)
    return given


def image(**changes):
    meta = Meta({**META, **changes})
    return Image(
        meta=meta.with_facts(INSTRUMENT.facts(meta)),
        data=np.ones(SHAPE, np.float32),
        err=np.ones(SHAPE, np.float32),
        dq=np.zeros(SHAPE, np.uint32),
    )


class TestAssignWcs(StepContract):
    def case(self):
        return Case(AssignWcs(), image(), references())


def test_middle_of_a_slice_and_its_wavelength():
    result = AssignWcs()(image(), **references())
    ra, dec, wavelength = result.wcs.wcs(6, 10)
    assert wavelength == pytest.approx(5.1)
    # beta of -0.5 arcsec lies at V3 = -318.5, which is north of the reference point.
    assert (ra, dec) == pytest.approx((10, 20 + 0.5 / 3600), abs=1e-9)
    assert np.isnan(result.wcs.world()[:, 10, 15]).all()
    assert result.meta["wcsinfo.specsys"] == "TOPOCENT"
    assert result.meta["wcsinfo.dispersion_direction"] == 2


def test_known_velocity_moves_wavelengths_to_the_barycentre():
    still = AssignWcs()(image(), **references())
    moving = AssignWcs()(image(**{"wcsinfo.velosys": 29979.2458}), **references())
    ratio = moving.wcs.wcs(6, 10)[2] / still.wcs.wcs(6, 10)[2]
    assert ratio == pytest.approx(1 / 1.0001, rel=1e-12)
    assert moving.meta["wcsinfo.specsys"] == "BARYCENT"


def test_sub_array_sees_its_part():
    whole = AssignWcs()(image(), **references())
    part = AssignWcs()(image(**{"subarray.xstart": 3, "subarray.ystart": 6}), **references())
    np.testing.assert_allclose(part.wcs.wcs(4, 5), whole.wcs.wcs(6, 10), atol=1e-12)
    np.testing.assert_allclose(part.wcs.world()[:, 5, 4], whole.wcs.world()[:, 10, 6])


def test_coordinates_survive_a_file(tmp_path):
    result = AssignWcs()(image(), **references())
    path = tmp_path / "jw1_cal.fits"
    write(result, path)
    from calcore.io import open as read

    again = read(path, Image)
    np.testing.assert_allclose(again.wcs(6, 10), result.wcs.wcs(6, 10), atol=1e-12)


LABELS = np.zeros((9, 1024, 1032), np.int16)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"specwcs": {"slices": [101, 202]}}, "describe other slices"),
        ({"wavelengthrange": {"names": ["1LONG", "2LONG"]}}, "has no 1SHORT"),
        ({"regions": {"labels": LABELS[0]}}, "instead of nine planes"),
        ({"regions": {"labels": LABELS[:, :20]}}, "do not cover"),
        ({"regions": {"labels": LABELS + np.int16(305)}}, r"labels slices \[305\]"),
        ({"distortion": {"beta": [{"!": "sine"}] * 2}}, "slice 101: sine is not"),
        ({"distortion": {"slices": [101, 501]}, "specwcs": {"slices": [101, 501]}}, "slice 501"),
        (
            {"distortion": {"field": {"channel_band": ["1SHORT"], "model": [COPIED]}}},
            "abv2v3_model of 1SHORT",
        ),
    ],
)
def test_references_that_do_not_fit_are_refused(changes, said):
    with pytest.raises(ReferenceInvalid, match=said):
        AssignWcs()(image(), **references(**changes))


def test_flight_references_are_read_without_making_models(shared_data):
    path = shared_data / "miri" / "jwst_miri_mrs12A_distortion_flt8.asdf"
    distortion = open_reference(path, SlicerDistortion)
    assert len(distortion.alpha) == len(distortion.slices) == 38
    assert distortion.alpha[0]["forward"][1]["coefficients"].shape == (9, 9)


def test_references_are_read_in_the_form_that_the_step_knows():
    from calcore.cli.references import read_as
    from calcore.model.reference import Distortion

    assert read_as("miri.assign_wcs", "distortion") is SlicerDistortion
    assert read_as("assign_wcs", "distortion") is Distortion
