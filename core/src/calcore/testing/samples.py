"""Ready exposures and references of an imaginary detector: small, seeded, and full of the usual trouble.

They are what a step should be tried with first: sources, noise, hits, saturated, bad and reference
pixels. Values are those of a near-infrared detector, roughly.
"""

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields
from typing import Any, get_type_hints

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model import (
    Detector,
    ExposureType,
    Facts,
    Group,
    Image,
    Meta,
    Mosaic,
    Ramp,
    Rate,
    Reference,
)  # fmt: skip
from calcore.model.layout import Plane, fields_of
from calcore.model.reference import Distortion
from calcore.step import Step, diet_of
from calcore.testing.contract import Case

GAIN, READ_NOISE, FULL_WELL = 2.0, 5.0, 3e4
FRAME_TIME_S = 10.0
SCALE = 0.1
"""Size of a pixel [arcsec]."""
_BORDER = 4
_USUAL: Mapping[str, float] = {
    "gain": GAIN, "readnoise": READ_NOISE, "saturation": FULL_WELL, "superbias": 100.0,
    "flat": 0.9, "area": 1.0, "dark": 0.1, "persat": FULL_WELL,
}  # fmt: skip
"""Values of references that have one; planes of others hold 1, and flags 0."""


def metadata(rows: int, columns: int, **more: Any) -> Meta:
    """Return metadata of an exposure of the imaginary detector.

    Parameters
    ----------
    rows, columns : int
        Size of the detector, which is read whole.
    **more
        Further values by dotted names, with ``__`` for the dot: ``exposure__ngroups=8``.
    """
    detector = Detector(
        name="DETECTOR", rows=rows, columns=columns, reference_rows=(_BORDER, _BORDER),
        reference_columns=(_BORDER, _BORDER), fast_axis=1, slow_axis=2, outputs=4,
    )  # fmt: skip
    values = {
        "telescope": "JWST", "instrument.name": "IMAGINARY", "instrument.detector": "DETECTOR",
        "exposure.type": "IMAGE", "exposure.nints": 1, "exposure.nframes": 1, "exposure.groupgap": 0,
        "exposure.noutputs": 4, "exposure.frame_time": FRAME_TIME_S,
        "exposure.group_time": FRAME_TIME_S, "exposure.readpatt": "FAST",
        "exposure.start_time": 60000.0, "exposure.exposure_time": FRAME_TIME_S,
        "exposure.measurement_time": FRAME_TIME_S,
        "subarray.name": "FULL", "subarray.xstart": 1, "subarray.ystart": 1,
        "subarray.xsize": columns, "subarray.ysize": rows, "subarray.fastaxis": 1,
        "subarray.slowaxis": 2, "instrument.filter": "F1", "instrument.pupil": "CLEAR",
        "wcsinfo.ra_ref": 10.0, "wcsinfo.dec_ref": 20.0, "wcsinfo.roll_ref": 0.0,
        "wcsinfo.v2_ref": 100.0, "wcsinfo.v3_ref": -50.0, "wcsinfo.v3yangle": 0.0,
        "wcsinfo.vparity": -1, "observation.date": "2026-01-01", "observation.time": "00:00:00.0",
        **{name.replace("__", "."): value for name, value in more.items()},
    }  # fmt: skip
    return Meta(values, Facts(detector, ExposureType(name="IMAGE")))


