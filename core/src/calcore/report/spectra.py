"""Pictures of spectra: of a cube its light and its brightest spaxel, of tables flux against wavelength."""

from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import FuncNorm
from matplotlib.figure import Figure
from numpy.typing import NDArray

from calcore.model import Record
from calcore.model.cube import Cube
from calcore.model.spectrum import CombinedSpectra, Spectra, SpectrumSeries
from calcore.report.quicklook import NOT_A_VALUE, stretch_of

_MOST = 6
"""Spectra that have a panel each; the others are counted."""
_LINE, _BAND = "#22406a", "#9db8dc"
_ROBUST = (0.3, 99.7)
"""Percentiles of fluxes that lie within a panel, with a margin."""
Values = NDArray[np.float64]


def is_spectral(record: Any) -> bool:
    """Tell whether a record is a cube or holds spectra."""
    return isinstance(record, Cube | Spectra | SpectrumSeries | CombinedSpectra)


def spectral_figure(record: Record, title: str = "") -> Figure:
    """Draw a cube or spectra.

    Parameters
    ----------
    record : Cube, Spectra, CombinedSpectra or SpectrumSeries
        Of a cube the mean over its wavelengths is drawn, and the spectrum of its brightest spaxel
        with a band of one standard deviation; so is each spectrum, in Jy of points and MJy/sr of what
        fills the field. Of a time series it is all integrations as an image, each wavelength relative
        to its median, and their median.
    title : str
        Stands above the picture.
    """
    if isinstance(record, Cube):
        figure = _figure(title, (11, 4.6))
        _draw_cube(record, figure)
    elif isinstance(record, SpectrumSeries):
        figure = _figure(title, (9, 6.5))
        _draw_series(record, figure)
    else:
        assert isinstance(record, Spectra | CombinedSpectra)
        shown = record.spectra[:_MOST]
        figure = _figure(_counted(title, len(record.spectra)), (9, 1.4 + 2.6 * max(1, len(shown))))
        panels = figure.subplots(max(1, len(shown)), 1, squeeze=False)[:, 0]
        for panel, spectrum in zip(panels, shown, strict=False):
            _draw_spectrum(spectrum, panel)
        panels[-1].set_xlabel("wavelength [µm]")
    return figure


def _figure(title: str, size: tuple[float, float]) -> Figure:
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontsize=10)
    return figure


def _counted(title: str, spectra: int) -> str:
    return title if spectra <= _MOST else f"{title}\nthe first {_MOST} of {spectra} spectra"


def white_light(cube: Cube) -> NDArray[np.float32]:
    """Return the mean over all wavelengths (ny, nx); NaN where nothing fell."""
    seen = np.isfinite(cube.data)
    count = seen.sum(axis=0)
    total = np.where(seen, cube.data, 0).sum(axis=0)
    mean = total / np.maximum(count, 1)
    return np.asarray(np.where(count > 0, mean, np.nan), np.float32)


def _draw_cube(cube: Cube, figure: Figure) -> None:
    """Draw the light of a cube and the spectrum of its brightest spaxel."""
    picture, curve = figure.subplots(1, 2, width_ratios=(1, 1.7))
    image = white_light(cube)
    stretch = stretch_of(image)
    norm = FuncNorm((stretch.forward, stretch.inverse), vmin=stretch.low, vmax=stretch.high)
    colours = colormaps["inferno"].with_extremes(bad=NOT_A_VALUE)
    unit = str(cube.meta.get("bunit_data") or "")
    drawn = picture.imshow(image, origin="lower", interpolation="nearest", cmap=colours, norm=norm)
    bar = figure.colorbar(drawn, ax=picture, label=f"mean [{unit}]", location="bottom", shrink=0.9)
    bar.set_ticks(stretch.ticks(4))
    bar.minorticks_off()
    picture.set_xlabel("x [spaxel]")
    picture.set_ylabel("y [spaxel]")
    curve.set_xlabel("wavelength [µm]")
    if not np.isfinite(image).any():
        curve.set_title("nothing fell into this cube", fontsize=9)
        return
    y, x = np.unravel_index(int(np.nanargmax(image)), image.shape)
    picture.plot([x], [y], "+", color="white", markersize=12)
    error = None if cube.err is None else cube.err[:, y, x]
    _curve(curve, _wavelengths(cube), cube.data[:, y, x], error)
    curve.set_ylabel(f"brightness [{unit}]")
    curve.set_title(f"spaxel ({x}, {y}), the brightest", fontsize=9)


