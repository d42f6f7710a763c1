"""Steps for MIRI's image slicers against the reference pipeline, with flight geometry where it matters."""

import runpy
from pathlib import Path

import numpy as np
import pytest

from calcore import io
from calcore.errors import Doubtful
from calcore.model import Group, Image, Meta, Parts
from calcore.model.reference import Flat
from calcore.model.spectrum import Spectra, Spectrum
from calcore.steps.calibration.flat_field import FlatField
from calcore.steps.calibration.pixel_replace import PixelReplace
from calcore.steps.combination.outlier_slices import OutlierSlices
from calcore_miri import INSTRUMENT
from calcore_miri.references import CrossArtifact, Fringe, SlicerPhotom, SlicerRegions
from calcore_miri.references import SpectralLeak as LeakReference
from calcore_miri.steps.badpix_selfcal import BadpixSelfcal
from calcore_miri.steps.fringe import Fringe as FringeStep
from calcore_miri.steps.photom import Photom
from calcore_miri.steps.spectral_leak import SpectralLeak
from calcore_miri.steps.straylight import Straylight

SLICER = runpy.run_path(str(Path(__file__).with_name("test_image_slicer.py")))
PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")
MADE = {"description": "made for a test", "author": "calcore", "pedigree": "DUMMY",
        "useafter": "2020-01-01T00:00:00"}  # fmt: skip
SHAPE = (1024, 1032)
EMPTY = Meta({})


def image_of(make_meta, shape=SHAPE, *, seed=2, detector="MIRIFUSHORT", band="SHORT", **more):
    meta = make_meta(
        "MIRIMAGE", (1, 5, *shape), instrument__detector=detector,
        instrument__channel="12" if detector == "MIRIFUSHORT" else "34",
        instrument__band=band, instrument__filter=None, instrument__pupil=None,
        exposure__type="MIR_MRS", exposure__mid_time=60000.25, bunit_data="DN/s",
        bunit_err="DN/s", **more,
    )  # fmt: skip
    rng = np.random.default_rng(seed)
    data = rng.normal(10, 1, shape).astype(np.float32)
    data[rng.random(shape) < 0.01] = np.nan
    dq = np.where(rng.random(shape) < 0.01, np.uint32(1), np.uint32(0))
    dq |= np.where(rng.random(shape) < 0.01, np.uint32(4), np.uint32(0))
    var_poisson, var_rnoise = (rng.gamma(3, 0.1, shape).astype(np.float32) for _ in range(2))
    return Image(
        meta=meta.with_facts(INSTRUMENT.facts(meta)),
        data=data,
        err=np.sqrt(var_poisson + var_rnoise),
        dq=dq,
        var_poisson=var_poisson,
        var_rnoise=var_rnoise,
    )


def plane(shape, value, **places):
    made = np.full(shape, value, np.float32)
    made[3, :4] = np.nan, 0, -1, np.inf
    return made


def same(ours, theirs, planes=PLANES, rtol=1e-6):
    for name in planes:
        one = getattr(ours, name)
        if one is not None and name in theirs.arrays:
            np.testing.assert_allclose(one, getattr(theirs, name), rtol=rtol, err_msg=name)
    np.testing.assert_array_equal(ours.dq, theirs.dq)


def test_fringe(reference_pipeline, make_meta):
    shape = (40, 48)
    image = image_of(make_meta, shape)
    dq = np.zeros(shape, np.uint32)
    dq[5, 5], dq[5, 6] = 1, 1 << 18
    fringe = Fringe(meta=Meta(MADE), data=plane(shape, 0.8), dq=dq)
    theirs = reference_pipeline.step(
        "FringeStep", image, {"fringe": fringe}, model="IFUImageModel",
        reference_attributes={"fringe": {"model": "FringeModel"}},
    )  # fmt: skip
    same(FringeStep(unknown="divide")(image, fringe=fringe), theirs)


def test_flat_field(reference_pipeline, make_meta):
    shape = (40, 48)
    image = image_of(make_meta, shape)
    dq = np.zeros(shape, np.uint32)
    dq[5, 5], dq[5, 6] = 1, 1 << 18
    flat = Flat(meta=EMPTY, data=plane(shape, 0.8)[:], err=np.full(shape, 0.02, "f4"), dq=dq)
    flat.data[3, 3] = 2
    others = dict.fromkeys(("fflat", "sflat", "dflat"), "N/A")
    theirs = reference_pipeline.step(
        "FlatFieldStep", image, {"flat": flat, **others}, model="IFUImageModel"
    )
    same(FlatField()(image, flat=flat), theirs)


