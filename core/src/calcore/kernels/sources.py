"""Finding sources in an image; photutils does the work.

Stars by DAOFIND (Stetson 1987, PASP 99, 191) or IRAF's starfind; sources of any shape by connected
pixels above a threshold, with blends parted by multiple thresholds and a watershed, as SExtractor
does (Bertin & Arnouts 1996, A&AS 117, 393).
"""

import warnings
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from photutils.detection import DAOStarFinder, IRAFStarFinder
from photutils.segmentation import (
    SegmentationImage,
    SourceCatalog,
    deblend_sources,
    detect_sources,
)

from calcore.kernels.blends import may_be_blends
from calcore.kernels.centroids import windowed
from calcore.kernels.correlated_noise import Correlation
from calcore.kernels.each import Each, one_by_one
from calcore.kernels.peaks import matched, peaks, profile
from calcore.kernels.source_background import SIGMA_PER_FWHM, background, smoothed

Finder = Literal["dao", "iraf", "segmentation"]
F8 = NDArray[np.float64]
Mask = NDArray[np.bool_]
_SAMPLING = 0.02
"""Error of a position that no light helps against [pixel]."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """How sources are looked for.

    Attributes
    ----------
    finder : str
        ``"dao"``, ``"iraf"`` or ``"segmentation"``.
    snr : float
        Threshold over the background's noise.
    box : int
        Side of the boxes that the background is measured in [pixel].
    fwhm : float
        Width of the kernel the image is filtered with [pixel].
    minsep_fwhm, sigma_radius, sharpness, roundness, brightest, peak_max
        For stars: least distance [fwhm], size of the kernel [sigma], accepted ranges, how many are
        kept, and the highest value of one that is.
    npixels, connectivity, levels, contrast, mode, deblend
        For segments: least number of pixels, 4 or 8 neighbours, thresholds between which blends are
        parted, fraction of the flux a part must have.
    local_width, mask_method, kron
        For segments: what photutils' catalogue takes.
    windowed : bool
        Whether positions are centroids under a window of width `fwhm`.
    """

    finder: Finder
    snr: float
    box: int
    fwhm: float
    minsep_fwhm: float = 0.0
    sigma_radius: float = 1.5
    sharpness: tuple[float, float] = (0.5, 2.0)
    roundness: tuple[float, float] = (0.0, 0.2)
    brightest: int | None = 200
    peak_max: float | None = None
    npixels: int = 25
    connectivity: int = 8
    levels: int = 32
    contrast: float = 0.001
    mode: str = "exponential"
    deblend: bool = True
    local_width: int = 0
    mask_method: str = "correct"
    kron: tuple[float, ...] | None = None
    windowed: bool = False


@dataclass(frozen=True, eq=False)
class Stars:
    """Positions (x, y, 0-based [pixel]) and fluxes [unit of the image], float64 (n,) each.

    `error` is how well a position is known [pixel]: what the background's noise does to a Gaussian
    (King 1983, PASP 95, 163), and what an undersampled image does to any. `snr` is the flux over
    what the background's noise does to it.
    """

    x: F8
    y: F8
    flux: F8
    error: F8
    snr: F8


def segments(
    filtered: NDArray[np.float32], noise: Any, hidden: Mask, search: Search
) -> SegmentationImage | None:
    """Return which pixel belongs to which source, or None if there is no source.

    Parameters
    ----------
    filtered : float32 (ny, nx)
        Filtered image without background.
    noise : float or float (ny, nx)
        Noise of the background.
    hidden : bool (ny, nx)
        True for pixels that do not count.
    search : Search
        How sources are looked for.
    """
    with warnings.catch_warnings():
        # An image without sources is no mishap; nor is a blend that cannot be parted.
        warnings.simplefilter("ignore")
        found = detect_sources(
            filtered, search.snr * noise, search.npixels,
            connectivity=search.connectivity, mask=hidden,
        )  # fmt: skip
        if found is None or not search.deblend:
            return found
        labels = np.asarray(found.data, np.int32)
        blends = may_be_blends(filtered, labels, search.npixels, search.connectivity)
        if blends.size == 0:
            return found
        return deblend_sources(
            filtered, found, search.npixels, labels=blends, n_levels=search.levels,
            contrast=search.contrast, mode=search.mode, connectivity=search.connectivity,
            progress_bar=False,
        )  # fmt: skip


def measured(
    data: NDArray[np.float32],
    filtered: NDArray[np.float32],
    found: SegmentationImage,
    hidden: Mask,
    search: Search,
    err: NDArray[np.float32] | None = None,
    wcs: Any = None,
) -> SourceCatalog:
    """Return photutils' catalogue of segments; centroids are those of the filtered image."""
    extra = {} if search.kron is None else {"kron_params": search.kron}
    return SourceCatalog(
        data,
        found,
        convolved_data=filtered,
        error=err,
        mask=hidden,
        wcs=wcs,
        local_bkg_width=search.local_width,
        aperture_mask_method=search.mask_method,
        **extra,
    )


