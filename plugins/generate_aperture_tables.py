"""Write the instruments' tables of apertures from the telescope's aperture file.

A developer runs this after a new release of the aperture file (SIAF, shipped with `pysiaf`, which
calcore does not depend on):  ``python plugins/generate_aperture_tables.py``. It rewrites
``plugins/*/src/calcore_*/tables/apertures.toml``; the differences are reviewed and committed.
"""
# ruff: noqa: INP001 - a script, not a package

from __future__ import annotations

import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any, NamedTuple

import numpy as np

PLUGINS = Path(__file__).parent
ARCSEC = np.pi / 180 / 3600


Window = tuple[int, int, int, int]
_NONE: Mapping[str, Window] = MappingProxyType({})


class Entry(NamedTuple):
    """A detector and the names of its apertures."""

    detector: str
    prefix: str
    channel: str
    module: str
    subarrays: dict[str, str]
    windows: Mapping[str, Window] = _NONE
    """Sub-arrays that the file lacks, or whose apertures are not what is read: first column and row,
    columns, rows. Their reference points are their centres."""
    scale_arcsec: float = 0.0
    """For detectors that form no image of the sky: one that they would have around the first
    aperture's place, with square pixels of this size."""


class Instrument(NamedTuple):
    """What the aperture file does not say of an instrument."""

    siaf: str
    fast_axis: int
    """Axis of the detector frame along which pixels are read: 1 for x, 2 for y."""
    border: tuple[int, int, int, int]
    """Widths of the borders of reference pixels: left, right, bottom, top."""
    detectors: list[Entry]


_IMAGING = ("SUB160", "SUB320", "SUB640")
_POINT = ("SUB64P", "SUB160P", "SUB400P")
_SHORT = {f"NRC{m}{n}": (m, f"NRC{m}{n}", "SHORT") for m in "AB" for n in range(1, 5)}
_LONG = {f"NRC{m}LONG": (m, f"NRC{m}5", "LONG") for m in "AB"}
_POINT_DETECTORS = ("NRCB1", "NRCB5")  # where point sources are observed through sub-arrays
_GUIDER = [f"SUB{n}{place}" for n in (128, 32, 8) for place in ("LL", "DIAG", "CNTR")]
# Time series through grisms: the same rows whatever the filter.
_GRISM = {
    "NRCA1": "NRCA1_GRISMTS{}",
    "NRCA3": "NRCA3_GRISMTS{}",
    "NRCA5": "NRCA5_GRISM{}_F322W2",
}
# Where the file's apertures reach beyond the detector (traces are longer than it), and what is read.
_SOSS = {"SUBSTRIP256": (1, 1793, 2048, 256), "SUBSTRIP96": (1, 1803, 2048, 96)}
# The same rows column by column: reference columns, then one stripe of columns after the other.
_SUPERSTRIPES = {f"SUB{n}STRIPE_SOSS": (1, 1793, n + 4, 256) for n in (17, 60, 204, 680)}
# Stripes of rows with one row of reference pixels each, put together where the read-out begins.
_STRIPE_ROWS = {
    "SUB41STRIPE1_DHS": 41,
    "SUB82STRIPE2_DHS": 82,
    "SUB164STRIPE4_DHS": 164,
    "SUB260STRIPE4_DHS": 260,
}
_STRIPES = {
    name: {
        key: (1, 1 if n in "13" else 2049 - rows, 2048, rows) for key, rows in _STRIPE_ROWS.items()
    }
    for n in "1234"
    for name in (f"NRCA{n}",)
}
# Sub-arrays of the fixed slits follow grating and filter in flight. Here they have one place, about
# the rows on which the file's slits lie seen through the mirror: 1099, 1063, 1025, 992 and 964.
_SLITS = {
    "ALLSLITS": (1, 897, 2048, 256),
    "SUBS200A1": (1, 1067, 2048, 64),
    "SUBS200A2": (1, 1031, 2048, 64),
    "SUBS400A1": (1, 993, 2048, 64),
    "SUBS200B1": (1, 932, 2048, 64),
    "SUB2048": (1, 977, 2048, 32),
    "SUB1024A": (1025, 977, 1024, 32),
    "SUB1024B": (1, 977, 1024, 32),
    "SUB512": (513, 977, 512, 32),
    "SUB512S": (513, 985, 512, 16),
    "SUB32": (1401, 977, 32, 32),
}
_MASKS = ("MASK1065", "MASK1140", "MASK1550", "MASKLYOT")