COLUMNS = [(name, "f4") for name in ("binwave", "alpha", "year1value", "tsoft", "t0")]
FIRST = [(5.0, -0.1, 0.9, 30, 59500), (5.3, -0.2, 0.8, 20, 59600), (5.6, -0.3, 0.7, 10, 59650)]
SECOND = [(8.3, -0.2, 0.8, 20, 60100), (8.0, -0.1, 1.9, 30, 59500)]


def test_photom(reference_pipeline, make_meta, shared_data, tmp_path):
    placed, _ = SLICER["exposure_of"]("12A", None, make_meta, shared_data, tmp_path, ra=120.0)
    image = image_of(make_meta).replace(wcs=placed.wcs)
    image = image.replace(meta=placed.meta.set({
        "exposure.mid_time": 60000.25, "bunit_data": "DN/s", "bunit_err": "DN/s",
        "cal_step.assign_wcs": "COMPLETE", "filename": "a_rate.fits"}))  # fmt: skip
    dq = np.zeros(SHAPE, np.uint32)
    dq[5, 5], dq[5, 6] = 1, 1 << 18
    known = {"photometry.conversion_megajanskys": 0.7, "photometry.pixelarea_steradians": 1e-12,
             "photometry.pixelarea_arcsecsq": 0.04}  # fmt: skip
    photom = SlicerPhotom(
        meta=Meta({**MADE, "reftype": "PHOTOM", **known}), data=plane(SHAPE, 2.0), dq=dq,
        channel_1=np.array(FIRST, COLUMNS), channel_2=np.array(SECOND, COLUMNS),
    )  # fmt: skip
    path = io.write(image, tmp_path / "a_rate.fits")
    job = {
        "kind": "step", "step": "PhotomStep", "parameters": {},
        "input": {"type": "IFUImageModel", "content": SLICER["content_of"](path), "suffix": ".fits"},
        "references": {
            "photom": {
                "type": "MirMrsPhotomModel",
                "meta": {**dict(photom.meta), "instrument.name": "MIRI",
                         "instrument.detector": "MIRIFUSHORT", "subarray.name": "FULL",
                         "subarray.xstart": 1, "subarray.ystart": 1, "subarray.xsize": 1032,
                         "subarray.ysize": 1024, "subarray.fastaxis": 1, "subarray.slowaxis": 2},
                "attributes": {"data": photom.data, "dq": photom.dq,
                               "pixsiz": np.full(SHAPE, 4, np.float32),
                               "timecoeff_powerlaw_ch1": photom.channel_1,
                               "timecoeff_powerlaw_ch2": photom.channel_2},
            },
            "area": "N/A",
        },
        "keep": {}, "members": [],
    }  # fmt: skip
    (found,) = reference_pipeline.answer(job)["results"]
    ours = Photom()(image, photom=photom)
    for name in PLANES[:4]:
        np.testing.assert_allclose(
            getattr(ours, name), found["attributes"][name], rtol=3e-6, err_msg=name
        )
    np.testing.assert_array_equal(ours.dq, found["attributes"]["dq"])
    for name in ("bunit_data", "bunit_err", *known, "photometry.conversion_microjanskys"):
        told = found["meta"][name]
        assert ours.meta[name] == (told if isinstance(told, str) else pytest.approx(told)), name


def described(image, **more):
    """Return an exposure as a member of a container."""
    planes = {name: getattr(image, name) for name in (*PLANES, "dq")}
    meta = {name: value for name, value in image.meta.items() if value is not None}
    return {
        "type": "IFUImageModel",
        "meta": meta | more,
        "attributes": {name: plane for name, plane in planes.items() if plane is not None},
    }


@pytest.mark.parametrize(
    "settings",
    [{}, {"kernel_size": "5 3", "threshold_percent": 95.0},
     {"ifu_second_check": True, "threshold_percent": 98.0}],
)  # fmt: skip
def test_outliers(reference_pipeline, make_meta, settings):
    rng = np.random.default_rng(7)
    pattern = rng.normal(0, 3, (60, 64)).astype(np.float32)
    members = []
    for n in range(4):
        detector = "MIRIFULONG" if n == 3 else "MIRIFUSHORT"
        image = image_of(
            make_meta, (60, 64), seed=10 + n, detector=detector, filename=f"a{n}_cal.fits",
            observation__exposure_number=str(n + 1), exposure__exposure_time=10.0,
        )  # fmt: skip
        data = image.data + pattern
        data[20:23, 30] = np.nan
        data[40, 40:43] = np.nan
        members.append(image.replace(data=data, var_flat=image.var_rnoise))
    models = [
        described(image, **{"group_id": f"g{n}", "asn.exptype": "science"})
        for n, image in enumerate(members)
    ]
    job = {"kind": "step", "step": "OutlierDetectionStep", "parameters": settings,
           "input": {"models": models}, "references": {}, "keep": {}, "members": []}  # fmt: skip
    theirs = reference_pipeline.ask(job)["results"]
    ours = OutlierSlices(beyond="zero", unmoved="judge", **settings)(Group("a", tuple(members)))
    assert any((image.dq & 16).any() for image in ours.members)
    for image, found in zip(ours.members, theirs, strict=True):
        for name in PLANES:
            np.testing.assert_array_equal(getattr(image, name), found["attributes"][name])
        np.testing.assert_array_equal(image.dq, found["attributes"]["dq"])


