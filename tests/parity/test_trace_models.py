"""Oversampled exposures, and bad pixels filled by profiles and models, against the reference pipeline."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.modeling.models import Mapping
from gwcs import WCS

from calcore import io
from calcore.flags import DQ
from calcore.steps._strips_of_light import strips_of
from calcore.steps.calibration.adaptive_trace_model import AdaptiveTraceModel
from calcore.steps.calibration.pixel_replace import PixelReplace

SLICER = runpy.run_path(str(Path(__file__).with_name("test_image_slicer.py")))
SLIT = runpy.run_path(str(Path(__file__).with_name("test_long_slit.py")))
KIND = SLIT["SLIT"]
NOISE = ("err", "var_poisson", "var_rnoise")
PIXELS = np.array([610.0, 640.5, 700.0]), np.array([20.0, 150.0, 380.0])
BAD = [(200, 320), (200, 321), (200, 322), (60, 327), (61, 327), (300, 310)]
geometry = SLIT["geometry"]


@pytest.fixture
def slit(make_meta, geometry):
    """A source in a slit, with bad pixels on its trace and beside."""
    placed = SLIT["assigned"](SLIT["exposure"](make_meta, KIND), geometry(KIND))
    rng = np.random.default_rng(7)
    (strip,) = strips_of(placed)
    light = np.zeros(placed.data.shape)
    strip.put(3000 * np.exp(-0.5 * ((strip.places - 2.3) / 1.1) ** 2) + 20, light, strip.own)
    err, model = np.sqrt(np.abs(light) + 25), np.where(light > 50, light, np.nan).astype(np.float32)
    data = (light + err * rng.standard_normal(light.shape)).astype(np.float32)
    dq = np.zeros(data.shape, np.uint32)
    for place in BAD:
        data[place] = err[place] = light[place] = np.nan
        dq[place] = DQ.DO_NOT_USE
    dq[300, 310] |= DQ.NON_SCIENCE
    return placed.replace(
        data=data, err=err.astype(np.float32), dq=dq, var_poisson=np.abs(light).astype(np.float32),
        var_rnoise=np.full_like(data, 25), trace_model=model,
        meta=placed.meta.set({"cal_step.adaptive_trace_model": "COMPLETE"}),
    )  # fmt: skip


def asked(reference_pipeline, step, exposure, tmp_path, model="SlitModel", **parameters):
    path = io.write(exposure, tmp_path / "a_cal.fits")
    job = {
        "kind": "step", "step": step, "parameters": parameters, "references": {}, "members": [],
        "input": {"type": model, "content": SLIT["content_of"](path), "suffix": ".fits"},
        "keep": {"attributes": ["trace_model"], "back": False, "pixels": list(PIXELS)},
    }  # fmt: skip
    return reference_pipeline.ask(job)["results"][0]["attributes"]


@pytest.mark.parametrize("finer", [2, 3])
def test_oversampled_where_nothing_is_modelled(reference_pipeline, slit, tmp_path, finer):
    plain = slit.replace(trace_model=None)
    theirs = asked(reference_pipeline, "AdaptiveTraceModelStep", plain, tmp_path, oversample=float(finer),
                   slope_limit=1.0)  # fmt: skip
    ours = AdaptiveTraceModel(oversample=float(finer), slope_limit=1.0)(plain)
    assert ours.data.shape == theirs["data"].shape
    assert not np.isfinite(theirs["trace_model"]).any()
    both = np.isfinite(ours.data) & np.isfinite(theirs["data"])
    # Theirs leaves out a pixel of the detector at either end of the slit.
    lost = (np.isfinite(ours.data) != both).sum(axis=1)
    assert set(lost[7:394]) == {2 * finer}
    for name in ("data", *NOISE):
        one, other = getattr(ours, name)[both], theirs[name][both]
        np.testing.assert_allclose(one, other, rtol=2e-6, err_msg=name)
    np.testing.assert_array_equal(ours.dq[both], theirs["dq"][both])
    found = np.stack(ours.wcs(*PIXELS, with_bounding_box=False))
    np.testing.assert_allclose(found, theirs["world"], rtol=0, atol=1e-9)


def turned(slit):
    """Return the slit as if its light were dispersed along x."""
    (frame, first), *others = [(step.frame, step.transform) for step in slit.wcs.pipeline]
    wcs = WCS([(frame, Mapping((1, 0)) | first), *others])
    wcs.bounding_box = tuple(slit.wcs.bounding_box.bounding_box(order="F"))[::-1]
    names = ("data", "dq", *NOISE, "wavelength")
    planes = {name: np.ascontiguousarray(getattr(slit, name).T) for name in names}
    return slit.replace(wcs=wcs, meta=slit.meta.set({"wcsinfo.dispersion_direction": 1}), **planes)


@pytest.mark.parametrize(("reach", "along_x"), [(1, False), (3, False), (3, True)])
def test_profiles_of_rows_beside(reference_pipeline, slit, tmp_path, reach, along_x):
    slit = slit.replace(trace_model=None)
    slit = turned(slit) if along_x else slit
    theirs = asked(reference_pipeline, "PixelReplaceStep", slit, tmp_path,
                   algorithm="fit_profile", n_adjacent_cols=reach)  # fmt: skip
    ours = PixelReplace(algorithm="fit_profile", n_adjacent_cols=reach)(slit)
    np.testing.assert_array_equal(ours.dq, theirs["dq"])
    assert (ours.dq != slit.dq).sum() == len(BAD) - 1
    for name in ("data", *NOISE):
        one, other = getattr(ours, name), theirs[name]
        np.testing.assert_allclose(one, other, rtol=5e-4, err_msg=name)


def test_model_of_traces_in_place_of_bad_pixels(reference_pipeline, slit, tmp_path):
    theirs = asked(reference_pipeline, "PixelReplaceStep", slit, tmp_path, algorithm="trace_model")
    ours = PixelReplace(algorithm="trace_model", rule="gradient", flagged="count")(slit)
    np.testing.assert_array_equal(ours.dq, theirs["dq"])
    np.testing.assert_array_equal(ours.data, theirs["data"])
    assert (ours.dq != slit.dq).sum() == len(BAD)
    on_trace = np.isfinite(slit.trace_model) & (slit.dq == DQ.DO_NOT_USE)
    assert on_trace.sum() == 2


def test_profiles_of_slices(reference_pipeline, make_meta, shared_data, tmp_path):
    placed, _ = SLICER["exposure_of"]("12A", None, make_meta, shared_data, tmp_path, ra=120.0)
    rng = np.random.default_rng(5)
    alpha, beta, _ = placed.wcs.local()
    light = 20 + 3000 * np.exp(-0.5 * ((alpha - 0.1) ** 2 + (beta - 0.2) ** 2) / 0.15**2)
    light = np.nan_to_num(light)
    err = np.sqrt(light + 4).astype(np.float32)
    data = (light + err * rng.standard_normal(light.shape)).astype(np.float32)
    dq = np.where(rng.random(data.shape) < 3e-4, np.uint32(DQ.DO_NOT_USE), np.uint32(0))
    data[dq != 0] = np.nan
    image = placed.replace(
        data=data, err=err, dq=dq, var_poisson=light.astype(np.float32),
        var_rnoise=np.full_like(data, 4),
    )  # fmt: skip
    theirs = asked(reference_pipeline, "PixelReplaceStep", image, tmp_path, "IFUImageModel",
                   algorithm="fit_profile")  # fmt: skip
    ours = PixelReplace(algorithm="fit_profile")(image)
    np.testing.assert_array_equal(ours.dq, theirs["dq"])
    changed = ours.dq != dq
    assert changed.sum() > 100
    error = np.abs(ours.data - theirs["data"])[changed] / theirs["err"][changed]
    assert np.median(error) < 1e-3
    assert (error > 0.01).mean() < 0.05
