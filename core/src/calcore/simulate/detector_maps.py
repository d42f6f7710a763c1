"""The true properties of every pixel of a detector.

They belong to the detector, not to an exposure: the same detector seed gives the same maps for
every visit, and reference files are noisy measurements of them.
"""

from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import zoom

from calcore.flags import DQ
from calcore.simulate.nonlinearity import linearised
from calcore.simulate.physics import Effects, Physics
from calcore.simulate.streams import stream
from calcore.simulate.tables import Detector

Float32 = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class DetectorMaps:
    """Properties per pixel, in science orientation; all arrays are (ny, nx) unless said.

    Attributes
    ----------
    active
        True where a pixel sees light; False for reference pixels.
    gain
        Electrons per linearised DN [electron/DN].
    efficiency
        Quantum efficiency relative to the mean.
    dark
        Dark current [electron/s].
    bias
        Number of an empty pixel [DN].
    read_noise
        Noise of one read [DN].
    full_scale
        Signal above the bias at which the pixel is full [DN].
    terms
        Terms of the non-linearity, (term, ny, nx).
    reset
        Amplitude of the decay after a reset [DN].
    slow
        Signal that a slow ("RC") pixel still has to gain after a reset [DN].
    dq
        Flags of bad and of reference pixels, as `DQ` numbers them.
    """

    active: NDArray[np.bool_]
    gain: Float32
    efficiency: Float32
    dark: Float32
    bias: Float32
    read_noise: Float32
    full_scale: Float32
    terms: Float32
    reset: Float32
    slow: Float32
    dq: NDArray[np.uint32]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of the frame, (ny, nx)."""
        ny, nx = self.dq.shape
        return ny, nx

    def cut(self, window: tuple[slice, slice]) -> "DetectorMaps":
        """Return the maps of a part of the detector."""
        values = {
            field.name: np.ascontiguousarray(getattr(self, field.name)[(..., *window)])
            for field in fields(self)
        }
        return DetectorMaps(**values)

    def at_gain(self, factor: float) -> "DetectorMaps":
        """Return the maps of a detector read with `factor` times as many electrons per DN.

        The bias, which the electronics set, stays in DN.
        """
        scale = np.float32(factor)
        return replace(
            self,
            gain=self.gain * scale,
            read_noise=self.read_noise / scale,
            full_scale=self.full_scale / scale,
        )

    def full_well(self, physics: Physics) -> Float32:
        """Return the charge that fills each pixel [electron]."""
        return self.gain * linearised(self.full_scale, self.terms, physics.pixels.full_scale_dn)


def detector_maps(
    detector: Detector, physics: Physics, *, outputs: int, interleaved: bool, seed: int
) -> DetectorMaps:
    """Draw the properties of a whole detector.

    Parameters
    ----------
    detector
        Its geometry.
    physics
        What to draw from.
    outputs, interleaved
        Its amplifiers; the bias has a step of its own for each.
    seed
        Seed of the detector.
    """
    shape = detector.ny, detector.nx
    pixels, electronics = physics.pixels, physics.electronics

    def normal(what: str) -> Float32:
        rng = stream(seed, detector.name, what)
        return rng.standard_normal(shape, dtype=np.float32)

    left, right, bottom, top = detector.reference_border
    active = np.zeros(shape, bool)
    active[bottom : shape[0] - top, left : shape[1] - right] = True
    waves = _smooth(stream(seed, detector.name, "waves"), shape)
    efficiency = 1 + pixels.efficiency_scatter * normal("efficiency")
    efficiency += np.float32(pixels.efficiency_waves) * waves
    common = 1 + pixels.nonlinearity_scatter * normal("nonlinearity")
    terms = np.asarray(pixels.nonlinearity, np.float32)[:, None, None] * np.clip(common, 0.2, 1.8)
    dark = pixels.dark_electron_s * np.exp(pixels.dark_scatter * normal("dark"))
    reset = np.zeros(shape, np.float32)
    if physics.settling is not None:
        reset += np.float32(physics.settling.reset_dn) * (1 + 0.2 * waves + 0.1 * normal("reset"))
        reset[1::2] += np.float32(physics.settling.reset_row_dn)
    maps = DetectorMaps(
        active=active,
        gain=np.float32(pixels.gain) * (1 + pixels.gain_scatter * normal("gain")),
        efficiency=np.where(active, efficiency, 0).astype(np.float32),
        dark=np.where(active, dark, 0).astype(np.float32),
        bias=_bias(detector, physics, outputs, interleaved, seed, normal("bias")),
        read_noise=electronics.read_noise_dn
        * np.exp(electronics.read_noise_scatter * normal("read noise")),
        full_scale=np.float32(pixels.full_scale_dn)
        * (1 + pixels.full_scale_scatter * np.clip(normal("full scale"), -3, 3)),
        terms=terms.astype(np.float32),
        reset=np.where(active, reset, 0).astype(np.float32),
        slow=np.zeros(shape, np.float32),
        dq=np.where(active, 0, DQ.REFERENCE_PIXEL).astype(np.uint32),
    )
    return _spoil(maps, physics, stream(seed, detector.name, "bad pixels"))


def _smooth(rng: np.random.Generator, shape: tuple[int, int], cells: int = 8) -> Float32:
    """Return smooth large-scale variations with mean 0 and rms 1."""
    coarse = rng.standard_normal((cells, cells))
    fine = zoom(coarse, (shape[0] / cells, shape[1] / cells), order=3, mode="nearest")
    fine = fine[: shape[0], : shape[1]] - fine.mean()
    return np.asarray(fine / fine.std(), np.float32)


def _bias(
    detector: Detector,
    physics: Physics,
    outputs: int,
    interleaved: bool,
    seed: int,
    pixel_noise: Float32,
) -> Float32:
    """Return the bias: amplifier steps, a pattern of columns, and pixels [DN]."""
    electronics = physics.electronics
    rng = stream(seed, detector.name, "bias structure")
    across = detector.nx if abs(detector.fast_axis) == 1 else detector.ny
    place = np.arange(across)
    amplifier = place % outputs if interleaved else place * outputs // across
    pattern = electronics.bias_amplifier_dn * rng.standard_normal(outputs)[amplifier]
    pattern += electronics.bias_column_dn * rng.standard_normal(across)
    profile = pattern[None, :] if abs(detector.fast_axis) == 1 else pattern[:, None]
    bias = electronics.bias_dn + profile + electronics.bias_pixel_dn * pixel_noise
    return np.asarray(bias, np.float32)


def _spoil(maps: DetectorMaps, physics: Physics, rng: np.random.Generator) -> DetectorMaps:
    """Add bad pixels."""
    defects = physics.defects
    efficiency, dark, slow = maps.efficiency.copy(), maps.dark.copy(), maps.slow.copy()
    dq = maps.dq.copy()
    lot = rng.random(maps.shape)
    size = rng.random(maps.shape)
    kinds = (
        (defects.dead, DQ.DEAD | DQ.DO_NOT_USE),
        (defects.low_efficiency, DQ.LOW_QE),
        (defects.hot, DQ.HOT | DQ.DO_NOT_USE),
        (defects.warm, DQ.WARM),
        (defects.slow, DQ.RC | DQ.DO_NOT_USE),
    )
    low = 0.0
    chosen = {}
    for fraction, flags in kinds:
        here = maps.active & (lot >= low) & (lot < low + fraction)
        dq[here] |= np.uint32(flags)
        chosen[flags] = here
        low += fraction
    dead, poor, hot, warm, rc = chosen.values()
    efficiency[dead] = 0
    efficiency[poor] *= np.float32(0.2)
    dark[hot] += defects.hot_electron_s * 10 ** size[hot]
    dark[warm] += defects.warm_electron_s * 10 ** size[warm]
    slow[rc] = 2000 * (0.5 + size[rc])
    noise = maps.read_noise.copy()
    bad = ~maps.active & (lot < defects.bad_reference)
    noise[bad] *= np.float32(10)
    dq[bad] |= np.uint32(DQ.BAD_REF_PIXEL | DQ.DO_NOT_USE)
    return replace(maps, efficiency=efficiency, dark=dark, slow=slow, read_noise=noise, dq=dq)


def switched(maps: DetectorMaps, physics: Physics, effects: Effects) -> DetectorMaps:
    """Return the maps with the variations that are switched off replaced by their means."""
    changes: dict[str, Any] = {}
    good = maps.dq & ~np.uint32(DQ.REFERENCE_PIXEL) == 0
    if not effects.efficiency:
        changes["efficiency"] = maps.active.astype(np.float32)
    elif not effects.bad_pixels:
        changes["efficiency"] = np.where(good, maps.efficiency, maps.active).astype(np.float32)
    if not effects.gain_variation:
        changes["gain"] = np.full_like(maps.gain, physics.pixels.gain)
    if not effects.dark:
        changes["dark"] = np.zeros_like(maps.dark)
    elif not effects.bad_pixels:
        usual = np.float32(physics.pixels.dark_electron_s)
        changes["dark"] = np.where(good, maps.dark, usual * maps.active).astype(np.float32)
    if not effects.bad_pixels:
        changes["slow"] = np.zeros_like(maps.slow)
        changes["dq"] = maps.dq & np.uint32(DQ.REFERENCE_PIXEL)
    if not effects.nonlinearity:
        changes["terms"] = np.zeros_like(maps.terms)
    if not effects.bias:
        changes["bias"] = np.full_like(maps.bias, physics.electronics.bias_dn)
    if not effects.settling:
        changes["reset"] = np.zeros_like(maps.reset)
    return replace(maps, **changes)