def _wavelengths(cube: Cube) -> Values:
    planes, rows, columns = cube.data.shape
    if cube.wcs is None:
        return np.arange(planes, dtype=np.float64)
    number = np.arange(planes, dtype=np.float64)
    middle = np.full(planes, (columns - 1) / 2), np.full(planes, (rows - 1) / 2)
    return np.asarray(cube.wcs(*middle, number, with_bounding_box=False)[2], np.float64)


def _draw_spectrum(spectrum: Any, panel: Axes) -> None:
    """Draw one spectrum."""
    table = spectrum.table
    names = table.dtype.names
    told = {name.rpartition(".")[2]: value for name, value in spectrum.meta.items()}
    extended = told.get("source_type") == "EXTENDED" and np.isfinite(table["SURF_BRIGHT"]).any()
    value = "SURF_BRIGHT" if extended else "FLUX"
    error = "SB_ERROR" if extended else "FLUX_ERROR" if "FLUX_ERROR" in names else "ERROR"
    _curve(panel, table["WAVELENGTH"], table[value], table[error])
    words = "surface brightness" if extended else "flux"
    panel.set_ylabel(f"{words} [{spectrum.units.get(value, '')}]")
    order = told.get("spectral_order")
    parts = [str(told.get("name", "")), f"order {order}" if order else ""]
    parts.append(str(told.get("source_type", "")).lower())
    panel.set_title(", ".join(part for part in parts if part), fontsize=9)


def _draw_series(series: SpectrumSeries, figure: Figure) -> None:
    """Draw the spectra of a time series: their changes, and their median."""
    changes, curve = figure.subplots(2, 1, height_ratios=(1.5, 1), sharex=True)
    flux = np.concatenate([one.table["FLUX"] for one in series.spectra])
    wavelength = np.asarray(series.spectra[0].table["WAVELENGTH"][0])
    with np.errstate(invalid="ignore", divide="ignore"):
        middle = np.array(
            [np.median(c[np.isfinite(c)]) if np.isfinite(c).any() else np.nan for c in flux.T]
        )
        relative = 100 * (flux / middle - 1)
    finite = relative[np.isfinite(relative)]
    reach = float(np.percentile(np.abs(finite), 98)) if finite.size else 1.0
    known = np.isfinite(wavelength)
    colours = colormaps["RdBu_r"].with_extremes(bad=NOT_A_VALUE)
    drawn = changes.pcolormesh(
        wavelength[known], np.arange(len(flux)), relative[:, known],
        cmap=colours, vmin=-reach, vmax=reach, shading="nearest", rasterized=True,
    )  # fmt: skip
    figure.colorbar(drawn, ax=changes, label="flux over the median - 1 [%]", extend="both")
    changes.set_ylabel("integration")
    _curve(curve, wavelength, middle, None)
    curve.set_ylabel(f"median flux [{series.spectra[0].units.get('FLUX', '')}]")
    curve.set_xlabel("wavelength [µm]")


def _curve(panel: Axes, wavelength: Any, value: Any, error: Any) -> None:
    """Draw a curve with its error band, within what nearly all values reach; marks tell of others."""
    wavelength, value = np.asarray(wavelength, float), np.asarray(value, float)
    if error is not None:
        error = np.asarray(error, float)
        panel.fill_between(wavelength, value - error, value + error, color=_BAND, linewidth=0)
    panel.plot(wavelength, value, color=_LINE, linewidth=0.8)
    finite = value[np.isfinite(value)]
    if finite.size:
        low, high = np.percentile(finite, _ROBUST)
        margin = 0.12 * (high - low) or abs(high) * 0.1 or 1.0
        panel.set_ylim(low - margin, high + margin)
        edges = panel.get_xaxis_transform()  # across the panel's height, from 0 to 1
        for edge, mark, beyond in ((1, "^", value > high + margin), (0, "v", value < low - margin)):
            if not beyond.any():
                continue
            panel.plot(
                wavelength[beyond], np.full(np.count_nonzero(beyond), edge), mark, color=_LINE,
                markersize=4, transform=edges, clip_on=False,
            )  # fmt: skip
    panel.margins(x=0.01)
