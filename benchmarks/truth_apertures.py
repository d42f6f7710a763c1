"""Whether errors of fluxes in mosaics are what empty apertures scatter by."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.truth_fields import Job, keywords, profile, star_field, theirs
from benchmarks.truth_rates import robust_scatter

from calcore import io
from calcore.kernels.apertures import above_ring
from calcore.kernels.correlated_noise import Correlation
from calcore.model import Group, Image, Mosaic
from calcore.model.mosaic_noise import told
from calcore.steps.combination.resample import Resample

LIMIT = 0.1
"""How far scatter over error may be from 1."""
RADII = (1.0, 1.5, 2.5, 4.0)
"""Of circles [pixel of the mosaic]."""
RING = (7.0, 10.0)
SQUARE = 5
"""Side of squares that stand for the pixels of a source."""
SHAPE = (400, 420)
GRIDS: Mapping[str, Mapping[str, Any]] = {
    "pixfrac 1, ratio 1": {},
    "pixfrac 0.7, ratio 1": {"pixfrac": 0.7},
    "pixfrac 1, ratio 0.5": {"pixel_scale_ratio": 0.5},
    "pixfrac 0.6, ratio 0.5": {"pixfrac": 0.6, "pixel_scale_ratio": 0.5},
    "pixfrac 0.8, ratio 0.7": {"pixfrac": 0.8, "pixel_scale_ratio": 0.7},
    "pixfrac 1, ratio 1.5": {"pixel_scale_ratio": 1.5},
}


@dataclass(frozen=True, kw_only=True)
class ApertureScore:
    """Scatter of empty apertures over their errors.

    Attributes
    ----------
    grid, program
        How the mosaic was made, and by whom.
    ratio
        Noise of large areas over that of independent pixels, as the header tells; NaN if it does
        not.
    circles
        By radius.
    square
        Of squares, as errors of the pixels of sources go.
    apertures
        How many.
    """

    grid: str
    program: str
    ratio: float
    circles: Mapping[float, float]
    square: float
    apertures: int

    @property
    def misses(self) -> list[str]:
        """Which limits it breaks, by more than so few apertures can be off by chance."""
        limit = LIMIT + 3 * 1.2 / np.sqrt(2 * self.apertures)
        wrong = [f"{radius:g}" for radius, v in self.circles.items() if abs(v - 1) > limit]
        return wrong + (["square"] if abs(self.square - 1) > limit else [])


def field_of(n: int = 4, seed: int = 5, shape: tuple[int, int] = SHAPE) -> Group[Image]:
    """Return exposures of an empty sky."""
    field: Any = star_field(
        n=n, shape=shape, stars=1, flux=(-9, -8), sky=(0.0,), seed=seed, bad=False, more=keywords
    )
    group: Group[Image] = field.group
    return group


def score(
    grid: str, program: str, mosaic: Mosaic, correlation: Correlation | None, margin: float
) -> ApertureScore:
    """Measure empty apertures on a lattice, away from the edges."""
    ny, nx = mosaic.data.shape
    step = 2 * RADII[-1] + 1
    rows, columns = (np.arange(margin, n - margin, step) for n in (ny, nx))
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    shift = np.random.default_rng(1).uniform(-0.5, 0.5, (2, x.size))
    hidden = ~np.isfinite(mosaic.data)
    err = np.asarray(mosaic.err)
    sums, _ = above_ring(
        mosaic.data, err, hidden, x + shift[0], y + shift[1], RADII, RING, correlation
    )
    circles = {
        radius: robust_scatter(total / error)
        for radius, (total, error) in zip(RADII, sums, strict=True)
    }
    return ApertureScore(
        grid=grid, program=program, circles=circles, apertures=x.size,
        ratio=np.nan if correlation is None else correlation.ratio,
        square=_squares(mosaic, err, correlation, round(margin)),
    )  # fmt: skip


def _squares(mosaic: Mosaic, err: Any, correlation: Correlation | None, margin: int) -> float:
    """Return the scatter of sums over squares over their errors."""

    def summed(plane: Any) -> Any:
        inner = plane[margin:-margin, margin:-margin].astype(np.float64)
        ny, nx = (n // SQUARE for n in inner.shape)
        blocks = inner[: ny * SQUARE, : nx * SQUARE].reshape(ny, SQUARE, nx, SQUARE)
        return blocks.sum(axis=(1, 3)).ravel()

    errors = np.sqrt(summed(err**2))
    if correlation is not None:
        errors = errors * correlation.of_area(np.full(errors.size, float(SQUARE**2)))
    return robust_scatter(summed(mosaic.data) / errors)


def ours(group: Group[Image], grid: str) -> ApertureScore:
    """Make a mosaic with the default profile, and measure it as its catalogue would."""
    settings = profile("default", "resample") | dict(GRIDS[grid])
    mosaic = Resample(**settings)(group)
    is_correlated = profile("default", "source_catalog").get("errors") == "correlated"
    return score(
        grid, "calcore", mosaic, told(mosaic.meta) if is_correlated else None, _margin(grid)
    )


def peers(group: Group[Image], work: Path) -> list[ApertureScore]:
    """Measure the reference pipeline's mosaics as its catalogue does: pixels are independent."""
    jobs = [
        Job(name=f"grid{k}", step="ResampleStep", parameters=GRIDS[grid])
        for k, grid in enumerate(GRIDS)
    ]
    answers = theirs(group, jobs, work)
    if answers is None:
        return []
    return [
        score(grid, "jwst", io.open(answers.files(f"grid{k}")[0], Mosaic), None, _margin(grid))
        for k, grid in enumerate(GRIDS)
    ]


def _margin(grid: str) -> float:
    """Return how far from the edges of a mosaic all exposures see it [pixel]."""
    return 75 / float(GRIDS[grid].get("pixel_scale_ratio", 1.0))