INSTRUMENTS = {
    "nircam": Instrument(
        "NIRCam",
        1,
        (4, 4, 4, 4),
        [
            Entry(
                name,
                prefix,
                channel,
                module,
                {
                    s: f"{prefix}_{s}"
                    for s in ("FULL", *_IMAGING, *(_POINT if prefix in _POINT_DETECTORS else ()))
                }
                | {
                    f"SUBGRISM{n}": _GRISM[prefix].format(n)
                    for n in ((256, 128, 64) if prefix in _GRISM else ())
                },
                _STRIPES.get(name, _NONE),
            )
            for name, (module, prefix, channel) in (_SHORT | _LONG).items()
        ],
    ),
    "miri": Instrument(
        "MIRI",
        1,
        (4, 4, 0, 0),
        [
            Entry(
                "MIRIMAGE",
                "MIRIM",
                "",
                "",
                {
                    s: f"MIRIM_{s}"
                    for s in (
                        "FULL",
                        "BRIGHTSKY",
                        "SUB256",
                        "SUB128",
                        "SUB64",
                        "SLITLESSPRISM",
                        *_MASKS,
                    )
                },
            ),
            Entry("MIRIFULONG", "MIRIFU", "34", "", {"FULL": "MIRIFU_CHANNEL3A"}, _NONE, 0.245),
            Entry("MIRIFUSHORT", "MIRIFU", "12", "", {"FULL": "MIRIFU_CHANNEL1A"}, _NONE, 0.196),
        ],
    ),
    "niriss": Instrument(
        "NIRISS",
        2,
        (4, 4, 4, 4),
        [
            Entry(
                "NIS",
                "NIS",
                "",
                "",
                {
                    "FULL": "NIS_CEN",
                    "SUB64": "NIS_SUB64",
                    "SUB128": "NIS_SUB128",
                    "SUB256": "NIS_SUB256",
                    "SUB80": "NIS_AMI1",
                    "SUBTAAMI": "NIS_AMITA",
                    "SUBTASOSS": "NIS_SOSSTA",
                    "SUBAMPCAL": "NIS_SUBAMPCAL",
                    **{f"WFSS{n}{way}": f"NIS_WFSS{n}{way}" for n in (64, 128) for way in "RC"},
                },
                _SOSS | _SUPERSTRIPES,
            )
        ],
    ),
    "nirspec": Instrument(
        "NIRSpec",
        2,
        (4, 4, 4, 4),
        [Entry(f"NRS{n}", f"NRS{n}", "", "", {"FULL": f"NRS{n}_FULL"}, _SLITS) for n in (1, 2)],
    ),
    "fgs": Instrument(
        "FGS",
        2,
        (4, 4, 4, 4),
        [
            Entry(
                f"GUIDER{n}",
                f"FGS{n}",
                "",
                "",
                {s: f"FGS{n}_{s}" for s in ("FULL", *_GUIDER)},
            )
            for n in (1, 2)
        ],
    ),
}


FITTED_DEGREE = 5


def polynomials(full: Any) -> dict[str, list[float]]:
    """Return the polynomials between pixels and Ideal angles, both ways.

    The order is 00, 10, 11, 20, 21, 22 …: term ij is x^(i-j) y^j. Where the light passes a wheel on
    its way (the file's polynomial then is one part of the chain), polynomials are fitted to the chain.
    """
    if type(full).__name__ == "NirspecAperture":
        return fitted(full)
    degree = int(full.Sci2IdlDeg)
    return {
        field: [
            float(getattr(full, f"{name}{i}{j}")) for i in range(degree + 1) for j in range(i + 1)
        ]
        for field, name in (
            ("sci_to_idl_x", "Sci2IdlX"),
            ("sci_to_idl_y", "Sci2IdlY"),
            ("idl_to_sci_x", "Idl2SciX"),
            ("idl_to_sci_y", "Idl2SciY"),
        )
    }


