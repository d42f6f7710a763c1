"""Reference files that only MIRI has, or has in a form of its own."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

from calcore.model import Reference
from calcore.model.exposure import Flags, Float, Table
from calcore.model.layout import Node, Plane, TableExtension


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicerDistortion(Reference):
    """Where the slices of two channels lie on the detector and in the field of view.

    The lists `alpha`, `beta`, `x` and `y` hold a polynomial for each of `slices`: from y and x
    [pixel] to alpha and beta [arcsec], and back from wavelength [um] and alpha. `field` has for
    each channel the way from alpha and beta to V2 and V3 [arcsec], `beta_zero` and `beta_step` the
    first slice's beta and the step to the next.
    """

    type: ClassVar[str] = "distortion"
    slices: Annotated[Any, Node("slices", required=True)]
    alpha: Annotated[Any, Node("alpha_model", required=True, plain=True)]
    beta: Annotated[Any, Node("beta_model", required=True, plain=True)]
    x: Annotated[Any, Node("x_model", required=True, plain=True)]
    y: Annotated[Any, Node("y_model", required=True, plain=True)]
    field: Annotated[Any, Node("abv2v3_model", required=True, plain=True)]
    beta_zero: Annotated[Any, Node("bzero", required=True)]
    beta_step: Annotated[Any, Node("bdel", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicerWavelengths(Reference):
    """For each of `slices` a polynomial in `wavelengths`, from y and x [pixel] to wavelength [um]."""

    type: ClassVar[str] = "specwcs"
    slices: Annotated[Any, Node("slices", required=True)]
    wavelengths: Annotated[Any, Node("model", required=True, plain=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicerRegions(Reference):
    """Which slice a pixel belongs to: `labels` (n_throughput, ny, nx), 0 between slices.

    The planes count a pixel to its slice from a throughput of 0.1, 0.2 … 0.9 on.
    """

    type: ClassVar[str] = "regions"
    labels: Annotated[Any, Node("regions", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicerRanges(Reference):
    """Shortest and longest wavelength [um] in `ranges` of each channel and band in `names`."""

    type: ClassVar[str] = "wavelengthrange"
    names: Annotated[Any, Node("waverange_selector", required=True)]
    ranges: Annotated[Any, Node("wavelengthrange", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class CubeParameters(Reference):
    """How cubes are sampled: a row for each channel and band.

    `sizes` has spaxelsize [arcsec], spectralstep, wavemin and wavemax [um]; `powers` and
    `exponentials` have roispatial [arcsec] and roispectral [um], and power and softrad, or scalerad.
    The other tables have a row for each plane of a cube of several channels.
    """

    type: ClassVar[str] = "cubepar"
    sizes: Annotated[Table, TableExtension("CUBEPAR", required=True)]
    powers: Annotated[Table, TableExtension("CUBEPAR_MSM")] | None = None
    exponentials: Annotated[Table, TableExtension("CUBEPAR_EMSM")] | None = None
    all_sizes: Annotated[Table, TableExtension("MULTICHANNEL_DRIZ")] | None = None
    all_powers: Annotated[Table, TableExtension("MULTICHANNEL_MSM")] | None = None
    all_exponentials: Annotated[Table, TableExtension("MULTICHANNEL_EMSM")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class SlitTrace(Reference):
    """Where the prism sends the light of a slit, and where the slit lies.

    `table` has a row for each row of the detector: x_center, y_center [pixel] and wavelength [um] of
    light that enters at the slit's middle, and the corners x0, y0 … x3, y3 of the slit's image in that
    light. Pixels count from the middle of the slit, which `meta` holds as x_ref, y_ref, or
    x_ref_slitless, y_ref_slitless where there is none; these count from 1 in the full frame.
    """

    type: ClassVar[str] = "specwcs"
    table: Annotated[Table, TableExtension("WAVETABLE", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class Fringe(Reference):
    """Fringes that an evenly lit field shows: `data` (ny, nx), relative transmission; `dq` (ny, nx)."""

    type: ClassVar[str] = "fringe"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]


@dataclass(frozen=True, eq=False, kw_only=True)
class FringeFrequencies(Reference):
    """Which waves of interference are looked for: a table for each band, with a row for each slice.

    Columns are slice and, for one layer or several, ffreq and dffreq, the waves' length over
    wavenumber and by how much it may differ [1/cm], max_nfringes, how many may be told apart, and
    min_snr, signal over noise from which they are. `largest` has the largest amplitude by wavelength [um].
    """

    type: ClassVar[str] = "fringefreq"
    short: Annotated[Table, TableExtension("RFC_FREQ_SHORT", required=True)]
    medium: Annotated[Table, TableExtension("RFC_FREQ_MEDIUM", required=True)]
    long: Annotated[Table, TableExtension("RFC_FREQ_LONG", required=True)]
    largest: Annotated[Table, TableExtension("MAX_AMP", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlicerPhotom(Reference):
    """Flux calibration of each pixel: `data` (ny, nx) [MJy/sr/(DN/s)], `dq` (ny, nx).

    The tables say for each channel how sensitivity changes: at wavelengths ``binwave`` [um] it is
    ``year1value ((t - t0 + tsoft) / (365 + tsoft))^alpha`` of what it was, times in days.
    """

    type: ClassVar[str] = "photom"
    data: Annotated[Float, Plane("SCI", "f4", required=True)]
    dq: Annotated[Flags, Plane("DQ", "u4", fill=0)]
    channel_1: Annotated[Table, TableExtension("TIMECOEFF_POWERLAW_CH1")] | None = None
    channel_2: Annotated[Table, TableExtension("TIMECOEFF_POWERLAW_CH2")] | None = None
    channel_3: Annotated[Table, TableExtension("TIMECOEFF_POWERLAW_CH3")] | None = None
    channel_4: Annotated[Table, TableExtension("TIMECOEFF_POWERLAW_CH4")] | None = None


@dataclass(frozen=True, eq=False, kw_only=True)
class CrossArtifact(Reference):
    """How rows scatter light: a table for each channel and band, with a row for each of the detector.

    Columns are lor_fwhm, gau_fwhm and gau_xoff [pixel], lor_scale, gau_scale1 and gau_scale2.
    """

    type: ClassVar[str] = "mrsxartcorr"
    ch1a: Annotated[Table, TableExtension("CH1A", required=True)]
    ch1b: Annotated[Table, TableExtension("CH1B", required=True)]
    ch1c: Annotated[Table, TableExtension("CH1C", required=True)]
    ch2a: Annotated[Table, TableExtension("CH2A", required=True)]
    ch2b: Annotated[Table, TableExtension("CH2B", required=True)]
    ch2c: Annotated[Table, TableExtension("CH2C", required=True)]
    ch3a: Annotated[Table, TableExtension("CH3A", required=True)]
    ch3b: Annotated[Table, TableExtension("CH3B", required=True)]
    ch3c: Annotated[Table, TableExtension("CH3C", required=True)]
    ch4a: Annotated[Table, TableExtension("CH4A", required=True)]
    ch4b: Annotated[Table, TableExtension("CH4B", required=True)]
    ch4c: Annotated[Table, TableExtension("CH4C", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralLeak(Reference):
    """How much light of half the wavelength leaks in: `table` with wavelength [um] and frac_leak."""

    type: ClassVar[str] = "mrsptcorr"
    table: Annotated[Table, TableExtension("LEAKCOR", required=True)]


@dataclass(frozen=True, eq=False, kw_only=True)
class SlitLossMap(Reference):
    """What a point source's light is to be multiplied by, since some does not enter the slit.

    `table` has a row for each wavelength [um]: pathloss (ny, nx) by the source's place. `meta` says
    which places these are: loss_map.crpix1 … cdelt2, pixels from the middle of the slit, along it and
    across.
    """

    type: ClassVar[str] = "pathloss"
    table: Annotated[Table, TableExtension("PATHLOSS", required=True)]
