"""What is known of a simulated exposure, and what a program made of it, on the same pixels."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from benchmarks.truth_bound import FloatArray, Sampling
from numpy.typing import NDArray
from scipy.ndimage import binary_dilation

from calcore import io
from calcore.model import Meta
from calcore.model.stripes import Stripes
from calcore.model.superstripes import integrations_together
from calcore.registry import discovery

BoolArray = NDArray[np.bool_]
TRACK = 1
HALO = 10
"""How far from a single electron of a large event there may be others [pixel]."""
DO_NOT_USE, SATURATED, JUMP_DET, REFERENCE_PIXEL = 1, 2, 4, 2**31


@dataclass(frozen=True, kw_only=True, eq=False)
class ExposureTruth:
    """The truth of one exposure, on the pixels of its sub-array.

    Attributes
    ----------
    root
        Start of its file names.
    sampling, groups, integrations
        How it was sampled.
    gain, read_noise, dark, full_well
        True gain [electron/DN], noise of a read [DN], dark current [electron/s] and full well
        [electron], (ny, nx).
    active, reference
        Light-sensitive pixels, and reference pixels that are good, (ny, nx).
    light
        What each pixel detects [DN/s], (ny, nx).
    shared
        The same as neighbours share it [DN/s].
    coupling, coupling_diagonal
        Part of a pixel's signal that appears in a neighbour by a side, by a corner.
    hits
        The table of deposits: integration, group, partly, y, x, electrons.
    """

    root: str
    sampling: Sampling
    groups: int
    integrations: int
    gain: FloatArray
    read_noise: FloatArray
    dark: FloatArray
    full_well: FloatArray
    active: BoolArray
    reference: BoolArray
    light: FloatArray
    shared: FloatArray
    coupling: float
    coupling_diagonal: float
    hits: fits.FITS_rec

    @property
    def spread(self) -> FloatArray:
        """The kernel by which neighbours share their signal, (3, 3)."""
        kernel = np.full((3, 3), self.coupling_diagonal)
        kernel[1, :] = kernel[:, 1] = self.coupling
        kernel[1, 1] = 1 - 4 * self.coupling - 4 * self.coupling_diagonal
        return kernel

    def true_rate(self, corrected: bool) -> FloatArray:
        """Return what a program should find [DN/s]: the light, or what neighbours make of it."""
        return self.light if corrected else self.shared

    def photon_variance(self, corrected: bool) -> FloatArray:
        """Return the variance of a pixel's photon noise gathered in a second [DN²/s].

        Dark current counts. Pixels that share their signal average the noise a little.
        """
        own = self.light / self.gain + self.dark / self.gain**2
        return own if corrected else convolved(own, self.spread**2)

    def read_level(self, corrected: bool) -> FloatArray:
        """Return the noise of a read [DN]; undoing the sharing makes it larger."""
        if not corrected:
            return self.read_noise
        patch = np.zeros((33, 33))
        patch[15:18, 15:18] = self.spread
        inverse = np.fft.ifft2(1 / np.fft.fft2(np.fft.ifftshift(patch))).real
        return self.read_noise * float(np.sqrt(np.sum(inverse**2)))

    def signal_share(self) -> FloatArray:
        """Return the signal after the last read over the full well, (ny, nx)."""
        last = self.sampling.mean_times(self.groups)[-1]
        seconds = last + (self.sampling.frames - 1) / 2 * self.sampling.frame_time_s
        return (self.light * self.gain + self.dark) * seconds / self.full_well

    def halos(self) -> BoolArray:
        """Return where large events may have left charge, (n_int, n_group, ny, nx).

        Their halos end in single electrons; all pixels near one of these count.
        """
        found = np.zeros((self.integrations, self.groups, *self.light.shape), bool)
        rows = self.hits[(self.hits["group"] < self.groups) & (self.hits["kind"] != TRACK)]
        for integration, group in {(int(r["integration"]), int(r["group"])) for r in rows}:
            here = rows[(rows["integration"] == integration) & (rows["group"] == group)]
            found[integration, group, here["y"], here["x"]] = True
            found[integration, group] = binary_dilation(found[integration, group], iterations=HALO)
        return found

    def charges(self) -> tuple[NDArray[np.float32], BoolArray]:
        """Return the charge of hits by group.

        Returns
        -------
        electrons : array (n_int, n_group, ny, nx)
            What particles left in a pixel between a group and the one before it [electron].
        partly : array of bool (n_int, n_group, ny, nx)
            True where the group holds a part of the charge only: the next difference is spoilt too.
        """
        shape = self.integrations, self.groups, *self.light.shape
        electrons, partly = np.zeros(shape, np.float32), np.zeros(shape, bool)
        inside = self.hits["group"] < self.groups
        rows = self.hits[inside]
        place = tuple(rows[name].astype(np.intp) for name in ("integration", "group", "y", "x"))
        np.add.at(electrons, place, rows["electrons"])
        partly[place] |= rows["partly"]
        return electrons, partly


def convolved(image: FloatArray, kernel: FloatArray) -> FloatArray:
    """Return an image convolved with a symmetric 3 by 3 kernel; edges are repeated."""
    ny, nx = image.shape
    padded = np.pad(image, 1, mode="edge")
    result = np.zeros(image.shape)
    for j in range(3):
        for i in range(3):
            result += kernel[j, i] * padded[j : j + ny, i : i + nx]
    return result


def read_truth(raw: Path, coupling: tuple[float, float]) -> ExposureTruth:
    """Read the truth of a raw file from the folder ``truth`` beside it.

    Parameters
    ----------
    raw
        An ``_uncal.fits`` of the simulator.
    coupling
        Part of the signal that goes to each neighbour by a side and by a corner; zero where the
        simulation had that switched off.
    """
    root = raw.name.removesuffix("_uncal.fits")
    header = fits.getheader(raw)
    folder = raw.parent / "truth"
    meta, window = _place(raw)
    first = meta.first_integration
    with fits.open(folder / f"{header['DETECTOR'].lower()}_detector.fits") as file:
        gain, read_noise, dark, full_well, dq = (
            np.asarray(file[name].data[window])
            for name in ("GAIN", "READNOISE", "DARK", "FULLWELL", "DQ")
        )
    with fits.open(folder / f"{root}_truth.fits") as file:
        light = np.asarray(file["RATE_DN"].data, np.float64)
        shared = np.asarray(file["RATE_IPC"].data, np.float64)
        hits = np.array(file["HITS"].data).view(fits.FITS_rec)
    return ExposureTruth(
        root=root,
        sampling=Sampling(
            frames=header["NFRAMES"], skip=header["GROUPGAP"], frame_time_s=header["TFRAME"]
        ),
        groups=header["NGROUPS"],
        integrations=meta.whole("exposure.integration_end", meta.n_integrations) - first + 1,
        gain=gain.astype(np.float64),
        read_noise=read_noise.astype(np.float64),
        dark=dark.astype(np.float64),
        full_well=full_well.astype(np.float64),
        active=dq & REFERENCE_PIXEL == 0,
        reference=(dq & REFERENCE_PIXEL != 0) & (dq & DO_NOT_USE == 0),
        light=light,
        shared=shared,
        coupling=coupling[0],
        coupling_diagonal=coupling[1],
        hits=hits,
    )


def _place(raw: Path) -> tuple[Meta, tuple[Any, Any]]:
    """Return metadata of the count rates that come of a raw file, and where on the detector they lie."""
    meta = io.read_meta(raw)
    meta = integrations_together(meta.with_facts(discovery.instrument(meta.instrument).facts(meta)))
    stripes = Stripes.of(meta)
    if stripes is not None and stripes.positions > 1:
        meta, stripes = stripes.collated_meta(meta), None
    top, left = meta.subarray_origin
    rows: Any = slice(top, top + meta["subarray.ysize"])
    columns: Any = slice(left, left + meta["subarray.xsize"])
    if stripes is not None:
        rows, columns = (stripes.lines, columns) if stripes.along_rows else (rows, stripes.lines)
    return meta, (rows, columns)


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """What a program made of an exposure.

    Attributes
    ----------
    rate, error
        Count rate and its error [DN/s], (ny, nx).
    dq
        Flags of the rate.
    group_dq
        Flags of the groups after jump, (n_int, n_group, ny, nx).
    corrected
        True if the sharing between neighbours was undone.
    """

    rate: FloatArray
    error: FloatArray
    dq: NDArray[np.uint32]
    group_dq: NDArray[np.uint8]
    corrected: bool

    @property
    def good(self) -> BoolArray:
        """Pixels with a rate."""
        return (self.dq & DO_NOT_USE == 0) & np.isfinite(self.rate) & (self.error > 0)

    @property
    def usable(self) -> BoolArray:
        """Groups that are neither saturated nor bad, (n_int, n_group, ny, nx)."""
        return self.group_dq & (DO_NOT_USE | SATURATED) == 0

    @property
    def jumps(self) -> BoolArray:
        """Groups with a jump before them, (n_int, n_group, ny, nx)."""
        return self.group_dq & JUMP_DET != 0


def read_calibrated(folder: Path, root: str, jump: str = "jump") -> Calibrated:
    """Read ``_rate`` and the flags in the product of jump (``_jump``) from a folder.

    Where stripes are put together after jump, the flags are those of ``_collate_stripes``.
    """
    with fits.open(folder / f"{root}_rate.fits") as file:
        rate = np.asarray(file["SCI"].data, np.float64)
        error = np.asarray(file["ERR"].data, np.float64)
        dq = np.asarray(file["DQ"].data, np.uint32)
        corrected = file[0].header.get("S_IPC") == "COMPLETE"
    with fits.open(folder / f"{root}_{jump}.fits") as file:
        group_dq = np.asarray(file["GROUPDQ"].data, np.uint8)
    if group_dq.shape[-2:] != rate.shape:
        return read_calibrated(folder, root, "collate_stripes")
    return Calibrated(rate=rate, error=error, dq=dq, group_dq=group_dq, corrected=corrected)
