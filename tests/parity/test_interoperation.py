"""The reference pipeline opens our products, coordinates included, and we open its."""

import json
from pathlib import Path

import astropy.units as u
import gwcs
import numpy as np
import pytest
from astropy import coordinates
from astropy.modeling import models
from gwcs import coordinate_frames

from calcore import io
from calcore.model import Image, Meta, Mosaic, Ramp, Rate, Segmentation, Window

NY, NX = 32, 48
X, Y = np.meshgrid(np.linspace(0, NX - 1, 7), np.linspace(0, NY - 1, 5))

# Run by the reference pipeline's interpreter: open a product, say what it holds, write it again.
READER = """
import json, sys, warnings
import numpy as np
from stdatamodels.jwst import datamodels

warnings.simplefilter("error")
job = json.loads(open(sys.argv[1]).read())
said = {}
with datamodels.open(job["path"]) as model:
    model.validate()
    said["model"] = type(model).__name__
    arrays = {}
    for name in job["arrays"]:
        value = getattr(model, name, None)
        if value is not None:
            arrays[name] = np.asarray(value)
    wcs = getattr(model.meta, "wcs", None)
    if wcs is not None:
        x, y = np.array(job["x"]), np.array(job["y"])
        arrays["ra"], arrays["dec"] = wcs(x, y)
        back = wcs.invert(arrays["ra"], arrays["dec"])
        arrays["back_x"], arrays["back_y"] = back
        said["bounding_box"] = [list(map(float, interval)) for interval in wcs.bounding_box]
        said["frames"] = list(wcs.available_frames)
    flat = model.to_flat_dict(include_arrays=False)
    said["meta"] = {k[5:]: v for k, v in flat.items() if k.startswith("meta.") and
                    isinstance(v, (str, int, float, bool)) and ".wcs." not in k}
    said["int_times"] = [list(map(float, row)) for row in getattr(model, "int_times", None) or []] \\
        if job.get("int_times") else None
    model.save(job["copy"])
np.savez(job["npz"], **arrays)
open(job["said"], "w").write(json.dumps(said))
"""


@pytest.fixture
def theirs(reference_pipeline, tmp_path):
    """Return a function that opens a product with the reference pipeline's data models."""
    reference_pipeline.require()
    program, asked, log = (tmp_path / name for name in ("reader.py", "job.json", "reader.log"))
    program.write_text(READER)

    def read(path, *arrays, **job):
        job |= {
            "path": str(path),
            "arrays": arrays,
            "x": X.tolist(),
            "y": Y.tolist(),
            "npz": str(tmp_path / "arrays.npz"),
            "said": str(tmp_path / "said.json"),
            "copy": str(tmp_path / f"copy_{Path(path).name}"),
        }
        asked.write_text(json.dumps(job))
        assert reference_pipeline.program(program, asked, log=log) == 0, log.read_text()
        said = json.loads((tmp_path / "said.json").read_text())
        with np.load(job["npz"]) as kept:
            said["arrays"] = dict(kept)
        said["copy"] = job["copy"]
        return said

    return read


@pytest.fixture
def meta():
    return Meta(
        {
            "telescope": "JWST",
            "instrument.name": "MIRI",
            "instrument.detector": "MIRIMAGE",
            "instrument.filter": "F770W",
            "exposure.type": "MIR_IMAGE",
            "exposure.group_time": 2.775,
            "exposure.nints": 2,
            "exposure.effective_exposure_time": 27.75,
            "observation.date": "2026-01-02",
            "visit.tsovisit": False,
            "program.title": "A title that is longer than one card can hold, as titles are: " * 2,
            "subarray.xsize": NX,
            "subarray.ysize": NY,
            "subarray.xstart": 1,
            "subarray.ystart": 1,
            "bunit_data": "MJy/sr",
            "bunit_err": "MJy/sr",
            "photometry.conversion_megajanskys": 0.5,
            "photometry.pixelarea_steradians": 2.8e-13,
            "wcsinfo.ra_ref": 359.9,
            "wcsinfo.s_region": "POLYGON ICRS  1.0 2.0 3.0 4.0 5.0 6.0 7.0 8.0",
            "cal_step.flat_field": "COMPLETE",
            "cal_step.jump": "SKIPPED",
            "ref_file.flat.name": "crds://some_flat_0001.fits",
        }
    )


