"""What is drawn over a picture: sources of a catalogue, the directions north and east, a scale."""

from typing import Any

import numpy as np
from matplotlib.patheffects import withStroke

_MOST_SOURCES = 5000
_EDGED = (withStroke(linewidth=2.5, foreground="black"),)
"""An edge that keeps marks apart from whatever they lie on."""


def draw_sources(axes: Any, catalog: Any) -> None:
    """Mark the sources of a catalogue: circles for stars, squares for extended ones.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        In pixels counted from 0.
    catalog : table
        Columns ``xcentroid``, ``ycentroid`` [pixel], optionally ``is_extended``. Of more than 5000
        sources the first 5000 are marked.
    """
    names = set(catalog.colnames)
    if not {"xcentroid", "ycentroid"} <= names or len(catalog) == 0:
        return
    rows = catalog[:_MOST_SOURCES]
    x, y = (
        np.asarray(getattr(rows[n], "value", rows[n]), float) for n in ("xcentroid", "ycentroid")
    )
    extended = np.zeros(len(rows), bool)
    if "is_extended" in names:
        extended = np.asarray(rows["is_extended"]).astype(bool)
    for chosen, marker, colour, name in (
        (~extended, "o", "#3df5ff", "stars"),
        (extended, "s", "#7dff6b", "extended"),
    ):
        if chosen.any():
            axes.scatter(
                x[chosen], y[chosen], s=55, marker=marker, facecolors="none", edgecolors=colour,
                linewidths=0.9, label=f"{int(chosen.sum())} {name}",
            )  # fmt: skip
    axes.legend(loc="upper right", fontsize=7, framealpha=0.6)


def draw_compass(axes: Any, wcs: Any, shape: tuple[int, int]) -> None:
    """Draw arrows to north and east and a bar of round length, in the lower left corner.

    Parameters
    ----------
    axes : matplotlib.axes.Axes
        In pixels counted from 0.
    wcs : callable
        ``wcs(x, y)`` gives right ascension and declination [deg]. One that answers NaN at the
        centre, or with more than two numbers, as those of lamps and spectra do, draws nothing.
    shape : (ny, nx)
        Size of the picture [pixel].
    """
    if getattr(wcs, "world_n_dim", None) not in {None, 2}:
        return  # unasked: those of image slicers are made when somebody asks, and warn between slices
    ny, nx = shape
    x, y = (nx - 1) / 2, (ny - 1) / 2
    values = wcs(np.array([x, x + 1, x]), np.array([y, y, y + 1]))
    if len(values) != 2:
        return
    ra, dec = (np.asarray(value, float) for value in values)
    if not (np.isfinite(ra).all() and np.isfinite(dec).all()):
        return
    east_per_pixel = ((ra[1:] - ra[0] + 180) % 360 - 180) * np.cos(np.radians(dec[0]))
    sky_per_pixel = np.array([east_per_pixel, dec[1:] - dec[0]])  # (east, north) by (x, y) [deg]
    if abs(np.linalg.det(sky_per_pixel)) < 1e-16:
        return
    east, north = np.linalg.inv(sky_per_pixel).T
    length = 0.08 * min(ny, nx)
    corner = np.array([0.16 * nx, 0.14 * ny])
    for direction, name in ((east, "E"), (north, "N")):
        tip = corner + length * direction / np.hypot(*direction)
        axes.annotate(
            "",
            xy=tip,
            xytext=corner,
            arrowprops={"arrowstyle": "->", "color": "white", "lw": 1.2, "path_effects": _EDGED},
        )
        label = corner + 1.3 * (tip - corner)
        axes.text(
            *label, name, color="white", fontsize=9, ha="center", va="center", path_effects=_EDGED
        )
    scale_arcsec = 3600 * np.sqrt(abs(np.linalg.det(sky_per_pixel)))
    width_arcsec = 0.2 * nx * scale_arcsec
    power = 10.0 ** np.floor(np.log10(width_arcsec))
    bar_arcsec = power * max(factor for factor in (1, 2, 5) if factor * power <= width_arcsec)
    left, bottom = 0.05 * nx, 0.04 * ny
    ends = [left, left + bar_arcsec / scale_arcsec]
    axes.plot(ends, [bottom, bottom], color="white", lw=1.5, path_effects=_EDGED)
    axes.text(
        left + bar_arcsec / scale_arcsec / 2, bottom + 0.012 * ny, f'{bar_arcsec:g}"',
        color="white", fontsize=9, ha="center", va="bottom", path_effects=_EDGED,
    )  # fmt: skip