def _finder(
    threshold: float, search: Search, positions: NDArray[np.intp]
) -> DAOStarFinder | IRAFStarFinder:
    kind = DAOStarFinder if search.finder == "dao" else IRAFStarFinder
    return kind(
        threshold,
        search.fwhm,
        sigma_radius=search.sigma_radius,
        sharpness_range=search.sharpness,
        roundness_range=search.roundness,
        n_brightest=search.brightest,
        peak_max=search.peak_max,
        min_separation=_separation(search),
        xycoords=positions,
    )


def _separation(search: Search) -> int:
    return max(2, int(search.fwhm * search.minsep_fwhm + 0.5))


def _stars(net: NDArray[np.float32], noise: float, hidden: Mask, search: Search) -> Any:
    """Return the finder's table, or None; candidates are peaks of the filtered image."""
    threshold = search.snr * noise
    # What the filter would make of a star without one of its pixels is another star.
    filtered = matched(np.where(hidden, np.float32(np.nan), net), search.fwhm, search.sigma_radius)
    positions = peaks(filtered, hidden, threshold, _separation(search))
    if len(positions) == 0:
        return None
    with warnings.catch_warnings():
        # Having rejected all candidates is no mishap.
        warnings.simplefilter("ignore")
        if search.finder == "iraf":
            return _starfind(net, threshold, search, positions)
        return _finder(threshold, search, positions)(net, mask=hidden)


def _starfind(
    net: NDArray[np.float32], threshold: float, search: Search, positions: NDArray[np.intp]
) -> Any:
    """Return the table of starfind, or None, from what lies around candidates.

    It looks no farther than its kernel reaches, yet photutils would filter all of the image.
    """
    half = profile(search.fwhm, search.sigma_radius)[0].shape[0] // 2
    size = 2 * half + 1
    x, y = positions.T
    around = sliding_window_view(np.pad(net, half), (size, size))[y, x]
    places = np.stack([np.full(len(x), half), half + size * np.arange(len(x))], axis=1)
    table = _finder(threshold, search, places)(around.reshape(-1, size))
    if table is not None:
        piece = np.asarray(table["y_centroid"] + 0.5, np.intp) // size
        table["x_centroid"] += x[piece] - half
        table["y_centroid"] += y[piece] - half - piece * size
    return table


def find_stars(data: NDArray[np.float32], hidden: Mask, search: Search) -> Stars:
    """Find point-like sources.

    Parameters
    ----------
    data : float32 (ny, nx)
        Image.
    hidden : bool (ny, nx)
        True for pixels that do not count.
    search : Search
        How sources are looked for.

    Returns
    -------
    Stars
        Brightest first; empty if there are none.
    """
    none = np.zeros(0)
    nothing = Stars(none, none, none, none, none)
    if hidden.all():
        return nothing
    sky = background(data, hidden, search.box)
    net, noise = np.asarray(data - sky.level, np.float32), float(np.median(sky.noise))
    if search.finder == "segmentation":
        filtered = smoothed(net, hidden, search.fwhm)
        found = segments(filtered, sky.noise, hidden, search)
        if found is None:
            return nothing
        table = measured(net, filtered, found, hidden, search)
        x, y, flux = table.x_centroid, table.y_centroid, table.segment_flux
    else:
        table = _stars(net, noise, hidden, search)
        if table is None:
            return nothing
        x, y, flux = table["x_centroid"], table["y_centroid"], table["flux"]
    x, y, flux = (np.atleast_1d(np.asarray(column, np.float64)) for column in (x, y, flux))
    order = np.argsort(-flux, kind="stable")
    order = order[np.isfinite(x[order]) & np.isfinite(y[order]) & np.isfinite(flux[order])]
    order = order[: search.brightest]
    x, y, flux = x[order], y[order], flux[order]
    if search.windowed:
        x, y = windowed(net, hidden, x, y, search.fwhm)
    sigma = search.fwhm * SIGMA_PER_FWHM
    snr = np.abs(flux) / (np.sqrt(4 * np.pi) * sigma * noise)
    return Stars(x, y, flux, np.hypot(np.sqrt(2) * sigma / snr, _SAMPLING), snr)