def fitted(full: Any) -> dict[str, list[float]]:
    """Fit polynomials to an aperture's whole chain, exact at its reference pixel."""
    nodes = np.cos(np.pi * (np.arange(40) + 0.5) / 40) / 2  # Chebyshev's: an even error
    dx, dy = (grid.ravel() for grid in np.meshgrid(nodes * full.XSciSize, nodes * full.YSciSize))
    v2, v3 = full.sci_to_tel(dx + full.XSciRef, dy + full.YSciRef)
    angle = np.radians(full.V3IdlYAngle)
    v2, v3 = v2 - full.V2Ref, v3 - full.V3Ref
    ideal_x = full.VIdlParity * (v2 * np.cos(angle) - v3 * np.sin(angle))
    ideal_y = v2 * np.sin(angle) + v3 * np.cos(angle)
    result = {}
    for field, (x, y), target in (
        ("sci_to_idl_x", (dx, dy), ideal_x),
        ("sci_to_idl_y", (dx, dy), ideal_y),
        ("idl_to_sci_x", (ideal_x, ideal_y), dx),
        ("idl_to_sci_y", (ideal_x, ideal_y), dy),
    ):
        size = float(np.abs([x, y]).max())
        exponents = [(i - j, j) for i in range(1, FITTED_DEGREE + 1) for j in range(i + 1)]
        basis = np.stack([(x / size) ** a * (y / size) ** b for a, b in exponents], axis=1)
        terms = np.linalg.lstsq(basis, target, rcond=None)[0]
        left = float(np.abs(basis @ terms - target).max())
        sys.stdout.write(f"{full.AperName} {field}: fitted within {left:.1e}\n")
        result[field] = [
            0.0,
            *(float(t / size ** (a + b)) for t, (a, b) in zip(terms, exponents, strict=True)),
        ]
    return result


def axes(full: Any, fast: int) -> tuple[int, int]:
    """Return FASTAXIS and SLOWAXIS: the detector frame's axes in science orientation."""
    x0, y0 = full.det_to_sci(full.XDetRef, full.YDetRef)
    result = []
    for dx, dy in ((1, 0), (0, 1)):
        x, y = full.det_to_sci(full.XDetRef + dx, full.YDetRef + dy)
        step = np.round([x - x0, y - y0]).astype(int)
        axis = int(np.argmax(np.abs(step)))
        result.append(int(step[axis]) * (axis + 1))
    along_x, along_y = result
    return (along_x, along_y) if fast == 1 else (along_y, along_x)


def corner(aperture: Any, full: Any) -> tuple[int, int]:
    """Return the first pixel of an aperture in the full science frame, counted from 1."""
    x, y = full.det_to_sci(*aperture.sci_to_det(aperture.XSciRef, aperture.YSciRef))
    found = x - aperture.XSciRef + 1, y - aperture.YSciRef + 1
    start = round(found[0]), round(found[1])
    if not np.allclose(found, start, atol=0.02):
        message = f"{aperture.AperName} starts within a pixel: {found}"
        raise ValueError(message)
    return start


def subarray_lines(name: str, aperture: Any, full: Any) -> list[str]:
    """Return the TOML of one sub-array, after a check against the full frame's distortion."""
    xstart, ystart = corner(aperture, full)
    v2, v3 = full.sci_to_tel(aperture.XSciRef + xstart - 1, aperture.YSciRef + ystart - 1)
    off = float(np.hypot(v2 - aperture.V2Ref, v3 - aperture.V3Ref))
    if off > 0.01:  # arcsec, a tenth of the largest pixel
        sys.stdout.write(f"{aperture.AperName}: {off:.4f} arcsec off the full frame's distortion\n")
    return [
        "",
        "[[detector.subarray]]",
        f'name = "{name}"',
        f'aperture = "{aperture.AperName}"',
        f"xstart = {xstart}",
        f"ystart = {ystart}",
        f"xsize = {int(aperture.XSciSize)}",
        f"ysize = {int(aperture.YSciSize)}",
        f"x_ref = {float(aperture.XSciRef)!r}",
        f"y_ref = {float(aperture.YSciRef)!r}",
        f"v2_ref_arcsec = {float(aperture.V2Ref)!r}",
        f"v3_ref_arcsec = {float(aperture.V3Ref)!r}",
        f"v3_idl_y_angle_deg = {float(aperture.V3IdlYAngle)!r}",
        f"v_idl_parity = {int(aperture.VIdlParity)}",
    ]


def window_lines(name: str, window: Window, full: Any) -> list[str]:
    """Return the TOML of a sub-array that is not an aperture of the file."""
    x, y, nx, ny = window
    x_ref, y_ref = (nx + 1) / 2, (ny + 1) / 2
    v2, v3 = full.sci_to_tel(x_ref + x - 1, y_ref + y - 1)
    return [
        "",
        "[[detector.subarray]]",
        f'name = "{name}"',
        f'aperture = "{full.AperName}"',
        f"xstart = {x}",
        f"ystart = {y}",
        f"xsize = {nx}",
        f"ysize = {ny}",
        f"x_ref = {x_ref}",
        f"y_ref = {y_ref}",
        f"v2_ref_arcsec = {float(v2):.6f}",
        f"v3_ref_arcsec = {float(v3):.6f}",
        f"v3_idl_y_angle_deg = {float(full.V3IdlYAngle)!r}",
        f"v_idl_parity = {int(full.VIdlParity)}",
    ]


