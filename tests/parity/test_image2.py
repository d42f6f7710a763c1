"""Stage 2 of imaging, step by step, against the reference pipeline."""

from importlib.resources import files
from io import BytesIO

import asdf
import numpy as np
import pytest
from astropy import units as u

from calcore import io
from calcore.model import Image, Meta
from calcore.model.reference import Area, Distortion, FilterOffset, Flat, Photom
from calcore.simulate.geometry import distortion_model
from calcore.simulate.tables import load_detectors
from calcore.steps.calibration.assign_wcs import AssignWcs
from calcore.steps.calibration.bkg_subtract import BkgSubtract
from calcore.steps.calibration.flat_field import FlatField
from calcore.steps.calibration.photom import Photom as PhotomStep

PLUGINS = {"MIRIMAGE": "calcore_miri", "NRCA1": "calcore_nircam", "NRCALONG": "calcore_nircam",
           "NIS": "calcore_niriss", "GUIDER1": "calcore_fgs"}  # fmt: skip
IN_A_REFERENCE = {
    "description": "made for a test", "author": "calcore", "pedigree": "DUMMY",
    "useafter": "2020-01-01T00:00:00", "telescope": "JWST",
}  # fmt: skip
UNUSED = (
    "specwcs", "regions", "wavelengthrange", "camera", "chromcorr", "collimator", "disperser",
    "fore", "fpa", "msa", "ote", "ifupost", "ifufore", "ifuslicer",
)  # fmt: skip
PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")
NOT_COMPARED = ("wcs.", "date", "model_type", "filename", "cal_step", "ref_file")


def detector_of(name):
    return load_detectors(files(PLUGINS[name]) / "tables" / "apertures.toml")[name]


def image_of(make_meta, name, shape, *, seed=2, corner=(1, 1), subarray="FULL", n_int=0, **more):
    aperture = detector_of(name).full
    meta = make_meta(
        name,
        (n_int or 1, 5, *shape),
        subarray=subarray,
        start=corner,
        **{
            "exposure__mid_time": 59800.02,
            "exposure__end_time": 59800.04,
            "bunit_data": "DN/s",
            "bunit_err": "DN/s",
            "wcsinfo__ra_ref": 359.995,
            "wcsinfo__dec_ref": -69.0,
            "wcsinfo__roll_ref": 123.4,
            "wcsinfo__v2_ref": aperture.v2_ref_arcsec,
            "wcsinfo__v3_ref": aperture.v3_ref_arcsec,
            "wcsinfo__v3yangle": aperture.v3_idl_y_angle_deg,
            "wcsinfo__vparity": aperture.v_idl_parity,
            "velocity_aberration__scale_factor": 1.00007,
            **more,
        },
    )
    rng = np.random.default_rng(seed)
    shape = (n_int, *shape) if n_int else shape
    data = rng.gamma(2.0, 5.0, shape).astype(np.float32) - np.float32(3)
    dq = (rng.random(shape) < 0.05).astype(np.uint32) * np.uint32(1)
    dq |= (rng.random(shape) < 0.05).astype(np.uint32) * np.uint32(4)
    data[rng.random(shape) < 0.03] = np.nan
    var_poisson = rng.gamma(3.0, 0.1, shape).astype(np.float32)
    var_rnoise = rng.gamma(3.0, 0.05, shape).astype(np.float32)
    return Image(
        meta=meta,
        data=data,
        err=np.sqrt(var_poisson + var_rnoise),
        dq=dq,
        var_poisson=var_poisson,
        var_rnoise=var_rnoise,
    )


def asdf_reference(kind, tree):
    """Return a reference kept as ASDF as the reference pipeline is given it."""
    buffer = BytesIO()
    names = {"reftype": kind, "instrument": {"name": "MIRI", "detector": "MIRIMAGE"}}
    asdf.AsdfFile({"meta": {**IN_A_REFERENCE, **names, **tree.pop("meta", {})}, **tree}).write_to(
        buffer
    )
    content = np.frombuffer(buffer.getvalue(), np.uint8)
    return {"type": f"{kind.capitalize()}Model", "content": content, "suffix": ".asdf"}


def world_references(model, offsets):
    units = {"input_units": u.pix, "output_units": u.arcsec, "exposure": {"type": "MIR_IMAGE"}}
    theirs = {"distortion": asdf_reference("distortion", {"model": model, "meta": units})}
    ours = {"distortion": Distortion(meta=Meta({}), model=model)}
    if offsets:
        theirs["filteroffset"] = asdf_reference("filteroffset", {"filters": offsets})
        ours["filter_offset"] = FilterOffset(meta=Meta({}), filters=offsets)
    else:
        theirs["filteroffset"] = "N/A"
    return ours, theirs | dict.fromkeys(UNUSED, "N/A")


