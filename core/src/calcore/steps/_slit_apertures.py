"""Where on a slit's image a source is, and which pixels are its own and which are background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import CalcoreError, ReferenceInvalid
from calcore.kernels.photometry import matching_row
from calcore.kernels.slit_extraction import bilinear, weighted_mean, weights
from calcore.model.exposure import Image
from calcore.model.meta import Meta
from calcore.model.reference import ApertureCorrection, SlitApertures
from calcore.steps._wavelengths import wavelengths_of
from calcore.wcs.divided import fineness_of

F8 = NDArray[np.float64]
_ANY = "ANY"
_AXES = {1: "x", 2: "y"}


@dataclass(frozen=True, eq=False)
class Traced:
    """A slit's image with rows of one wavelength each.

    Attributes
    ----------
    along_rows : bool
        True if wavelengths change along x, so that the image was turned.
    wavelength : float64 (n_row, n_column)
        Of each pixel [um]; NaN beside the slit.
    """

    along_rows: bool
    wavelength: F8

    def by_row(self) -> F8:
        """Return the wavelength of each row (n_row,) [um]; NaN beside the slit."""
        return weighted_mean(self.wavelength, np.ones(self.wavelength.shape))

    def turned(self, plane: Any) -> Any:
        """Return a plane ([n_int,] ny, nx) as ([n_int,] n_row, n_column)."""
        plane = np.asarray(plane)
        return np.swapaxes(plane, -1, -2) if self.along_rows else plane


def entry_of(reference: SlitApertures, meta: Meta) -> Mapping[str, Any]:
    """Return what the reference has for a slit: by its name, that of the exposure's type, or for any.

    Raises
    ------
    ReferenceInvalid
        It has nothing for it.
    """
    names = [meta.get("slit.name"), meta.get("exposure.type"), _ANY]
    wanted = [str(name).upper() for name in names if name]
    order = meta.get("slit.spectral_order") or 1
    known = list(reference.apertures)
    for name in wanted:
        for entry in known:
            own = str(entry.get("id", _ANY)).upper() == name
            if own and entry.get("spectral_order", order) == order:
                return entry  # type: ignore[no-any-return]
    ids = ", ".join(str(entry.get("id")) for entry in known) or "none"
    raise ReferenceInvalid(
        f"reference extract1d: it has no aperture for {wanted[0]}, order {order}, but for {ids}; "
        "give another file"
    )


def traced(image: Image, entry: Mapping[str, Any]) -> Traced:
    """Return where the wavelengths of an image are.

    Raises
    ------
    CalcoreError
        It has neither wavelengths nor world coordinates, or no dispersion axis; or is oversampled.
    """
    axis = entry.get("dispaxis") or image.meta.get("wcsinfo.dispersion_direction")
    if axis not in _AXES:
        raise CalcoreError(
            f"the dispersion axis is {axis}, not 1 (x) or 2 (y); set DISPAXIS in the header"
        )
    if image.wcs is not None and fineness_of(image.wcs) != 1:
        raise CalcoreError(
            f"{image.meta.get('filename', 'the image')} is oversampled, and apertures are told in "
            "pixels of the detector; run resample_spec first"
        )
    plane = wavelengths_of(image)
    return Traced(axis == 1, plane.T if axis == 1 else plane)


def source_of(image: Image, trace: Traced) -> F8 | None:
    """Return where along the slit the target is, at each row's wavelength (n_row,) [pixel].

    None if that is not known, or beside the slit half way along the spectrum. Rows without a
    wavelength have the place of those next to them.
    """
    meta = image.meta
    position = [meta.get(f"dither.dithered_{axis}") for axis in ("ra", "dec")]
    if None in position:
        position = [meta.get(f"target.{axis}") for axis in ("ra", "dec")]
    places = place_of(image, trace, position)
    if places is None:
        return None
    middle = middle_of(places, trace)
    return places if -0.5 <= middle <= trace.wavelength.shape[1] - 0.5 else None


def place_of(image: Image, trace: Traced, position: Sequence[float | None]) -> F8 | None:
    """Return where along the slit a right ascension and declination [deg] is (n_row,) [pixel].

    None without one, or if the coordinates do not lead back.
    """
    if None in position or image.wcs is None:
        return None
    lit = np.flatnonzero(np.isfinite(trace.wavelength).any(axis=1))
    if not lit.size:
        return None
    ra, dec = (np.full(lit.size, angle, np.float64) for angle in position)
    found = image.wcs.invert(ra, dec, trace.by_row()[lit], with_bounding_box=False)
    place = np.asarray(found[1] if trace.along_rows else found[0], np.float64)
    known = np.isfinite(place)
    if not known.any():
        return None
    return np.interp(np.arange(len(trace.wavelength)), lit[known], place[known])


def middle_of(places: F8, trace: Traced) -> float:
    """Return one of the places (n_row,): that half way along the spectrum."""
    lit = np.flatnonzero(np.isfinite(trace.wavelength).any(axis=1))
    return float(np.interp((lit[0] + lit[-1]) / 2, np.arange(places.size), places))


@dataclass(frozen=True, eq=False)
class Boxes:
    """Regions of a slit's image: which of its rows are extracted, and weights (n_row, n_column)."""

    rows: slice
    aperture: F8
    beside: F8 | None
    limits: tuple[float, float]


