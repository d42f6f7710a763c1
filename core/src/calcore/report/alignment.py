"""A picture of how well exposures were aligned: what is left between their stars."""

from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from calcore.errors import DataUnusable

RESIDUALS = "_tweakreg.ecsv"
"""How names of tables of residuals end."""
_COLUMNS = frozenset(
    {"exposure", "against", "x", "y", "residual_x", "residual_y", "residual_east",
     "residual_north", "snr", "used"}
)  # fmt: skip
_MOST_VECTORS = 3000
_PHASE_BINS = 5
_TOLD = 8
"""Exposures that the legend names; of more it tells the worst."""


def alignment_figure(table: Any, title: str = "") -> Figure:
    """Draw the residuals of an alignment.

    Four panels: residuals as vectors at the places of the stars, on the sky, along the axes of the
    images against the signal to noise, and against the phase of the pixel, in which an undersampled
    image shows how its centroids err.

    Parameters
    ----------
    table : astropy.table.Table
        What tweakreg writes (``_tweakreg.ecsv``). If stars were compared with a catalogue, these
        residuals are drawn.
    title : str
        Stands above the picture.

    Raises
    ------
    DataUnusable
        The table lacks columns.
    """
    missing = sorted(_COLUMNS - set(table.colnames))
    if missing:
        raise DataUnusable(
            f"this is no table of residuals: it has no {', '.join(missing)}; give what tweakreg wrote"
        )
    against = "catalogue" if "catalogue" in set(table["against"]) else "exposures"
    rows = table[(table["against"] == against) & np.isfinite(_plain(table, "residual_x"))]
    figure = Figure(figsize=(10, 9), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("\n".join(part for part in (title, *_lost(table.meta)) if part), fontsize=10)
    places, sky, by_snr, by_phase = figure.subplots(2, 2).ravel()
    used = np.asarray(rows["used"], bool)
    values = {name: _plain(rows, name) for name in _COLUMNS - {"against", "used", "exposure"}}
    exposure = np.asarray(rows["exposure"])
    _draw_vectors(places, values, used)
    _draw_on_the_sky(sky, values, used, exposure)
    for name, colour in (("residual_x", "#1f6fb4"), ("residual_y", "#d9731a")):
        label = name[-1]
        known = used & np.isfinite(values["snr"])
        by_snr.semilogx(
            values["snr"][known], values[name][known], ".", ms=3, color=colour, label=label
        )
        phase = (values[label] + 0.5) % 1
        by_phase.plot(phase[used], values[name][used], ".", ms=2, color=colour, alpha=0.4)
        _draw_medians(by_phase, phase[used], values[name][used], colour, label)
    by_snr.set_xlabel("signal to noise")
    by_snr.xaxis.set_minor_formatter(NullFormatter())
    by_phase.set_xlabel("phase of the pixel, from its edge")
    for axes in (by_snr, by_phase):
        axes.set_ylabel("residual [pixel]")
        axes.axhline(0, color="black", lw=0.5)
        axes.legend(loc="upper right", fontsize=7)
    by_phase.set_xlim(0, 1)
    return figure


def _draw_vectors(axes: Any, values: dict[str, Any], used: Any) -> None:
    """Draw residuals as vectors, enlarged, at the places of the stars."""
    axes.set_xlabel("x [pixel]")
    axes.set_ylabel("y [pixel]")
    axes.set_aspect("equal", "datalim")
    length = np.hypot(values["residual_x"], values["residual_y"])
    if not used.any():
        axes.set_title("no star was compared", fontsize=9)
        return
    typical = max(float(np.median(length[used])), 1e-9)
    chosen = np.flatnonzero(used)[:: max(1, -(-int(used.sum()) // _MOST_VECTORS))]
    arrows = axes.quiver(
        values["x"][chosen], values["y"][chosen],
        values["residual_x"][chosen], values["residual_y"][chosen],
        angles="xy", scale=typical * 25, width=0.002, color="#333333",
    )  # fmt: skip
    key = float(f"{2 * typical:.1g}")
    axes.quiverkey(
        arrows, 0.85, 1.03, key, f"{key:g} pixel", labelpos="E", fontproperties={"size": 8}
    )
    axes.set_title(f"{int(used.sum())} residuals", fontsize=9, loc="left")


def _draw_on_the_sky(axes: Any, values: dict[str, Any], used: Any, exposure: Any) -> None:
    """Draw residuals to the east and north, each exposure in a colour of its own."""
    east, north = values["residual_east"], values["residual_north"]
    spreads = {
        number: float(np.sqrt(np.mean(east[own] ** 2 + north[own] ** 2) / 2))
        for number in np.unique(exposure)
        if (own := used & (exposure == number)).any()
    }
    told = sorted(spreads, key=lambda number: -spreads[number])[:_TOLD]
    for number, spread in spreads.items():
        own = used & (exposure == number)
        name = "all as one" if number == 0 else f"exposure {number}"
        label = f"{name}: {spread:.2g} mas (rms)" if number in told else None
        axes.plot(east[own], north[own], ".", ms=3, label=label)
    axes.axhline(0, color="black", lw=0.5)
    axes.axvline(0, color="black", lw=0.5)
    axes.set_aspect("equal", "datalim")
    axes.invert_xaxis()  # east is left
    axes.set_xlabel("residual to the east [mas]")
    axes.set_ylabel("residual to the north [mas]")
    if spreads:
        axes.legend(loc="upper right", fontsize=7)


def _draw_medians(axes: Any, phase: Any, residual: Any, colour: str, label: str) -> None:
    """Draw the median residual in bins of the phase, with its standard error."""
    place = np.minimum((phase * _PHASE_BINS).astype(int), _PHASE_BINS - 1)
    middles, medians, errors = [], [], []
    for number in range(_PHASE_BINS):
        own = residual[place == number]
        if own.size > 1:
            middles.append((number + 0.5) / _PHASE_BINS)
            medians.append(np.median(own))
            errors.append(1.25 * own.std() / np.sqrt(own.size))
    axes.errorbar(middles, medians, errors, fmt="o-", color=colour, ms=4, label=f"{label}, medians")


def _lost(meta: Any) -> list[str]:
    """Return a line on exposures that were not aligned, if there are any."""
    exposures = meta.get("exposures", [])
    lost = [one for one in exposures if one["status"] not in {"SUCCESS", "REFERENCE"}]
    if not lost:
        return []
    names = ", ".join(str(one["exposure"]) for one in lost)
    return [f"{len(lost)} of {len(exposures)} exposures not aligned: {names}"]


def _plain(table: Any, name: str) -> Any:
    """Return a column as numbers, whether or not it has a unit."""
    column = table[name]
    return np.asarray(getattr(column, "value", column), float)
