"""Traces in the slices of an image slicer: models, finer pixels, and profiles that fill bad pixels."""

from dataclasses import replace

import numpy as np
import pytest

from calcore import io
from calcore.flags import DQ
from calcore.steps.calibration.adaptive_trace_model import AdaptiveTraceModel
from calcore.steps.calibration.pixel_replace import PixelReplace
from calcore.testing.samples import an_image
from calcore.wcs.plain import Polynomial
from calcore.wcs.pointing import Pointing
from calcore.wcs.slicer import Field, Slice, SlicedCoordinates
from calcore.wcs.slicer_of import slicer_of

SHAPE = (120, 80)
LEFT = (4, 24, 44, 62)
WIDE, SIDE, LEAN = 15, 0.2, 0.03
SEEN = 1
"""The slice with the source."""


def linear(constant, first, second, shift=(0.0, 0.0)):
    return Polynomial(np.array([[constant, second], [first, 0.0]]), shift)


def coordinates():
    """Four slices side by side, whose image leans by 3.6 pixels, wavelengths along y."""
    labels = np.zeros(SHAPE, np.int32)
    slices = []
    for number, left in enumerate(LEFT, 101):
        labels[:, left : left + WIDE] = number
        alpha = linear(0.0, SIDE * LEAN, SIDE, (-60.0, -(left + 7.0)))
        beta = Polynomial(np.array([[0.3 * (number - 102)]]))
        wave = linear(5.0, 0.01, 0.0)
        back = linear(left + 7.0, 0.0, 1 / SIDE), linear(-500.0, 100.0, 0.0)
        slices.append(Slice(number=number, field=0, place=(alpha, beta, wave), back=back))
    field = Field(
        number=1, wavelengths=(4.9, 6.3),
        to_telescope=(linear(-503.0, 1.0, 0.0), linear(-319.0, 0.0, -1.0)),
        back=(linear(503.0, 1.0, 0.0), linear(-319.0, 0.0, -1.0)),
    )  # fmt: skip
    pointing = Pointing(
        ra_deg=10.0, dec_deg=-69.0, roll_deg=30.0, v2_arcsec=-503.0, v3_arcsec=-319.0
    )
    return SlicedCoordinates(
        labels=labels, slices=tuple(slices), fields=(field,), pointing=pointing
    )


def source(alpha):
    return 500 * np.exp(-0.5 * ((alpha - 0.05) / 0.2) ** 2)


@pytest.fixture
def exposure(rng):
    """A point source in one slice, on an even sky."""
    wcs = coordinates()
    alpha = np.nan_to_num(wcs.local()[0], nan=9.0)
    level = 5 + np.where(wcs.labels == 101 + SEEN, source(alpha), 0)
    image = an_image(SHAPE, wcsinfo__dispersion_direction=2)
    data = (level + 0.3 * rng.standard_normal(SHAPE)).astype(np.float32)
    err, dq = np.full(SHAPE, 0.3, np.float32), np.zeros(SHAPE, np.uint32)
    return image.replace(data=data, err=err, dq=dq, wcs=wcs)


def test_only_slices_that_stand_out_are_modelled(exposure):
    seen = np.isfinite(AdaptiveTraceModel()(exposure).trace_model)
    assert set(np.unique(exposure.wcs.labels[seen])) == {101 + SEEN}
    every = np.isfinite(AdaptiveTraceModel(fit_threshold=0, slope_limit=0)(exposure).trace_model)
    np.testing.assert_array_equal(every, exposure.wcs.labels > 0)


def test_finer_pixels_hold_what_the_source_is_between_pixels(exposure):
    result = AdaptiveTraceModel(oversample=3.0)(exposure)
    assert result.data.shape == (120, 240)
    alpha = result.wcs.local()[0]
    seen = np.isfinite(result.trace_model)
    miss = result.data[seen] - source(alpha[seen]) - 5
    assert np.sqrt(np.mean(miss**2)) < 2.0
    lines = np.interp(np.arange(240), 3 * np.arange(80) + 1, exposure.data[60])
    row = seen[60]
    assert np.abs(lines - source(alpha[60]) - 5)[row].max() > 30  # what straight lines would miss


def test_oversampled_slices_are_read_as_they_were_written(exposure, tmp_path):
    result = AdaptiveTraceModel(oversample=2.0)(exposure)
    again = io.open(io.write(result, tmp_path / "a_cal.fits")).loaded()
    np.testing.assert_array_equal(again.trace_model, result.trace_model)
    np.testing.assert_array_equal(again.wcs.labels, result.wcs.labels)
    np.testing.assert_array_equal(again.wcs.world(), result.wcs.world())
    assert again.wcs.wcs.available_frames[:2] == ["coordinates", "detector"]
    x, y = np.array([60.0, 61.0]), np.array([50.0, 51.0])
    whole = result.wcs.world()[:, y.astype(int), x.astype(int)]
    np.testing.assert_allclose(np.stack(again.wcs.wcs(x, y)), whole, rtol=0, atol=1e-10)
    assert slicer_of(result.wcs.tree).labels.shape == (120, 160)


@pytest.mark.parametrize("algorithm", ["fit_profile", "trace_model"])
def test_bad_pixels_of_slices_are_filled_from_their_own(exposure, algorithm):
    alpha = exposure.wcs.local()[0]
    own = exposure.wcs.labels == 101 + SEEN
    places = [
        (row, int(np.nanargmax(np.where(own, exposure.data, np.nan)[row]))) for row in (20, 90)
    ]
    places.append((60, LEFT[2] + 3))
    data, dq = exposure.data.copy(), exposure.dq.copy()
    for place in places:
        data[place], dq[place] = np.nan, DQ.DO_NOT_USE
    result = PixelReplace(algorithm=algorithm)(exposure.replace(data=data, dq=dq))
    for place in places:
        assert result.dq[place] == DQ.FLUX_ESTIMATED
        true = 5 + (source(alpha[place]) if own[place] else 0)
        assert result.data[place] == pytest.approx(true, rel=0.12)
    changed = result.dq != dq
    assert changed.sum() == 3
    np.testing.assert_array_equal(result.data[~changed], exposure.data[~changed])


@pytest.mark.parametrize("settings", [{}, {"fit_threshold": 0.0}, {"psf_optimal": True}])
def test_exposures_without_any_light_have_no_model(exposure, settings):
    nothing = exposure.replace(data=np.full(SHAPE, np.nan, np.float32))
    result = AdaptiveTraceModel(oversample=2.0, **settings)(nothing)
    assert not np.isfinite(result.trace_model).any()
    assert not np.isfinite(result.data).any()
    assert ((result.dq & DQ.DO_NOT_USE) != 0).all()


def test_slices_of_one_column_are_not_modelled(exposure):
    labels = np.where(np.arange(SHAPE[1]) == LEFT[0], exposure.wcs.labels, 0).astype(np.int32)
    thin = exposure.replace(wcs=replace(exposure.wcs, labels=labels))
    assert not np.isfinite(AdaptiveTraceModel(fit_threshold=0)(thin).trace_model).any()
