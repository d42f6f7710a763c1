"""World coordinates of an image slicer whose slices and fields are described by polynomials."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.slice_coordinates import at_pixels, in_fields, in_slices
from calcore.wcs.deferred import DeferredWcs
from calcore.wcs.divided import divided_tree, whole_pixels
from calcore.wcs.plain import Polynomial, stacked
from calcore.wcs.pointing import Angles, Pointing, to_sky
from calcore.wcs.slicer_tree import of_field, of_slice, slicer_tree

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

    def divided(self, fineness: float, axis: int) -> "Slice":
        """Return the slice on pixels of which so many make one along an axis, 0 (y) or 1 (x)."""
        alpha, beta, wavelength = (one.divided(fineness, axis) for one in self.place)
        back = list(self.back)
        back[1 - axis] = back[1 - axis].times(fineness).plus((fineness - 1) / 2)
        return replace(self, place=(alpha, beta, wavelength), back=(back[0], back[1]))


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
    told : mapping, optional
        The gWCS as the file has it that these were read from, which may tell more.
    """

    labels: NDArray[np.int32]
    slices: tuple[Slice, ...]
    fields: tuple[Field, ...]
    pointing: Pointing
    stretch: float = 1.0
    told: Mapping[str, Any] | None = None

    world_n_dim = 3

    def local(self) -> Plane:
        """Return alpha, beta [arcsec] and wavelength [um] of all pixels (3, ny, nx); NaN between slices."""
        found = in_slices(self._order, *_stacked([part.place for part in self.slices]))
        found[2] *= self.stretch
        return found

    def on_rows(self, rows: slice) -> "SlicedCoordinates":
        """Return the coordinates of some rows of the frame."""
        slices = tuple(part.seen_from(rows.start, 0) for part in self.slices)
        return replace(self, labels=self.labels[rows], slices=slices, told=None)

    def divided(self, fineness: float, axis: int) -> "SlicedCoordinates":
        """Return the coordinates of pixels of which so many make one along an axis, 0 (y) or 1 (x)."""
        labels = np.take(self.labels, whole_pixels(self.labels.shape[axis], fineness), axis)
        return replace(
            self,
            labels=np.ascontiguousarray(labels),
            slices=tuple(part.divided(fineness, axis) for part in self.slices),
            told=divided_tree(self.tree, labels.shape, fineness, axis),
        )

    def pixels(self, field: Field, good: NDArray[np.bool_] | bool = True) -> NDArray[np.int64]:
        """Return those of some pixels (ny, nx) that are in slices of a field, as places in the flat frame."""
        place = self.fields.index(field)
        own = np.array([part.field == place for part in self.slices] + [False])
        return np.flatnonzero(own[self._order] & good)

    def outline(self, field: Field) -> NDArray[np.int64]:
        """Return those pixels of a field that have a neighbour outside of their slice.

        The sky is so flat over a field that no other pixel lies farther in any direction.
        """
        around = np.pad(self.labels, 1)
        middle = around[1:-1, 1:-1]
        sides = around[:-2, 1:-1], around[2:, 1:-1], around[1:-1, :-2], around[1:-1, 2:]
        edge = np.zeros(middle.shape, np.bool_)
        for side in sides:
            edge |= middle != side
        return self.pixels(field, edge)

    def seen_by(self, pixels: NDArray[np.int64], reach: float = 0.0) -> Plane:
        """Return alpha at both ends of pixels, beta [arcsec], wavelengths of their middle and both ends [um].

        Parameters
        ----------
        pixels : int64 (n_pixel,)
            Pixels in slices, as places in the flat frame.
        reach : float
            How far their ends are from their middle [pixel].

        Returns
        -------
        float64 (6, n_pixel)
        """
        ends = []
        for part in self.slices:
            alpha, beta, wavelength = part.place
            along = [alpha.shifted(0, by) for by in (-reach, reach)]
            ends.append(
                (*along, beta, wavelength, *(wavelength.shifted(by, 0) for by in (-reach, reach)))
            )
        found = at_pixels(pixels, self._order, *_stacked(ends))
        found[3:] *= self.stretch
        return found

    @property
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

    def angle_across(self, field: Field) -> float:
        """Return the position angle of the direction across slices, square to that along them [deg]."""
        along = np.array([0.0, _ALONG])
        (ra, other_ra), (dec, other_dec) = self.sky(field, along, 0 * along)
        east = ((other_ra - ra + 180) % 360 - 180) * np.cos(np.radians(dec))
        return float(np.degrees(np.arctan2(east, other_dec - dec))) + 90.0

    def sky(self, field: Field, alpha: Angles, beta: Angles) -> tuple[Angles, Angles]:
        """Return right ascension and declination [deg] of places in a field [arcsec]."""
        v2, v3 = (one.at(alpha, beta) for one in field.to_telescope)
        return to_sky(self.pointing, v2, v3)

    def edges(self) -> list[tuple[Angles, Angles]]:
        """Return right ascensions and declinations of each field's outline [deg]."""
        found = []
        for field in self.fields:
            pixels = self.outline(field)
            y, x = np.divmod(pixels.astype(np.float64), self.labels.shape[1])
            alpha, beta = np.empty((2, pixels.size))
            for part in self.slices:  # they are few: no kernel needs to be loaded for them
                own = self.labels.flat[pixels] == part.number
                alpha[own], beta[own] = (one.at(y[own], x[own]) for one in part.place[:2])
            found.append(self.sky(field, alpha, beta))
        return found

    def world(self) -> Plane:
        """Return right ascension, declination [deg] and wavelength [um] of all pixels (3, ny, nx)."""
        local = self.local()
        v2, v3 = self.telescope(local)
        return np.stack([*to_sky(self.pointing, v2, v3), local[2]])

    @cached_property
    def tree(self) -> Mapping[str, Any]:
        """The gWCS from pixels (x, y), through the slicer's frame, to the sky and wavelengths."""
        return self.told or slicer_tree(
            self.labels,
            [(one.number, of_slice(one.place, one.back, self.stretch)) for one in self.slices],
            [
                (one.number, one.wavelengths, of_field(one.to_telescope, one.back))
                for one in self.fields
            ],
            self.pointing,
        )


def _stacked(
    parts: Sequence[Sequence[Polynomial]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the terms and the shifts of as many polynomials of each slice."""
    terms = stacked([one for part in parts for one in part])
    shifts = np.array([[one.shift for one in part] for part in parts])
    return terms.reshape(len(parts), len(parts[0]), *terms.shape[1:]), shifts