PROFILE = ("lor_fwhm", "lor_scale", "gau_fwhm", "gau_xoff", "gau_scale1", "gau_scale2")


def profiles():
    """Return tables that differ by channel and from row to row, without a Gaussian in channel 2."""
    tables = {}
    for number, channel in enumerate("1234"):
        for band in "abc":
            table = np.zeros(1024, [("yrow", "i2"), *((name, "f4") for name in PROFILE)])
            table["yrow"] = np.arange(1024)
            table["lor_fwhm"] = 80 + 20 * number + np.arange(1024) / 50
            table["lor_scale"] = 0.002 / (1 + number)
            table["gau_fwhm"], table["gau_xoff"] = 9, 18 + np.arange(1024) / 100
            table["gau_scale1"], table["gau_scale2"] = (0.001, 4e-4) if number == 0 else (0, 0)
            tables[f"ch{channel}{band}"] = table
    return tables


def test_straylight(reference_pipeline, make_meta):
    shape = SHAPE
    image = image_of(make_meta, shape, band="MEDIUM")
    data = image.data * np.float32(0.1)
    data[:, 150:153], data[30, 700] = 900, 3e4
    data[:, :4] = data[:, 1028:] = 0
    image = image.replace(data=data)
    labels = np.zeros((9, *shape), np.int16)
    labels[3, :, :480] = np.where(np.arange(480) % 30 < 20, 101, 0)
    labels[2] = 101
    tables = profiles()
    regions = SlicerRegions(meta=Meta(MADE), labels=labels)
    ours = CrossArtifact(meta=EMPTY, **tables)
    theirs = {
        "mrsxartcorr": {"type": "MirMrsXArtCorrModel", "meta": MADE, "attributes": {
            f"{name}_table": table for name, table in tables.items()}},
        "regions": {"type": "RegionsModel", "meta": MADE, "attributes": {"regions": labels}},
    }  # fmt: skip
    settings = {"clean_showers": True, "shower_x_stddev": 12.0, "shower_y_stddev": 4.0,
                "shower_low_reject": 1.0}  # fmt: skip
    answer = reference_pipeline.step(
        "StraylightStep", image, theirs, model="IFUImageModel", **settings
    )
    found = Straylight(flagged="count", beyond="zero", **settings)(
        image, mrsxartcorr=ours, regions=regions
    )
    taken = image.data - found.data
    assert np.nanmax(taken) > 1
    # A pixel of which rounding decides whether it is bright enough to scatter light shows in its row.
    np.testing.assert_allclose(found.data, answer.data, rtol=0, atol=1e-3)
    apart = np.abs(found.data - answer.data)
    assert np.nanpercentile(apart, 95) < 2e-4
    assert np.nanmedian(apart) < 2e-5
    np.testing.assert_array_equal(found.err, answer.err)
    np.testing.assert_array_equal(found.dq, answer.dq)