@pytest.fixture
def wcs():
    """A distorted field across RA 0."""
    bent = (
        models.Polynomial2D(3, c0_0=0.1, c1_0=1.0, c1_1=1e-5, c3_0=1e-8),
        models.Polynomial2D(3, c0_1=1.0, c2_0=3e-6),
    )
    inverse = models.Polynomial2D(1, c0_0=-0.1, c1_0=1.0), models.Polynomial2D(1, c0_1=1.0)
    distortion = models.Mapping((0, 1, 0, 1)) | bent[0] & bent[1]
    distortion.inverse = models.Mapping((0, 1, 0, 1)) | inverse[0] & inverse[1]
    to_angles = models.Shift(-20) & models.Shift(-12) | distortion
    to_sky = (
        models.Scale(3e-5) & models.Scale(3e-5)
        | models.Pix2Sky_TAN()
        | models.RotateNative2Celestial(359.9999, -69.1, 200)
    )
    detector = coordinate_frames.Frame2D(name="detector", axes_order=(0, 1), unit=(u.pix, u.pix))
    angles = coordinate_frames.Frame2D(
        name="v2v3", axes_order=(0, 1), axes_names=("v2", "v3"), unit=(u.arcsec, u.arcsec)
    )
    world = coordinate_frames.CelestialFrame(reference_frame=coordinates.ICRS(), name="world")
    result = gwcs.WCS([(detector, to_angles), (angles, to_sky), (world, None)])
    result.bounding_box = ((-0.5, NX - 0.5), (-0.5, NY - 0.5))
    return result


def planes(rng, *names, shape=(NY, NX)):
    made = {name: rng.normal(size=shape).astype("f4") for name in names}
    made["dq"] = rng.integers(0, 2**32, shape, "u4")
    made["data"][..., 0, 0] = np.nan
    return made


def check(said, record, names):
    for name in names:
        ours = getattr(record, name)
        assert np.array_equal(said["arrays"][name], ours, equal_nan=ours.dtype.kind == "f"), name
    for name, value in record.meta.items():
        if name not in {"date", "filename", "model_type"}:
            assert said["meta"][name] == (value.rstrip() if isinstance(value, str) else value), name


def check_wcs(said, wcs):
    ra, dec = wcs(X, Y)
    assert np.array_equal(said["arrays"]["ra"], ra)
    assert np.array_equal(said["arrays"]["dec"], dec)
    back = wcs.invert(ra, dec)
    assert np.array_equal(said["arrays"]["back_x"], back[0])
    assert said["bounding_box"] == [[-0.5, NX - 0.5], [-0.5, NY - 0.5]]
    assert said["frames"] == wcs.available_frames


def check_copy(said, record, names, kind, wcs=None):
    """Read what the reference pipeline has written from ours, and write it once more."""
    copy = io.open(said["copy"])
    assert type(copy) is kind
    for name in names:
        ours = getattr(record, name)
        assert np.array_equal(getattr(copy, name), ours, equal_nan=ours.dtype.kind == "f"), name
    same = {name for name in record.meta if name not in {"date", "filename", "model_type"}}
    assert {name: copy.meta[name] for name in same} == {
        name: value.rstrip() if isinstance(value, str) else value
        for name, value in record.meta.items()
        if name in same
    }
    if wcs is not None:
        assert np.array_equal(copy.wcs(X, Y), wcs(X, Y))
    again = io.open(io.write(copy, Path(said["copy"]).with_name("again.fits")), kind)
    assert np.array_equal(again.data, record.data, equal_nan=True)


def test_rate(theirs, meta, tmp_path, rng):
    names = ("data", "err", "var_poisson", "var_rnoise")
    rate = Rate(meta=meta.set(bunit_data="DN/s", bunit_err="DN/s"), **planes(rng, *names))
    with io.ProductWriter(
        tmp_path / "a_rate.fits", Rate, meta, dict.fromkeys((*names, "dq"), (NY, NX))
    ) as product:
        for row in range(0, NY, 5):
            window = Window(row, min(row + 5, NY), 0, NX, NY, NX)
            product.put(window, rate.cut(window))
        product.close(rate.meta, record_tree={"calcore": {"steps": [{"jump": 4.0}]}})
    said = theirs(tmp_path / "a_rate.fits", *names, "dq")
    assert said["model"] == "ImageModel"
    check(said, rate, (*names, "dq"))
    check_copy(said, rate, (*names, "dq"), Rate)
    assert io.read_node(said["copy"], "calcore") == {"steps": [{"jump": 4.0}]}