def differing_keywords(ours, theirs, tolerance=1e-6):
    """Return the names of metadata that differ, of those the reference pipeline set."""
    wrong = {}
    for name, value in theirs.meta.items():
        if name == "wcs" or name.startswith(NOT_COMPARED):
            continue
        own = ours.meta.get(name)
        same = own == value
        if isinstance(value, float) and isinstance(own, int | float):
            same = np.isclose(own, value, rtol=tolerance, atol=0)
        if value is not None and not same:
            wrong[name] = (own, value)
    return wrong


OFFSETS = [
    {"filter": "F1000W", "pupil": "N/A", "column_offset": 3.0, "row_offset": 3.0},
    {"filter": "F770W", "pupil": "N/A", "column_offset": -0.14, "row_offset": 0.62},
]
CASES = {
    "interleaved, box and offset": ("MIRIMAGE", (1024, 1032), (1, 1), True, OFFSETS, {}),
    "no box": ("MIRIMAGE", (1024, 1032), (1, 1), False, None, {}),
    "sub-array": ("MIRIMAGE", (256, 256), (413, 51), True, OFFSETS, {}),
    "corner in one axis": ("MIRIMAGE", (416, 72), (1, 529), False, OFFSETS, {}),
    "short wave": ("NRCA1", (2048, 2048), (1, 1), False, None, {}),
    "long wave, unknown velocity": (
        "NRCALONG", (2048, 2048), (1, 1), False, None, {"velocity_aberration__scale_factor": None}
    ),
    "reference pixel given": (
        "NRCA1", (2048, 2048), (1, 1), False, None,
        {"wcsinfo__crpix1": 1000.5, "wcsinfo__crpix2": 1100.5, "wcsinfo__pc1_1": -1.0,
         "wcsinfo__cdelt1": 1e-5},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_assign_wcs(reference_pipeline, make_meta, case):
    name, shape, corner, box, offsets, more = CASES[case]
    detector = detector_of(name)
    model = distortion_model(detector)
    if box:
        model.bounding_box = ((-0.5, detector.ny - 0.5), (3.5, detector.nx - 4.5))
    image = image_of(
        make_meta, "NRCA1" if name == "NRCALONG" else name, (8, 8), corner=corner, **more
    )
    # The transform does not look at pixels: one value stands for the frame.
    plane = np.broadcast_to(np.float32(1), shape)
    image = image.replace(
        data=np.ascontiguousarray(plane),
        err=np.ascontiguousarray(plane),
        dq=np.zeros(shape, np.uint32),
        var_poisson=None,
        var_rnoise=None,
        meta=image.meta.set({"subarray.xsize": shape[1], "subarray.ysize": shape[0]}),
    )
    given, references = world_references(model, offsets)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(0, shape[1] - 1, 500), rng.uniform(0, shape[0] - 1, 500)
    theirs = reference_pipeline.step(
        "AssignWcsStep", image, references, keep={"pixels": [x, y], "attributes": []}
    )
    ours = AssignWcs()(image, **given)
    back = np.stack(ours.wcs.invert(*theirs.world, with_bounding_box=False))
    distance = np.hypot(*(back - theirs.pixel)).max()
    assert distance < 1e-6
    np.testing.assert_allclose(
        np.stack(ours.wcs(x, y, with_bounding_box=False)), theirs.world, rtol=0, atol=1e-11
    )
    assert theirs.meta["wcs.frames"] == list(ours.wcs.available_frames)
    np.testing.assert_array_equal(
        theirs.meta["wcs.box"], ours.wcs.bounding_box.bounding_box(order="F")
    )
    wrong = differing_keywords(ours, theirs)
    assert wrong == {}
    removed = {n for n in ours.meta if n.startswith("wcsinfo.") and theirs.meta.get(n) is None}
    assert removed == set()


@pytest.mark.parametrize("n_int", [0, 3])
@pytest.mark.parametrize("inverse", [False, True])
def test_flat_field(reference_pipeline, make_meta, n_int, inverse):
    image = image_of(make_meta, "MIRIMAGE", (48, 40), n_int=n_int)
    rng = np.random.default_rng(6)
    data = rng.normal(1, 0.05, (48, 40)).astype(np.float32)
    dq = np.zeros((48, 40), np.uint32)
    data[3, :5], data[4, :5] = np.nan, 0
    dq[5, :5], dq[6, :5], dq[7, :5] = 1, 1 << 18, 1 << 10
    err = rng.gamma(4, 0.002, (48, 40)).astype(np.float32)
    err[8, :3] = np.nan
    flat = Flat(meta=Meta({}), data=data, err=err, dq=dq)
    others = dict.fromkeys(("fflat", "sflat", "dflat"), "N/A")
    theirs = reference_pipeline.step(
        "FlatFieldStep", image, {"flat": flat, **others}, inverse=inverse
    )
    ours = FlatField(inverse=inverse)(image, flat=flat)
    check_planes(reference_pipeline, ours, theirs)
    assert differing_keywords(ours, theirs) == {}


def check_planes(reference_pipeline, ours, theirs, tolerance=1e-6):
    reference_pipeline.compare.records(ours, theirs)
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    for name in PLANES:
        if name not in theirs.arrays:
            assert getattr(ours, name) is None
            continue
        np.testing.assert_allclose(
            getattr(ours, name), theirs.arrays[name], rtol=tolerance, atol=1e-30, err_msg=name
        )


def photom_reference(columns, rows, **tables):
    kinds = {"filter": "S12", "pupil": "S12", "subarray": "S17"}

    def table(names, content):
        kinds_of = [(name, kinds.get(name, np.float32)) for name in names]
        return np.array([tuple(row) for row in content], kinds_of)

    meta = {
        **IN_A_REFERENCE, "reftype": "photom", "exposure.type": "MIR_IMAGE",
        "photometry.pixelarea_steradians": 2.8e-13, "photometry.pixelarea_arcsecsq": 0.0119,
    }  # fmt: skip
    return Photom(
        meta=Meta(meta),
        table=table((*columns, "uncertainty"), [(*row, 0.01) for row in rows]),
        **{name: table(*content) for name, content in tables.items()},
    )


FILTER = ("filter", "subarray")
ROWS = [("F770W", "FULL", 0.25), ("F770W", "GENERIC", 0.5), ("F1000W", "FULL", 0.7)]
CHANGES = {
    "linear_in_time": (
        (*FILTER, "t0", "lossperyear"), [(*row[:2], 59700.0, 0.02) for row in ROWS]
    ),
    "exponential_in_time": (
        (*FILTER, "t0", "amplitude", "tau", "const"),
        [(*row[:2], 59600.0, 0.2, 150.0, 0.85) for row in ROWS],
    ),
    "power_law_in_time": (
        (*FILTER, "t0", "year1value", "tsoft", "alpha"),
        [(*row[:2], 59650.0, 0.95, 3.0, -0.07) for row in ROWS],
    ),
}  # fmt: skip


@pytest.mark.parametrize("n_int", [0, 3])
@pytest.mark.parametrize("subarray", ["FULL", "SUB64"])
@pytest.mark.parametrize("change", ["nothing", *CHANGES, "everything"])
def test_photom(reference_pipeline, make_meta, n_int, subarray, change):
    image = image_of(make_meta, "MIRIMAGE", (16, 20), n_int=n_int, subarray=subarray)
    tables = CHANGES if change == "everything" else {k: CHANGES[k] for k in CHANGES if k == change}
    photom = photom_reference((*FILTER, "photmjsr"), ROWS, **tables)
    theirs = reference_pipeline.step("PhotomStep", image, {"photom": photom, "area": "N/A"})
    ours = PhotomStep()(image, photom=photom)
    check_planes(reference_pipeline, ours, theirs)
    assert differing_keywords(ours, theirs) == {}


@pytest.mark.parametrize("options", [{}, {"inverse": True}, {"apply_time_correction": False}])
def test_photom_by_filter_and_pupil_with_area(reference_pipeline, make_meta, options):
    image = image_of(make_meta, "NRCA1", (16, 20))
    names = ("filter", "pupil", "photmjsr")
    photom = photom_reference(names, [("F200W", "CLEAR", 0.3), ("F200W", "F164N", 0.9)])
    rng = np.random.default_rng(1)
    area = Area(
        meta=Meta(
            {
                **IN_A_REFERENCE,
                "photometry.pixelarea_steradians": 2.9e-13,
                "photometry.pixelarea_arcsecsq": 0.0123,
            }
        ),
        data=rng.normal(1, 0.01, (16, 20)).astype(np.float32),
    )
    theirs = reference_pipeline.step(
        "PhotomStep",
        image,
        {"photom": photom, "area": area},
        reference_attributes={"photom": {"model": "NrcImgPhotomModel"}},
        **options,
    )
    ours = PhotomStep(**options)(image, photom=photom, area=area)
    check_planes(reference_pipeline, ours, theirs)
    np.testing.assert_array_equal(ours.area, theirs.area)
    assert differing_keywords(ours, theirs) == {}


@pytest.mark.parametrize(
    ("name", "columns", "rows"),
    [
        ("NIS", ("filter", "pupil"), [("CLEAR", "F200W", 0.3), ("F200W", "CLEARP", 0.9)]),
        ("GUIDER1", (), [(0.08,)]),
    ],
)
def test_photom_by_both_wheels_and_without_any(reference_pipeline, make_meta, name, columns, rows):
    filters = {"instrument__filter": "CLEAR", "instrument__pupil": "F200W"}
    more = filters if columns else dict.fromkeys(filters)
    image = image_of(make_meta, name, (16, 20), **more)
    photom = photom_reference((*columns, "photmjsr"), rows)
    model = "NisImgPhotomModel" if columns else "FgsImgPhotomModel"
    theirs = reference_pipeline.step(
        "PhotomStep", image, {"photom": photom, "area": "N/A"},
        reference_attributes={"photom": {"model": model}},
    )  # fmt: skip
    ours = PhotomStep()(image, photom=photom)
    check_planes(reference_pipeline, ours, theirs)
    assert differing_keywords(ours, theirs) == {}
    assert ours.meta["photometry.conversion_megajanskys"] == pytest.approx(rows[0][-1])


def test_photom_without_a_row_keeps_the_image_as_the_reference_pipeline_does(
    reference_pipeline, make_meta
):
    image = image_of(make_meta, "MIRIMAGE", (16, 20))
    photom = photom_reference((*FILTER, "photmjsr"), [("F1000W", "FULL", 0.3)])
    theirs = reference_pipeline.step("PhotomStep", image, {"photom": photom, "area": "N/A"})
    ours = PhotomStep(missing_row="keep")(image, photom=photom)
    np.testing.assert_array_equal(ours.data, theirs.data)
    assert differing_keywords(ours, theirs) == {}


@pytest.mark.parametrize("n_int", [0, 4])
@pytest.mark.parametrize("options", [{}, {"sigma": 1.5}, {"sigma": 1.5, "maxiters": 1}])
def test_bkg_subtract(reference_pipeline, make_meta, n_int, options):
    image = image_of(make_meta, "MIRIMAGE", (48, 40), n_int=n_int)
    members = [
        image_of(make_meta, "MIRIMAGE", (48, 40), n_int=n_int, seed=10 + k) for k in range(5)
    ]
    theirs = reference_pipeline.step(
        "BackgroundStep", image, {"bkg": "N/A", "wavelengthrange": "N/A"},
        members=members, **options,
    )  # fmt: skip
    ours = BkgSubtract(flags="merge", noise="ignore", **options)(image, backgrounds=tuple(members))
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    np.testing.assert_array_equal(ours.err, theirs.err)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-6, atol=1e-6)
    assert differing_keywords(ours, theirs) == {}


def test_bkg_subtract_of_a_larger_background(reference_pipeline, make_meta):
    image = image_of(make_meta, "MIRIMAGE", (24, 20), corner=(7, 4), subarray="SUB64")
    member = image_of(make_meta, "MIRIMAGE", (64, 64), corner=(2, 3), subarray="SUB128", seed=9)
    theirs = reference_pipeline.step(
        "BackgroundStep", image, {"bkg": "N/A", "wavelengthrange": "N/A"}, members=[member]
    )
    ours = BkgSubtract(flags="merge", noise="ignore")(image, backgrounds=(member,))
    np.testing.assert_array_equal(ours.dq, theirs.dq)
    np.testing.assert_allclose(ours.data, theirs.data, rtol=1e-6, atol=1e-6)


def test_reference_pipeline_reads_our_world_coordinates(reference_pipeline, make_meta, tmp_path):
    model = distortion_model(detector_of("MIRIMAGE"))
    model.bounding_box = ((-0.5, 1023.5), (3.5, 1027.5))
    image = image_of(make_meta, "MIRIMAGE", (1024, 1032))
    given, _ = world_references(model, OFFSETS)
    ours = AssignWcs()(image, **given)
    path = tmp_path / "jw00001001001_01101_00001_mirimage_cal.fits"
    io.write(ours, path)
    rng = np.random.default_rng(5)
    x, y = rng.uniform(4, 1000, 200), rng.uniform(0, 1000, 200)
    theirs = reference_pipeline.open(path, keep={"pixels": [x, y]})
    assert theirs.kind == "ImageModel"
    np.testing.assert_array_equal(theirs.world, np.stack(ours.wcs(x, y, with_bounding_box=False)))
    assert theirs.meta["wcs.box"] == [[3.5, 1027.5], [-0.5, 1023.5]]
    assert np.hypot(*(theirs.pixel - [x, y])).max() < 1e-3
    assert differing_keywords(ours, theirs) == {}
    again = io.open(path, Image)
    np.testing.assert_array_equal(np.stack(again.wcs(x, y, with_bounding_box=False)), theirs.world)