def sky(rows: int, columns: int, *, seed: int = 1) -> NDArray[np.float32]:
    """Return a scene: background and a few round sources, (ny, nx) [DN/s]."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:rows, :columns]
    scene = np.full((rows, columns), 1.0)
    for _ in range(3):
        at = rng.uniform(0.25, 0.75, 2) * (rows, columns)
        scene += rng.uniform(10, 60) * np.exp(-((y - at[0]) ** 2 + (x - at[1]) ** 2) / 4.0)
    return scene.astype(np.float32)


def a_ramp(
    shape: tuple[int, int, int, int] = (2, 8, 32, 40), *, hits: int = 4, seed: int = 1, **more: Any
) -> Ramp:
    """Return ramps (n_int, n_group, ny, nx) [DN] of a scene.

    A few pixels are hit in the fifth group (or the last), one is saturated from its third group on,
    one is flagged DO_NOT_USE; the four outermost rows and columns are reference pixels.

    Parameters
    ----------
    shape : tuple of int
        Integrations, groups, rows, columns.
    hits : int
        So many pixels are hit in each integration.
    seed : int
        The same gives the same ramps.
    **more
        Further metadata; see `metadata`.
    """
    rng = np.random.default_rng(seed)
    n_int, n_group, rows, columns = shape
    scene = sky(rows, columns, seed=seed)
    photons = rng.poisson(scene * FRAME_TIME_S * GAIN, shape) / GAIN
    data = np.cumsum(photons, axis=1) + rng.normal(0, READ_NOISE / np.sqrt(2), shape) + 100.0
    groupdq = np.zeros(shape, np.uint8)
    pixeldq = np.zeros((rows, columns), np.uint32)
    border = np.ones((rows, columns), bool)
    border[_BORDER:-_BORDER, _BORDER:-_BORDER] = False
    pixeldq[border] |= np.uint32(DQ.REFERENCE_PIXEL | DQ.DO_NOT_USE)
    data[..., border] = 100.0 + rng.normal(0, READ_NOISE, (n_int, n_group, int(border.sum())))
    for integration in range(n_int):
        for _ in range(hits):
            y, x = rng.integers(_BORDER, (rows - _BORDER, columns - _BORDER))
            data[integration, min(4, n_group - 1) :, y, x] += rng.uniform(200, 2000)
    data[:, 2:, rows // 2, columns // 2] = 2 * FULL_WELL
    groupdq[:, 2:, rows // 2, columns // 2] |= np.uint8(DQ.SATURATED)
    pixeldq[rows // 3, columns // 3] |= np.uint32(DQ.DO_NOT_USE)
    numbers = {"exposure__nints": n_int, "exposure__ngroups": n_group}
    return Ramp(
        meta=metadata(rows, columns, **{**numbers, **more}),
        data=data.astype(np.float32),
        groupdq=groupdq,
        pixeldq=pixeldq,
    )


def _planes(shape: tuple[int, ...], seed: int) -> dict[str, Any]:
    """Return the planes of an image: one pixel is NaN, one flagged."""
    rng = np.random.default_rng(seed)
    rows, columns = shape[-2:]
    scene = np.broadcast_to(sky(rows, columns, seed=seed), shape)
    poisson, read = scene / 100.0, np.full(shape, 0.04, np.float32)
    err = np.sqrt(poisson + read).astype(np.float32)
    data = (scene + rng.normal(size=shape) * err).astype(np.float32)
    dq = np.zeros(shape, np.uint32)
    data[..., rows // 2, columns // 3] = np.nan
    dq[..., rows // 2, columns // 3] = np.uint32(DQ.DO_NOT_USE)
    dq[..., rows // 3, columns // 2] = np.uint32(DQ.JUMP_DET)
    return {
        "data": data,
        "err": err,
        "dq": dq,
        "var_poisson": poisson.astype(np.float32),
        "var_rnoise": read,
    }


def a_rate(shape: tuple[int, ...] = (32, 40), *, seed: int = 1, **more: Any) -> Rate:
    """Return count rates ([n_int,] ny, nx) [DN/s] of a scene."""
    return Rate(
        meta=metadata(*shape[-2:], **{"bunit_data": "DN/s", **more}), **_planes(shape, seed)
    )


def an_image(shape: tuple[int, ...] = (32, 40), *, seed: int = 1, **more: Any) -> Image:
    """Return a calibrated exposure ([n_int,] ny, nx) [MJy/sr] of a scene, with a WCS."""
    from calcore.steps.calibration.assign_wcs import AssignWcs  # noqa: PLC0415 - heavy

    pixel = {"arcsecsq": SCALE**2, "steradians": np.radians(SCALE / 3600) ** 2}
    known = {f"photometry__pixelarea_{unit}": float(area) for unit, area in pixel.items()}
    meta = metadata(*shape[-2:], **{"bunit_data": "MJy/sr", **known, **more})
    image = Image(meta=meta, **_planes(shape, seed))
    placed: Image = AssignWcs()(image, distortion=a_reference(Distortion, image))
    return placed


def a_group(count: int = 3, shape: tuple[int, int] = (32, 40)) -> Group[Image]:
    """Return calibrated exposures of one detector, the last one first."""
    members = [
        an_image(shape, seed=1 + n, exposure__start_time=60000.0 + n, filename=f"exposure{n}.fits")
        for n in reversed(range(count))
    ]
    return Group("product", tuple(members))


def a_mosaic() -> Mosaic:
    """Return what `a_group` gives when it is combined."""
    from calcore.steps.combination.resample import Resample  # noqa: PLC0415 - heavy

    mosaic: Mosaic = Resample()(a_group())
    return mosaic


def a_reference(kind: type[Reference], flow: Any = None, **planes: Any) -> Any:
    """Return a reference of a class, for an exposure.

    Parameters
    ----------
    kind : type
        The class; planes it declares as optional are left out.
    flow : Record, optional
        The exposure, whose size it has; `a_ramp` by default.
    **planes
        Fields of your own choice.

    Raises
    ------
    ValueError
        It holds something that cannot be made up, such as a table of its own kind; give that one.
    """
    flow = a_ramp() if flow is None else flow
    rows, columns = flow.frame.frame_rows, flow.frame.frame_columns
    sizes = {"y": rows, "x": columns, "n_int": 1, "n_group": 1, "coefficient": 3}
    sizes |= dict(zip(("n_int", "n_group"), getattr(flow, "data").shape[:-2], strict=False))  # noqa: B009
    level, made = _USUAL.get(kind.type, 1.0), _planes_of(kind)
    for name, plane in made.items():
        if name in planes or _is_optional(kind, name):
            continue
        shape = tuple(sizes.get(axis, 1) for axis in plane.axes)
        flags = plane.dtype.startswith("u")
        value = np.full(shape, 0 if flags else level, np.dtype(plane.dtype))
        if "coefficient" in plane.axes:  # a polynomial that changes nothing
            value[:] = np.array([0, 1, 0], value.dtype)[:, None, None]
        planes[name] = value
    if kind.type in _MADE:
        planes = {**_MADE[kind.type](rows, columns), **planes}
    needed = [f.name for f in fields(kind) if f.default is f.default_factory is MISSING and f.init]
    lacks = [name for name in needed if name not in {"meta", *planes}]
    if lacks:
        raise ValueError(
            f"a reference of type {kind.type} cannot be made up: it needs {' and '.join(lacks)}; "
            f"give that to a_reference({kind.__name__}, …)"
        )
    return kind(meta=Meta({"filename": f"{kind.type}.fits"}), **planes)


def _distortion(rows: int, columns: int) -> dict[str, Any]:
    from astropy.modeling.models import Scale, Shift  # noqa: PLC0415 - heavy

    middle = Shift(-(columns - 1) / 2) & Shift(-(rows - 1) / 2)
    return {"model": middle | Scale(SCALE) & Scale(SCALE) | Shift(100.0) & Shift(-50.0)}


def _adcinl(_rows: int, _columns: int) -> dict[str, Any]:
    table = np.zeros(1024, [("counts", "f8"), ("deviation", "f8")])
    table["counts"] = np.linspace(0, 65536, table.size)
    table["deviation"] = 2e-4 * table["counts"] * np.sin(table["counts"] / 163)
    return {"table": table}


def _apcorr(_rows: int, _columns: int) -> dict[str, Any]:
    names = ("eefraction", "radius", "apcorr", "skyin", "skyout")
    rows = [("F1", share, radius, 1 / share, 6, 9) for share, radius in _ENERGIES]
    return {"table": np.array(rows, [("filter", "U2"), *((name, "f4") for name in names)])}


_ENERGIES = ((0.3, 0.8), (0.5, 1.1), (0.7, 1.5))
"""Shares of a source's light in circles of some radii [pixel]."""
_MADE: Mapping[str, Callable[[int, int], dict[str, Any]]] = {
    "abvegaoffset": lambda *_: {"table": {"filter": ["F1"], "abvega_offset": [4.4]}},
    "adcinl": _adcinl,
    "apcorr": _apcorr,
    "distortion": _distortion,
    "ipc": lambda *_: {"data": np.array([[0, 1, 0], [1, 96, 1], [0, 1, 0]], "f4") / 100},
    "photom": lambda *_: {"table": np.array([("F1", 0.2)], [("filter", "U2"), ("photmjsr", "f4")])},
}
"""References that hold something else than planes of the detector's size."""