def test_straylight_of_two_bands(reference_pipeline, make_meta):
    """Profiles are of single bands: only the level between the channels is subtracted."""
    image = image_of(make_meta, band="SHORT-MEDIUM")
    data = np.zeros(SHAPE, np.float32)
    data[:, 500:520] = np.random.default_rng(1).normal(1, 0.01, (SHAPE[0], 20))
    data[200, 150] = data[300, 800] = 1e4
    image = image.replace(data=data, dq=np.zeros(SHAPE, np.uint32))
    tables = profiles()
    theirs = {
        "mrsxartcorr": {"type": "MirMrsXArtCorrModel", "meta": MADE, "attributes": {
            f"{name}_table": table for name, table in tables.items()}},
        "regions": "N/A",
    }  # fmt: skip
    answer = reference_pipeline.step("StraylightStep", image, theirs, model="IFUImageModel")
    with pytest.warns(Doubtful, match="of BAND SHORT-MEDIUM is scattered along rows is not known"):
        found = Straylight(flagged="count", beyond="zero")(
            image, mrsxartcorr=CrossArtifact(meta=EMPTY, **tables)
        )
    assert found.data[100, 100] == pytest.approx(-1, abs=1e-3)
    np.testing.assert_allclose(found.data, answer.data, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("others", [True, False])
def test_bad_pixels(reference_pipeline, make_meta, others):
    """The first and last rows differ, for want of an account of what the median does there."""
    images = []
    for n in range(3):
        image = image_of(make_meta, seed=20 + n)
        images.append(image.replace(data=image.data + np.float32(n)))
    settings = {"kernel_size": 7, "flagfrac_lower": 0.002, "flagfrac_upper": 0.003}
    kinds = ("science", "selfcal", "background") if others else ("science",)
    settings |= {} if others else {"force_single": True}
    models = [
        described(image,
                  **{"asn.exptype": kind, "wcsinfo.dispersion_direction": 2})
        for image, kind in zip(images, kinds, strict=False)
    ]  # fmt: skip
    job = {"kind": "step", "step": "BadpixSelfcalStep", "parameters": settings,
           "input": {"models": models}, "references": {}, "keep": {}, "members": []}  # fmt: skip
    found = reference_pipeline.ask(job)["results"][0]["attributes"]["dq"]
    given = {"selfcals": (images[1],), "backgrounds": (images[2],)} if others else {}
    ours = BadpixSelfcal(**settings)(images[0], **given).dq
    both = [(dq & 2**30) != 0 for dq in (ours, found)]
    inner = [flagged[3:-3] for flagged in both]
    assert both[0].sum() == both[1].sum() > 4000
    assert (inner[0] != inner[1]).sum() < 0.02 * inner[0].sum()


def test_spectral_leak(reference_pipeline, tmp_path):
    waves = {"1": np.linspace(5.66, 6.63, 300), "3": np.linspace(11.55, 13.47, 500)}
    bands = {"1": "MEDIUM", "3": "SHORT"}
    parts, models = {}, []
    for channel, wave in waves.items():
        flux = 3 + np.sin(11 * wave)
        table = Spectrum.of(
            EMPTY, WAVELENGTH=wave, FLUX=flux, SURF_BRIGHT=2 * flux, RF_FLUX=1.1 * flux,
            RF_SURF_BRIGHT=2.2 * flux, RF_BACKGROUND=0 * flux,
        )  # fmt: skip
        meta = Meta({
            "instrument.name": "MIRI", "instrument.channel": channel,
            "instrument.band": bands[channel], "exposure.type": "MIR_MRS",
            "telescope": "JWST", "filename": f"a{channel}_x1d.fits",
        })  # fmt: skip
        parts[f"ch{channel}"] = Spectra(meta=meta, spectra=(table,))
        path = io.write(parts[f"ch{channel}"], tmp_path / f"a{channel}_x1d.fits")
        content = SLICER["content_of"](path)
        models.append({"type": "MRSMultiSpecModel", "content": content, "suffix": ".fits"})
    leaks = np.array(
        [(11.9, 0.001, 0), (12.2, 0.03, 0), (12.7, 0.002, 0)],
        [("wavelength", "f4"), ("frac_leak", "f4"), ("err_leak", "f4")],
    )
    job = {
        "kind": "step", "step": "SpectralLeakStep", "parameters": {}, "input": {"models": models},
        "references": {"mrsptcorr": {"type": "MirMrsPtCorrModel", "meta": MADE,
                                     "attributes": {"leakcor_table": leaks}}},
        "keep": {"attributes": ["spec.0.spec_table"]}, "members": [],
    }  # fmt: skip
    found = reference_pipeline.answer(job)["results"][1]["attributes"]["spec.0.spec_table"]
    step = SpectralLeak(surface_brightness=False)
    ours = step(Parts(parts), mrsptcorr=LeakReference(meta=EMPTY, table=leaks))
    table = ours.parts["ch3"].spectra[0].table
    assert np.abs(table["FLUX"] - parts["ch3"].spectra[0].table["FLUX"]).max() > 0.05
    for name in ("FLUX", "RF_FLUX", "SURF_BRIGHT", "RF_SURF_BRIGHT", "FLUX_ERROR"):
        np.testing.assert_allclose(table[name], found[name], rtol=1e-12, err_msg=name)


def test_pixel_replace(reference_pipeline, make_meta):
    shape = (60, 64)
    image = image_of(make_meta, shape)
    rng = np.random.default_rng(4)
    dq = image.dq | np.where(rng.random(shape) < 0.02, np.uint32(513), np.uint32(0))
    data = image.data.copy()
    data[rng.random(shape) < 0.05] = np.nan
    image = image.replace(data=data, dq=dq, var_flat=image.var_rnoise)
    theirs = reference_pipeline.step("PixelReplaceStep", image, {}, model="IFUImageModel")
    ours = PixelReplace(rule="gradient", flagged="count")(image)
    inside = np.s_[2:-1, 2:-1]
    for name in (*PLANES, "dq"):
        one, other = (np.asarray(getattr(answer, name))[inside] for answer in (ours, theirs))
        np.testing.assert_allclose(one, other, rtol=1e-6, err_msg=name)