def boxes_of(
    entry: Mapping[str, Any], trace: Traced, shift: float, source: F8 | None, *, follow: bool
) -> Boxes:
    """Return the regions that a reference describes.

    Parameters
    ----------
    entry : mapping
        What the reference has for the slit.
    trace : Traced
        Where its wavelengths are.
    shift : float
        How far to move the regions along the slit [pixel].
    source : float64 (n_row,), optional
        Where to move the middle of the aperture first [pixel].
    follow : bool
        The aperture goes with the source from row to row, also where the reference does not give
        its width; otherwise it is moved as a whole. The background always is.
    """
    rows, columns = trace.wavelength.shape
    across, along = ("y", "x") if trace.along_rows else ("x", "y")
    first, last = entry.get(f"{along}start"), entry.get(f"{along}stop")
    begin = 0 if first is None else max(0, int(np.ceil(first)))
    end = rows if last is None else min(rows, int(np.floor(last)) + 1)
    if entry.get("independent_var", "pixel") == "wavelength":
        at = trace.by_row()
    else:
        at = np.arange(rows, dtype=np.float64)
    if entry.get("src_coeff"):
        regions = _regions(entry["src_coeff"], at, "src_coeff")
    else:
        low, high = entry.get(f"{across}start"), entry.get(f"{across}stop")
        low, high = (0 if low is None else low), (columns - 1 if high is None else high)
        if entry.get("extract_width"):
            middle, half = (low + high) / 2, (float(entry["extract_width"]) - 1) / 2
            low, high = middle - half, middle + half
        regions = [(np.full(rows, low - 0.5), np.full(rows, high + 0.5))]
    move = shift
    edges = np.array([[edge[(begin + end) // 2] for edge in region] for region in regions])
    bend = np.zeros(rows)
    if source is not None:
        middle = middle_of(source, trace)
        move += middle - edges.mean()
        if follow or entry.get("extract_width"):
            bend = source - middle
    moved = [(low + move + bend, high + move + bend) for low, high in regions]
    beside = None
    if entry.get("bkg_coeff"):
        around = _regions(entry["bkg_coeff"], at, "bkg_coeff")
        beside = weights((rows, columns), [(low + move, high + move) for low, high in around])
    lit = np.isfinite(trace.wavelength)
    return Boxes(
        slice(begin, max(begin, end)),
        weights((rows, columns), moved) * lit,
        None if beside is None else beside * lit,
        (float(edges.min() + move), float(edges.max() + move)),
    )


def _regions(coefficients: Sequence[Any], at: F8, name: str) -> list[tuple[F8, F8]]:
    """Return lower and upper edges of regions, from polynomials in pairs."""
    if len(coefficients) % 2:
        raise ReferenceInvalid(
            f"reference extract1d: {name} has {len(coefficients)} polynomials, where each region "
            "needs two; give another file"
        )
    edges = [np.polynomial.polynomial.polyval(at, list(each)) for each in coefficients]
    return list(zip(edges[::2], edges[1::2], strict=True))


def correction(apcorr: ApertureCorrection, meta: Meta, wavelength: F8, size: F8) -> F8:
    """Return what a point source's flux in apertures of some sizes [pixel] is multiplied by.

    Raises
    ------
    ReferenceInvalid
        The table has no row for the exposure, or lacks a column.
    """
    table: Any = apcorr.table
    names = {
        "filter": "instrument.filter", "pupil": "instrument.pupil", "slit": "slit.name",
        "grating": "instrument.grating", "subarray": "subarray.name",
    }  # fmt: skip
    elements = {name: str(meta[where]) for name, where in names.items() if meta.get(where)}
    there = table.dtype.names or ()
    lacks = [name for name in ("wavelength", "size", "apcorr") if name not in there]
    row = None if lacks else matching_row(table, elements)
    if row is None:
        shown = ", ".join(f"{name} {value}" for name, value in elements.items())
        what = f"has no {' and '.join(lacks)}" if lacks else f"has no row for {shown}"
        raise ReferenceInvalid(f"reference apcorr: its table {what}; give another file")
    own = table[row]
    count = [
        int(own[f"nelem_{name}"]) if f"nelem_{name}" in there else None for name in ("wl", "size")
    ]
    known, sizes = own["wavelength"][: count[0]], own["size"][..., : count[1]]
    factors = own["apcorr"][..., : count[0], : count[1]]
    if factors.ndim != 2:
        raise ReferenceInvalid(
            "reference apcorr: its factors depend on more than wavelength and size; give another file"
        )
    known, sizes, factors = (np.asarray(part, np.float64) for part in (known, sizes, factors))
    return bilinear(known, sizes, factors, wavelength, size)