def _planes_of(kind: Any) -> dict[str, Plane]:
    return fields_of(kind, Plane)


def _is_optional(kind: type[Reference], name: str) -> bool:
    return type(None) in getattr(get_type_hints(kind).get(name), "__args__", ())


def a_case(kind: type[Step]) -> Case:
    """Return a case for `StepContract`: the step as it comes, an exposure, and made-up references.

    Raises
    ------
    ValueError
        The step works on, or asks for, what cannot be made up.
    """
    step: Any = kind
    diet = diet_of(step)
    flows: Mapping[Any, Callable[[], Any]] = {
        Ramp: a_ramp, Rate: a_rate, Image: an_image, Mosaic: a_mosaic,
    }  # fmt: skip
    if diet.grouped and diet.flow in {Image, Rate}:
        flow: Any = a_group()
    elif diet.flow in flows:
        flow = flows[diet.flow]()
    else:
        raise ValueError(f"a {diet.flow.__name__} cannot be made up")
    if diet.auxiliaries or any(record not in flows for record, _ in diet.members.values()):
        raise ValueError("files, and such members of associations, cannot be made up")
    built = kind()
    first = flow.members[0] if diet.grouped else flow
    wanted = built.wanted(first.meta)
    given: dict[str, Any] = {
        wish.argument: a_reference(wish.kind, first)
        if wish.kind.type in wanted and not wish.optional
        else None
        for wish in diet.references
    }
    for name, (record, _) in diet.members.items():
        given[name] = (flows[record](), flows[record]())
    if diet.state is not None:
        given[diet.state[0]] = None
    return Case(built, flow, given)