def made_up(aperture: Any, like: Any, scale: float) -> Any:
    """Return an undistorted image of the sky on a detector that has none.

    Where it looks is `aperture`'s place; its size is `like`'s.
    """
    angle, parity = np.radians(like.V3IdlYAngle), int(like.VIdlParity)

    def sci_to_tel(x: float, y: float) -> tuple[float, float]:
        ideal_x = scale * parity * (x - like.XSciRef)
        ideal_y = scale * (y - like.YSciRef)
        return (
            aperture.V2Ref + ideal_x * np.cos(angle) + ideal_y * np.sin(angle),
            aperture.V3Ref - ideal_x * np.sin(angle) + ideal_y * np.cos(angle),
        )

    terms = {
        f"{name}{i}{j}": factor * (float(i == 1 and j == axis))
        for name, factor, axis in (
            ("Sci2IdlX", scale, 0),
            ("Sci2IdlY", scale, 1),
            ("Idl2SciX", 1 / scale, 0),
            ("Idl2SciY", 1 / scale, 1),
        )
        for i in range(2)
        for j in range(i + 1)
    }
    names = ("XSciRef", "YSciRef", "XSciSize", "YSciSize", "XDetRef", "YDetRef")
    names += ("V3IdlYAngle", "VIdlParity", "det_to_sci", "sci_to_det")
    return SimpleNamespace(
        **{name: getattr(like, name) for name in names},
        **terms,
        AperName=aperture.AperName,
        V2Ref=aperture.V2Ref,
        V3Ref=aperture.V3Ref,
        Sci2IdlDeg=1,
        sci_to_tel=sci_to_tel,
    )


def detector_lines(entry: Entry, instrument: Instrument, siaf: Any) -> list[str]:
    """Return the TOML of one detector with its sub-arrays."""
    full = siaf[entry.subarrays["FULL"]]
    apertures = {name: siaf[aperture] for name, aperture in entry.subarrays.items()}
    if entry.scale_arcsec:
        first = siaf[instrument.detectors[0].subarrays["FULL"]]
        full = apertures["FULL"] = made_up(full, first, entry.scale_arcsec)
    fast, slow = axes(full, instrument.fast_axis)
    terms = polynomials(full)
    x, y = terms["sci_to_idl_x"], terms["sci_to_idl_y"]
    jacobian = x[1] * y[2] - x[2] * y[1]  # at the reference pixel [arcsec2]
    lines = [
        "",
        "[[detector]]",
        f'name = "{entry.detector}"',
        f'channel = "{entry.channel}"',
        f'module = "{entry.module}"',
        f"fast_axis = {fast}",
        f"slow_axis = {slow}",
        f"nx = {int(full.XSciSize)}",
        f"ny = {int(full.YSciSize)}",
        f"reference_border = {list(instrument.border)}",
        f"pixel_area_sr = {abs(jacobian) * ARCSEC**2:.9e}",
    ]
    for field, values in terms.items():
        lines.append(f"{field} = [")
        first = order = 0
        while first < len(values):
            row = values[first : first + order + 1]
            lines.append("    " + ", ".join(repr(v) for v in row) + ",")
            first, order = first + order + 1, order + 1
        lines.append("]")
    for name, aperture in apertures.items():
        lines += subarray_lines(name, aperture, full)
    for name, window in entry.windows.items():
        lines += window_lines(name, window, full)
    return lines


def main() -> None:
    """Write all tables."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its check for a newer release needs a network
        import pysiaf  # noqa: PLC0415 - only this script needs it

        for plugin, instrument in INSTRUMENTS.items():
            siaf = pysiaf.Siaf(instrument.siaf)
            lines = [
                f"# {instrument.siaf}'s imaging detectors on the sky. Written by plugins/generate_aperture_tables.py",
                f"# from the Science Instrument Aperture File of {pysiaf.JWST_PRD_VERSION} (pysiaf {pysiaf.__version__}); do not edit.",
                "# Frames: Cox & Lallo 2017, JWST-STScI-001550. Pixels are counted from 1 in science orientation,",
                "# angles are in arcsec or degrees. Polynomials: term ij (00, 10, 11, 20, …) times x^(i-j) y^j,",
                "# x and y relative to the full frame's reference pixel. Corners are SUBSTRT1 and SUBSTRT2.",
                "",
                f'source = "{pysiaf.JWST_PRD_VERSION}"',
            ]
            for entry in instrument.detectors:
                lines += detector_lines(entry, instrument, siaf)
            path = PLUGINS / plugin / "src" / f"calcore_{plugin}" / "tables" / "apertures.toml"
            path.parent.mkdir(exist_ok=True)
            path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(PLUGINS)}\n")


if __name__ == "__main__":
    main()
