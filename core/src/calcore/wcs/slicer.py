"""World coordinates of an image slicer whose slices and fields are described by polynomials."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from astropy.modeling import Model
from astropy.modeling.models import Const1D, Identity, Mapping, Polynomial2D, Scale, Shift
from gwcs import WCS
from gwcs.selector import LabelMapperArray, LabelMapperRange, RegionsSelector
from numpy.polynomial.polynomial import polyval2d
from numpy.typing import NDArray

from calcore.kernels.slice_coordinates import in_fields, in_slices
from calcore.wcs import frames, spectral_frames
from calcore.wcs.deferred import DeferredWcs
from calcore.wcs.plain import Polynomial, stacked
from calcore.wcs.pointing import Pointing, aberration, attitude, to_sky

Plane = NDArray[np.float64]
_ALONG = 2.0
"""How far from the middle of a field the direction of its slices is taken [arcsec]."""


@dataclass(frozen=True, eq=False, kw_only=True)
class Slice:
    """One slice's image on the detector.

    Attributes
    ----------
    number : int
        What region images call it.
    field : int
        Which of the slicer's fields it is cut from.
    place : tuple of Polynomial
        From y and x [pixel] to alpha, beta [arcsec] and wavelength [um].
    back : tuple of Polynomial
        From wavelength [um] and alpha [arcsec] to x and y [pixel].
    """

    number: int
    field: int
    place: tuple[Polynomial, Polynomial, Polynomial]
    back: tuple[Polynomial, Polynomial]

    def seen_from(self, row: int, column: int) -> "Slice":
        """Return the slice in a sub-array whose first pixel is at this place of the frame."""
        alpha, beta, wavelength = (one.shifted(row, column) for one in self.place)
        x, y = self.back
        return replace(self, place=(alpha, beta, wavelength), back=(x.plus(-column), y.plus(-row)))


@dataclass(frozen=True, eq=False, kw_only=True)
class Field:
    """The part of the sky that a set of slices shows.

    Attributes
    ----------
    number : int
        What it is called, such as a channel.
    wavelengths : tuple of float
        Shortest and longest wavelength, which tell it from other fields [um].
    to_telescope : tuple of Polynomial
        From alpha and beta [arcsec] to V2 and V3 [arcsec].
    back : tuple of Polynomial
        From V2 and V3 to alpha and beta.
    """

    number: int
    wavelengths: tuple[float, float]
    to_telescope: tuple[Polynomial, Polynomial]
    back: tuple[Polynomial, Polynomial]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicedCoordinates(DeferredWcs):
    """World coordinates of an exposure that an image slicer has arranged.

    Whole frames are mapped by kernels, exactly; `wcs` is the same as a gWCS, for files and points.

    Attributes
    ----------
    labels : int32 (ny, nx)
        Number of each pixel's slice; 0 between slices.
    slices, fields : tuple
        The slicer.
    pointing : Pointing
        Where the aperture's reference point looks.
    stretch : float
        Factor of wavelengths that takes out the telescope's motion.
    """

    labels: NDArray[np.int32]
    slices: tuple[Slice, ...]
    fields: tuple[Field, ...]
    pointing: Pointing
    stretch: float = 1.0

    def local(self) -> Plane:
        """Return alpha, beta [arcsec] and wavelength [um] of all pixels (3, ny, nx); NaN between slices."""
        polynomials = np.stack(
            [stacked([one for part in self.slices for one in part.place])], axis=0
        ).reshape(len(self.slices), 3, *self._terms)
        shifts = np.array([[one.shift for one in part.place] for part in self.slices])
        found = in_slices(self._order, polynomials, shifts)
        found[2] *= self.stretch
        return found

    @cached_property
    def _terms(self) -> tuple[int, int]:
        shapes = [one.terms.shape for part in self.slices for one in part.place]
        return max(rows for rows, _ in shapes), max(columns for _, columns in shapes)

    @cached_property
    def _order(self) -> NDArray[np.int32]:
        """Place of each pixel's slice among `slices`; -1 between them."""
        places = np.full(max(self.labels.max(), *(part.number for part in self.slices)) + 1, -1)
        places[[part.number for part in self.slices]] = np.arange(len(self.slices))
        return np.ascontiguousarray(places.astype(np.int32)[self.labels])

    def telescope(self, local: Plane) -> Plane:
        """Return V2 and V3 [arcsec] of all pixels (2, ny, nx)."""
        polynomials = stacked([one for field in self.fields for one in field.to_telescope])
        return in_fields(
            self._order,
            local[:2],
            np.array([part.field for part in self.slices], np.int32),
            polynomials.reshape(len(self.fields), 2, *polynomials.shape[1:]),
        )

    def only(self, field: Field) -> "SlicedCoordinates":
        """Return the coordinates of one field's pixels."""
        place = self.fields.index(field)
        own = tuple(replace(part, field=0) for part in self.slices if part.field == place)
        among = np.isin(self.labels, [part.number for part in own])
        labels = np.where(among, self.labels, np.int32(0))
        return replace(self, labels=labels, slices=own, fields=(field,))

    def along(self, rows: float, columns: float) -> Plane:
        """Return what `local` does for places beside the middle of each pixel [pixel]."""
        moved = (
            replace(
                part,
                place=(
                    part.place[0].shifted(rows, columns),
                    part.place[1],
                    part.place[2].shifted(rows, columns),
                ),
            )
            for part in self.slices
        )
        return replace(self, slices=tuple(moved)).local()

    def angle_across(self, field: Field) -> float:
        """Return the position angle of the direction across slices, square to that along them [deg]."""
        along = np.array([0.0, _ALONG])
        v2, v3 = (
            np.asarray(polyval2d(along + one.shift[0], 0 * along + one.shift[1], one.terms), float)
            for one in field.to_telescope
        )
        (ra, other_ra), (dec, other_dec) = to_sky(self.pointing, v2, v3)
        east = ((other_ra - ra + 180) % 360 - 180) * np.cos(np.radians(dec))
        return float(np.degrees(np.arctan2(east, other_dec - dec))) + 90.0

    def world(self) -> Plane:
        """Return right ascension, declination [deg] and wavelength [um] of all pixels (3, ny, nx)."""
        local = self.local()
        v2, v3 = self.telescope(local)
        return np.stack([*to_sky(self.pointing, v2, v3), local[2]])

    @cached_property
    def wcs(self) -> WCS:
        """The gWCS from pixels (x, y), through the slicer's frame, to the sky and wavelengths."""
        ny, nx = self.labels.shape
        wcs = WCS(
            [
                (frames.detector(), self._to_slicer()),
                (spectral_frames.alpha_beta(), self._to_telescope()),
                (spectral_frames.v2v3(), aberration(self.pointing) & Identity(1)),
                (spectral_frames.v2v3vacorr(), attitude(self.pointing) & Identity(1)),
                (spectral_frames.world(), None),
            ]
        )
        wcs.bounding_box = (-0.5, nx - 0.5), (-0.5, ny - 0.5)
        return wcs

    def _to_slicer(self) -> Model:
        models = {}
        for part in self.slices:
            alpha, beta, wavelength = (_model(one) for one in part.place)
            forward = Mapping((1, 0, 0, 1, 0)) | alpha & beta & wavelength
            x, y = (_model(one) for one in part.back)
            back = Mapping((2, 0, 2, 0)) | x & y
            if self.stretch != 1:
                forward |= Identity(2) & Scale(self.stretch)
                back = Identity(2) & Scale(1 / self.stretch) | back
            forward.inverse = back
            models[part.number] = forward
        labels = LabelMapperArray(self.labels.astype(np.int16), inputs=("x", "y"))
        return RegionsSelector(
            inputs=("x", "y"), outputs=("alpha", "beta", "lambda"), selector=models,
            label_mapper=labels, undefined_transform_value=np.nan, name="detector_to_abl",
        )  # fmt: skip

    def _to_telescope(self) -> Model:
        models, ranges = {}, {}
        for field in self.fields:
            forward, back = (
                (Mapping((0, 1, 0, 1)) | _model(first) & _model(second)) & Identity(1)
                for first, second in (field.to_telescope, field.back)
            )
            forward.inverse = back
            models[field.number] = forward
            ranges[field.wavelengths] = Mapping((2,), n_inputs=3) | Const1D(float(field.number))
        inputs = ("alpha", "beta", "lambda")
        labels = LabelMapperRange(
            inputs=inputs, mapper=ranges, inputs_mapping=Mapping((2,), n_inputs=3)
        )
        return RegionsSelector(
            inputs=inputs, outputs=("v2", "v3", "lambda"), selector=models,
            label_mapper=labels, undefined_transform_value=np.nan, name="abl_to_v2v3l",
        )  # fmt: skip


def _model(polynomial: Polynomial) -> Model:
    """Return a polynomial as a model of two variables, or of one if it depends on none."""
    if polynomial.terms.size == 1:
        return Const1D(float(polynomial.terms[0, 0]))
    degree = max(polynomial.terms.shape) - 1
    terms = {
        f"c{first}_{second}": float(polynomial.terms[first, second])
        for first in range(degree + 1)
        for second in range(degree + 1 - first)
        if first < polynomial.terms.shape[0] and second < polynomial.terms.shape[1]
    }
    model: Model = Polynomial2D(degree, **terms)
    if any(polynomial.shift):
        first, second = (Shift(by) if by else Identity(1) for by in polynomial.shift)
        model = first & second | model
    return model