def test_rateints(theirs, meta, tmp_path, rng):
    names = ("data", "err", "var_poisson", "var_rnoise")
    columns = [("integration_number", "i4")]
    columns += [(name, "f8") for name in (
        "int_start_MJD_UTC", "int_mid_MJD_UTC", "int_end_MJD_UTC",
        "int_start_BJD_TDB", "int_mid_BJD_TDB", "int_end_BJD_TDB",
    )]  # fmt: skip
    times = np.zeros(2, columns)
    times["integration_number"] = 1, 2
    times["int_mid_BJD_TDB"] = 60000.25, 60000.5
    rate = Rate(meta=meta, int_times=times, **planes(rng, *names, shape=(2, NY, NX)))
    io.write(rate, tmp_path / "a_rateints.fits")
    said = theirs(tmp_path / "a_rateints.fits", *names, "dq", "int_times")
    assert said["model"] == "CubeModel"
    check(said, rate, (*names, "dq"))
    for name in times.dtype.names:
        assert np.array_equal(said["arrays"]["int_times"][name], times[name])
    copy = io.open(said["copy"], Rate)
    assert copy.int_times.dtype.names == times.dtype.names
    assert np.array_equal(copy.int_times, times)


def test_cal(theirs, meta, wcs, tmp_path, rng):
    names = ("data", "err", "var_poisson", "var_rnoise", "var_flat", "area")
    image = Image(meta=meta, wcs=wcs, **planes(rng, *names))
    io.write(image, tmp_path / "a_cal.fits")
    said = theirs(tmp_path / "a_cal.fits", *names, "dq")
    assert said["model"] == "ImageModel"
    check(said, image, (*names, "dq"))
    check_wcs(said, wcs)
    check_copy(said, image, (*names, "dq"), Image, wcs)


def test_i2d(theirs, meta, wcs, tmp_path, rng):
    names = ("data", "err", "wht", "var_poisson", "var_rnoise", "var_flat")
    more = {name: value for name, value in planes(rng, *names).items() if name != "dq"}
    con = rng.integers(0, 2**31, (2, NY, NX), "i4")
    mosaic = Mosaic(meta=meta, wcs=wcs, con=con, **more)
    io.write(mosaic, tmp_path / "a_i2d.fits")
    said = theirs(tmp_path / "a_i2d.fits", *names, "con")
    assert said["model"] == "ImageModel"
    check(said, mosaic, (*names, "con"))
    check_wcs(said, wcs)
    check_copy(said, mosaic, (*names, "con"), Mosaic, wcs)


def test_segm(theirs, meta, wcs, tmp_path, rng):
    meta = meta.set(bunit_data=None, bunit_err=None)  # labels have no unit
    segments = Segmentation(meta=meta, data=rng.integers(0, 2**32, (NY, NX), "u4"), wcs=wcs)
    io.write(segments, tmp_path / "a_segm.fits")
    said = theirs(tmp_path / "a_segm.fits", "data")
    assert said["model"] == "SegmentationMapModel"
    check(said, segments, ("data",))


@pytest.mark.parametrize("raw", [True, False])
def test_ramp(theirs, meta, tmp_path, rng, raw):
    shape = (2, 3, NY, NX)
    counts = rng.integers(0, 65535, shape, "u2", endpoint=True)
    ramp = Ramp(
        meta=meta.set(bunit_data="DN", bunit_err=None),
        data=counts if raw else counts.astype("f4"),
        groupdq=None if raw else rng.integers(0, 255, shape, "u1"),
        pixeldq=None if raw else rng.integers(0, 2**32, shape[-2:], "u4"),
        zeroframe=counts[:, 0] if raw else counts[:, 0].astype("f4"),
    )
    path = io.write(ramp, tmp_path / ("a_uncal.fits" if raw else "a_ramp.fits"))
    names = ("data", "zeroframe") if raw else ("data", "groupdq", "pixeldq", "zeroframe")
    said = theirs(path, *names)
    assert said["model"] == ("Level1bModel" if raw else "RampModel")
    check(said, ramp, names)
    copy = io.open(said["copy"])
    assert np.array_equal(copy.data, counts)


@pytest.fixture
def rng():
    return np.random.default_rng(11)
