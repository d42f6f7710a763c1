"""How spectra become one, for steps that combine them."""

from collections.abc import Sequence

import numpy as np

from calcore.errors import DataUnusable, ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels import spectra_combination as kernel
from calcore.model.exposure import Table
from calcore.model.meta import Meta
from calcore.model.reference import UserBackground
from calcore.model.spectrum import CombinedSpectrum, Spectrum, ascending, units_of

_SCALES = {"FLUX": "FLUX_ERROR", "SURF_BRIGHT": "SB_ERROR", "BACKGROUND": "BKGD_ERROR"}


def combined(
    spectra: Sequence[Spectrum],
    weights: Sequence[float],
    meta: Meta,
    *,
    places: kernel.Places = "clump",
    sigma: float | None = None,
    brightness: Sequence[str] = (),
) -> CombinedSpectrum:
    """Return the weighted mean of spectra.

    Parameters
    ----------
    spectra : sequence of Spectrum
        Rows without a flux, or flagged DO_NOT_USE, do not count; nor do wavelengths where none does.
    weights : sequence of float
        Of each spectrum.
    meta : Meta
        What to say of the result.
    places : str
        Wavelengths belong to the clump that they made, or to the nearest clump.
    sigma : float, optional
        Fluxes farther from their median than so many standard deviations do not count.
    brightness : sequence of str
        The column of each spectrum to take as surface brightness; SURF_BRIGHT if left out.

    Raises
    ------
    DataUnusable
        There is no wavelength, or spectra have different units.
    """
    units = {(own.units.get("FLUX"), own.units.get("SURF_BRIGHT")) for own in spectra}
    if len(units) > 1:
        shown = " and ".join(sorted(f"{flux}, {bright}" for flux, bright in units))
        raise DataUnusable(f"spectra in {shown} cannot be combined; calibrate all of them")
    names = brightness or ["SURF_BRIGHT"] * len(spectra)
    known = [
        (table, weight, name)
        for own, weight, name in zip(spectra, weights, names, strict=True)
        if len(table := _known(own.table))
    ]
    if not known:
        raise DataUnusable("no spectrum has a wavelength; look at how they were extracted")
    tables, weights, names = zip(*known, strict=True)
    grid, number = kernel.clumps([table["WAVELENGTH"] for table in tables])
    if places == "nearest":
        number = kernel.nearest(np.concatenate([table["WAVELENGTH"] for table in tables]), grid)
    dq = np.concatenate([table["DQ"] for table in tables])
    good = (dq & np.uint32(DQ.DO_NOT_USE)) == 0
    weight = np.concatenate([np.full(len(t), w) for t, w in zip(tables, weights, strict=True)])
    flux, bright = (
        kernel.Column(
            np.concatenate([t[name] for t, name in zip(tables, columns, strict=True)]),
            np.concatenate([t[_SCALES[name]] for t, name in zip(tables, columns, strict=True)]),
        )
        for columns in (["FLUX"] * len(tables), names)
    )
    good &= np.isfinite(flux.value)
    if sigma is not None:
        good = kernel.without_outliers(flux.value, number, good, sigma)
    means = [kernel.mean(column, weight, number, good, grid.size) for column in (flux, bright)]
    flags = np.zeros(grid.size, np.uint32)
    used = good & (number >= 0)
    np.bitwise_or.at(flags, number[used], dq[used])
    some = means[0].number > 0
    (first,) = units
    return CombinedSpectrum.of(
        meta, units_of(str(first[0] or "Jy"), str(first[1] or "MJy/sr")),
        WAVELENGTH=grid[some], FLUX=means[0].value[some], ERROR=means[0].error[some],
        SURF_BRIGHT=means[1].value[some], SB_ERROR=means[1].error[some], DQ=flags[some],
        WEIGHT=means[0].weight[some], N_INPUT=means[0].number[some],
    )  # fmt: skip


def given_spectrum(meta: Meta, given: UserBackground) -> CombinedSpectrum:
    """Return the spectrum of a user's file.

    Raises
    ------
    ReferenceInvalid
        It has no table of a spectrum.
    """
    table = given.extracted if given.combined is None else given.combined
    columns = {} if table is None else {name.upper(): name for name in table.dtype.names or ()}
    if table is None or not {"WAVELENGTH", "SURF_BRIGHT"} <= set(columns):
        raise ReferenceInvalid(
            "user_background has no table EXTRACT1D or COMBINE1D with WAVELENGTH and SURF_BRIGHT; "
            "give an x1d or c1d file"
        )
    order = np.argsort(table[columns["WAVELENGTH"]], kind="stable")
    wavelength, bright = (table[columns[n]][order] for n in ("WAVELENGTH", "SURF_BRIGHT"))
    return CombinedSpectrum.of(meta, WAVELENGTH=wavelength, SURF_BRIGHT=bright)


def _known(table: Table) -> Table:
    """Return rows that have a wavelength, ascending."""
    known = np.isfinite(table["WAVELENGTH"]) & (table["WAVELENGTH"] > 0)
    return ascending(table[known])