@dataclass(frozen=True, eq=False)
class Found:
    """Sources of an image.

    Attributes
    ----------
    label : int32 (n,)
        Numbers, from 1.
    x, y : float64 (n,)
        Positions, 0-based [pixel].
    flux, flux_err : float64 (n,)
        Sums over the pixels of each source, and their standard deviations; for stars the finder's
        flux and NaN.
    net : float32 (ny, nx)
        Image without background; NaN where it is hidden.
    segments : uint32 (ny, nx), optional
        Which pixel belongs to which source.
    shape : dict
        Columns of the catalogue that tell of the shape of segments.
    box : four float64 (n,)
        Outer edges of the box around each source: x low, x high, y low, y high [pixel].
    """

    label: NDArray[np.int32]
    x: F8
    y: F8
    flux: F8
    flux_err: F8
    net: NDArray[np.float32]
    segments: NDArray[np.uint32] | None
    shape: dict[str, F8]
    box: tuple[F8, F8, F8, F8]

    def error_of_flux(self, correlation: Correlation | None) -> F8:
        """Return the standard deviation of `flux` if the noise of pixels is correlated."""
        if correlation is None or self.segments is None:
            return self.flux_err
        return self.flux_err * correlation.of_area(self.shape["isophotal_area"])


def find_sources(
    data: NDArray[np.float32],
    err: NDArray[np.float32],
    hidden: Mask,
    search: Search,
    each: Each = one_by_one,
) -> Found | None:
    """Find sources of any shape, or stars.

    Parameters
    ----------
    data, err : float32 (ny, nx)
        Image and its standard deviation.
    hidden : bool (ny, nx)
        True for pixels that do not count.
    search : Search
        How sources are looked for.
    each : callable
        Does some work for each item, perhaps on several threads.

    Returns
    -------
    Found or None
        None if there are none.
    """
    if hidden.all():
        return None
    sky = background(data, hidden, search.box)
    net = np.where(hidden, np.float32(np.nan), data - sky.level).astype(np.float32)
    if search.finder != "segmentation":
        stars = find_stars(data, hidden, search)
        label = np.arange(1, stars.x.size + 1, dtype=np.int32)
        nowhere = np.full(label.size, np.nan)
        box = nowhere, nowhere, nowhere, nowhere
        return Found(label, stars.x, stars.y, stars.flux, nowhere, net, None, {}, box)
    filtered = smoothed(net, hidden, search.fwhm, each)
    segmented = segments(filtered, sky.noise, hidden, search)
    if segmented is None:
        return None
    table = measured(net, filtered, segmented, hidden, search, err)
    x, y = _numbers(table.x_centroid), _numbers(table.y_centroid)
    if search.windowed:
        x, y = windowed(net, hidden, x, y, search.fwhm)
    shape = {
        "isophotal_area": _numbers(table.area),
        "semimajor_sigma": _numbers(table.semimajor_axis),
        "semiminor_sigma": _numbers(table.semiminor_axis),
        "ellipticity": _numbers(table.ellipticity),
        "orientation": _numbers(table.orientation),
    }
    box = (
        _numbers(table.bbox_xmin) - 0.5, _numbers(table.bbox_xmax) + 0.5,
        _numbers(table.bbox_ymin) - 0.5, _numbers(table.bbox_ymax) + 0.5,
    )  # fmt: skip
    return Found(
        np.atleast_1d(np.asarray(table.label, np.int32)), x, y, _numbers(table.segment_flux),
        _numbers(table.segment_flux_err), net, np.asarray(segmented.data, np.uint32), shape, box,
    )  # fmt: skip


def _numbers(column: Any) -> F8:
    """Return a column as plain numbers, also if it is one number or has a unit."""
    return np.atleast_1d(np.asarray(getattr(column, "value", column), np.float64))
