"""Scores of the fluxes and positions of stars."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_rates import robust_scatter

PLACES = ("centre", "lower left", "lower right", "upper left", "upper right")


@dataclass(frozen=True, kw_only=True, eq=False)
class Stars:
    """Measured stars; arrays with the axis (star,).

    Attributes
    ----------
    source
        Number of the star in the scene.
    place
        Index into `PLACES`, or -1 between them.
    flux
        Measured over true flux density.
    flux_error
        Bound on its relative error.
    magnitude
        -2.5 log10 of the true flux density in Jy.
    dx, dy
        Measured minus true position, along the exposure's columns and rows, or to the east and
        to the north in a mosaic [pixel].
    limit
        Photon limit of a position along one axis [pixel].
    side
        Of the pixel that the star is on [deg].
    """

    source: FloatArray
    place: FloatArray
    flux: FloatArray
    flux_error: FloatArray
    magnitude: FloatArray
    dx: FloatArray
    dy: FloatArray
    limit: FloatArray
    side: FloatArray

    @classmethod
    def joined(cls, parts: Sequence["Stars"]) -> "Stars":
        """Put the stars of several exposures together."""
        names = list(cls.__dataclass_fields__)
        return cls(**{n: np.concatenate([getattr(part, n) for part in parts]) for n in names})

    def chosen(self, here: FloatArray) -> "Stars":
        """Return some of the stars."""
        return Stars(**{name: getattr(self, name)[here] for name in self.__dataclass_fields__})


@dataclass(frozen=True, kw_only=True)
class FluxScore:
    """Fluxes at one place of the frame.

    Attributes
    ----------
    place
        Where.
    stars
        How many measurements.
    median, median_error
        Of measured over true flux, minus one, and its standard error.
    slope, slope_error
        Of the same with magnitude [1/mag].
    """

    place: str
    stars: int
    median: float
    median_error: float
    slope: float
    slope_error: float


@dataclass(frozen=True, kw_only=True)
class PlaceScore:
    """Positions of stars in a range of magnitudes.

    Attributes
    ----------
    brightest, faintest
        Range of -2.5 log10 flux.
    stars
        How many measurements.
    mean_x, mean_y
        Mean offsets [pixel].
    rms
        Of the offsets along one axis [pixel].
    limit
        The photon limit of that [pixel].
    """

    brightest: float
    faintest: float
    stars: int
    mean_x: float
    mean_y: float
    rms: float
    limit: float


def flux_scores(stars: Stars, *, largest_error: float = 0.03) -> list[FluxScore]:
    """Return the scores of fluxes, place by place and over all of them."""
    result = []
    usual = stars.flux_error < largest_error
    for number, place in (*enumerate(PLACES), (None, "all")):
        here = usual & (stars.place == number) if number is not None else usual
        part = stars.chosen(here)
        if len(part.flux) < 5:
            continue
        middle = weighted_median(part.flux - 1, 1 / part.flux_error)
        # Apertures are noisier than the bound: by how much, the stars themselves say.
        scale = max(1.0, robust_scatter((part.flux - 1 - middle) / part.flux_error))
        weight = (scale * part.flux_error) ** -2.0
        # The star that is neither brighter nor fainter than most decides the median's error.
        error = 1.2533 * scale * np.sqrt(len(part.flux)) / np.sum(1 / part.flux_error)
        magnitude = part.magnitude - np.average(part.magnitude, weights=weight)
        slope = np.sum(weight * magnitude * (part.flux - 1)) / np.sum(weight * magnitude**2)
        result.append(
            FluxScore(
                place=place,
                stars=len(part.flux),
                median=middle,
                median_error=float(error),
                slope=float(slope),
                slope_error=float(1 / np.sqrt(np.sum(weight * magnitude**2))),
            )
        )
    return result


def weighted_median(values: FloatArray, weights: FloatArray) -> float:
    """Return the value with half of the weight on either side."""
    order = np.argsort(values)
    total = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(total, total[-1] / 2)])


def place_scores(stars: Stars, bins: int = 3) -> list[PlaceScore]:
    """Return the scores of positions, in as many ranges of magnitude."""
    result = []
    edges = np.linspace(stars.magnitude.min(), stars.magnitude.max() + 1e-9, bins + 1)
    for low, high in itertools.pairwise(edges):
        part = stars.chosen((stars.magnitude >= low) & (stars.magnitude < high))
        if len(part.dx) < 5:
            continue
        offsets = np.concatenate([part.dx - part.dx.mean(), part.dy - part.dy.mean()])
        result.append(
            PlaceScore(
                brightest=float(low),
                faintest=float(high),
                stars=len(part.dx),
                mean_x=float(part.dx.mean()),
                mean_y=float(part.dy.mean()),
                rms=float(np.sqrt(np.mean(offsets**2))),
                limit=float(np.sqrt(np.mean(part.limit**2))),
            )
        )
    return result
