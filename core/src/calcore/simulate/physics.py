"""What a detector is made of: numbers that an instrument's table gives, and switches.

All of them are inputs of the forward model alone; nothing here is shared with the calibration.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from calcore.errors import PluginBroken, UnknownName

T = TypeVar("T")


def build(cls: type[T], table: Mapping[str, Any], where: str) -> T:
    """Make a dataclass of numbers from a table, refusing unknown and missing names.

    Raises
    ------
    PluginBroken
        The table and the class disagree.
    """
    try:
        return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in table.items()})
    except TypeError as error:
        raise PluginBroken(f"table simulate, {where}: {error}") from error


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """How pixels turn light into charge, and charge into numbers.

    Attributes
    ----------
    gain, gain_scatter
        Electrons per DN, and its relative scatter from pixel to pixel.
    efficiency_scatter, efficiency_waves
        Pixel-to-pixel scatter and large-scale amplitude of the quantum efficiency (mean 1).
    dark_electron_s, dark_scatter
        Median dark current [electron/s] and the scatter of its logarithm.
    full_scale_dn
        Signal at which a pixel is full, above the bias and before linearisation [DN].
    full_scale_scatter
        Its relative scatter.
    nonlinearity
        Terms a, b, c, ... of ``linear = x (1 + a u + b u² + c u³ ...)`` with ``u = x/full scale``.
    nonlinearity_scatter
        Relative scatter of these terms, common to the terms of a pixel.
    coupling
        Fraction of a pixel's signal that appears in each of four neighbours.
    coupling_diagonal
        The same for the four diagonal neighbours.
    reset_noise_electron
        Noise of the charge after a reset, the kTC noise [electron].
    migration
        Part of what arrives in a full pixel that goes to each empty neighbour by a side.
    """

    gain: float
    gain_scatter: float
    efficiency_scatter: float
    efficiency_waves: float
    dark_electron_s: float
    dark_scatter: float
    full_scale_dn: float
    full_scale_scatter: float
    nonlinearity: tuple[float, ...]
    nonlinearity_scatter: float
    coupling: float
    coupling_diagonal: float
    reset_noise_electron: float
    migration: float = 0.01


@dataclass(frozen=True, kw_only=True)
class Electronics:
    """What the read-out adds.

    Attributes
    ----------
    bias_dn, bias_amplifier_dn, bias_column_dn, bias_pixel_dn
        Mean bias, and the rms of its steps between amplifiers, columns and pixels [DN].
    read_noise_dn, read_noise_scatter
        Noise of one read [DN], and its relative scatter between pixels.
    pink_common_dn, pink_amplifier_dn
        1/f noise of a frame, common to all amplifiers and of each one: rms [DN] over all times
        from a pixel's to a frame's.
    offset_dn, drift_dn
        Offset of each amplifier, new with each reset, rms [DN], and its random walk [DN in 1 s].
    parity_axis
        "fast" if odd and even columns of the read-out differ, "slow" if odd and even rows do.
    parity_dn, parity_drift_dn
        Offset between odd and even of each amplifier, rms [DN], and its random walk [DN in 1 s].
    adc_top_dn
        Largest number of the analogue-digital converter.
    reference_output_dn
        Level of the reference output [DN]; 0 if there is none.
    adc_wave, adc_period_dn
        What the converter adds to a number, as a part of it: amplitude of a sine that repeats with
        this period.
    """

    bias_dn: float
    bias_amplifier_dn: float
    bias_column_dn: float
    bias_pixel_dn: float
    read_noise_dn: float
    read_noise_scatter: float
    pink_common_dn: float
    pink_amplifier_dn: float
    offset_dn: float
    drift_dn: float
    parity_axis: str
    parity_dn: float
    parity_drift_dn: float
    adc_top_dn: int
    reference_output_dn: float = 0.0
    adc_wave: float = 0.0
    adc_period_dn: float = 1024.0


@dataclass(frozen=True, kw_only=True)
class Settling:
    """Transients after a reset (Ressler et al. 2015, PASP 127, 675; Argyriou et al. 2023).

    Attributes
    ----------
    reset_dn, reset_frames
        Offset after a reset that decays over groups: amplitude [DN] and e-folding time [frames].
    reset_row_dn
        Additional amplitude of every second row [DN].
    later_reset_factor
        The same amplitude in the second and later integrations, as a factor.
    first_frame_dn, last_frame_dn
        Offset of the first group, and of the last one; the last one's sign alternates by rows.
    switch_fraction, switch_frames
        Part of the previous integration's last signal that is missing at the start of the next,
        and the e-folding time with which it returns [frames].
    """

    reset_dn: float
    reset_frames: float
    reset_row_dn: float
    later_reset_factor: float
    first_frame_dn: float
    last_frame_dn: float
    switch_fraction: float
    switch_frames: float


@dataclass(frozen=True, kw_only=True)
class Radiation:
    """Charged particles.

    Attributes
    ----------
    pixel_micron, thickness_micron
        Width of a pixel and thickness of the layer that collects charge.
    particles_cm2_s
        Flux through the detector [1/cm²/s].
    electrons_micron, electrons_scatter
        Median charge per path length [electron/micron] and the scatter of its logarithm.
    heavy_fraction, heavy_slope
        Part of the particles that are slow or heavy, and the slope of their power law of charges.
    diffusion_pixel
        Rms distance that charge wanders before it is collected [pixel].
    snowballs_s
        Large round events over a full frame [1/s].
    snowball_core_pixel, snowball_slope
        Smallest and largest radius of the saturated core [pixel], and the slope of their power law.
    snowball_halo_electron
        Signal at the inner edge of the halo [electron].
    showers_s, shower_electron, shower_pixel
        Faint wide events over a full frame [1/s], their largest signal [electron] and rms width.
    """

    pixel_micron: float
    thickness_micron: float
    particles_cm2_s: float
    electrons_micron: float
    electrons_scatter: float
    heavy_fraction: float
    heavy_slope: float
    diffusion_pixel: float
    snowballs_s: float = 0.0
    snowball_core_pixel: tuple[float, float] = (2.0, 12.0)
    snowball_slope: float = -2.5
    snowball_halo_electron: float = 4000.0
    showers_s: float = 0.0
    shower_electron: float = 60.0
    shower_pixel: float = 40.0


@dataclass(frozen=True, kw_only=True)
class Defects:
    """Bad pixels, as fractions of all.

    Attributes
    ----------
    dead, low_efficiency, hot, warm, slow
        Without response; with a fifth of it; with much dark current; with some; settling slowly
        after a reset ("RC").
    hot_electron_s, warm_electron_s
        Smallest dark current of a hot and of a warm pixel [electron/s]; each up to ten times that.
    bad_reference
        Part of the reference pixels that are useless: ten times as noisy.
    """

    dead: float
    low_efficiency: float
    hot: float
    warm: float
    slow: float
    hot_electron_s: float
    warm_electron_s: float
    bad_reference: float


@dataclass(frozen=True, kw_only=True)
class Interference:
    """A periodic pick-up.

    Attributes
    ----------
    name
        Key of the correction's reference file.
    frequency_hz, amplitude_dn
        Frequency, and amplitude of the first harmonic [DN].
    second_harmonic
        Amplitude of the second harmonic relative to the first.
    """

    name: str
    frequency_hz: float
    amplitude_dn: float
    second_harmonic: float


@dataclass(frozen=True, kw_only=True)
class Persistence:
    """Traps that take charge and give it back, in families.

    Sizes and times are of the order that is found for detectors of mercury cadmium telluride
    (Tulloch & George 2019, JATIS 5, 036004): good for testing, not for science.

    Attributes
    ----------
    times_s
        E-folding time in which a family fills and empties [s].
    fractions
        Charge that a family's traps hold in the end, as a fraction of what the pixel holds.
    """

    times_s: tuple[float, ...] = (10.0, 100.0, 1000.0, 10000.0)
    fractions: tuple[float, ...] = (3e-4, 3e-4, 3e-4, 3e-4)


@dataclass(frozen=True, kw_only=True)
class Physics:
    """All that is known of a kind of detector."""

    pixels: Pixels
    electronics: Electronics
    radiation: Radiation
    defects: Defects
    settling: Settling | None = None
    interference: tuple[Interference, ...] = ()
    persistence: Persistence = field(default_factory=Persistence)

    @classmethod
    def from_table(cls, table: Mapping[str, Any], where: str) -> "Physics":
        """Read one ``[physics.<name>]`` of an instrument's ``simulate.toml``."""
        settling = table.get("settling")
        return cls(
            pixels=build(Pixels, table["pixels"], f"{where}.pixels"),
            electronics=build(Electronics, table["electronics"], f"{where}.electronics"),
            radiation=build(Radiation, table["radiation"], f"{where}.radiation"),
            defects=build(Defects, table["defects"], f"{where}.defects"),
            settling=build(Settling, settling, f"{where}.settling") if settling else None,
            interference=tuple(
                build(Interference, row, f"{where}.interference")
                for row in table.get("interference", ())
            ),
            persistence=build(Persistence, table.get("persistence", {}), f"{where}.persistence"),
        )

    def at_gain(self, factor: float) -> "Physics":
        """Return the same detector, read with `factor` times as many electrons per DN.

        What is known in electrons stays; the bias, which the electronics set, stays in DN.
        """
        if factor == 1:
            return self
        pixels = replace(
            self.pixels,
            gain=self.pixels.gain * factor,
            full_scale_dn=self.pixels.full_scale_dn / factor,
        )
        names = [
            *("read_noise", "pink_common", "pink_amplifier"),
            *("offset", "drift", "parity", "parity_drift"),
        ]
        scaled = {f"{name}_dn": getattr(self.electronics, f"{name}_dn") / factor for name in names}
        electronics = replace(self.electronics, **scaled)
        return replace(self, pixels=pixels, electronics=electronics)


@dataclass(frozen=True, kw_only=True)
class Effects:
    """Switches: what the simulated detector suffers from.

    All but `charge_migration`, `showers`, `persistence`, `interference`, `adc_nonlinearity`,
    `point_fringes` and `leak` are on. Of these only spectrographs have `fringes`, `point_fringes` (a star's are not
    those that references know), `stray_light`, `leak`, of another order of the grating, and `ageing`, by which they see
    less from month to month.
    `Effects.none()` counts light and nothing else.
    """

    photon_noise: bool = True
    efficiency: bool = True
    gain_variation: bool = True
    coupling: bool = True
    charge_migration: bool = False
    dark: bool = True
    bad_pixels: bool = True
    nonlinearity: bool = True
    saturation: bool = True
    particles: bool = True
    snowballs: bool = True
    showers: bool = False
    persistence: bool = False
    bias: bool = True
    reset_noise: bool = True
    settling: bool = True
    offsets: bool = True
    drifts: bool = True
    parity: bool = True
    pink_noise: bool = True
    read_noise: bool = True
    interference: bool = False
    adc_nonlinearity: bool = False
    # Left out of the words that images' references are known by, which they change nothing of.
    fringes: bool = field(default=True, repr=False)
    point_fringes: bool = field(default=False, repr=False)
    stray_light: bool = field(default=True, repr=False)
    leak: bool = field(default=False, repr=False)
    ageing: bool = field(default=True, repr=False)
    reference_errors: bool = True

    @classmethod
    def none(cls) -> "Effects":
        """Return switches that are all off."""
        return cls(**{field.name: False for field in fields(cls)})

    @classmethod
    def only(cls, *names: str) -> "Effects":
        """Return switches of which only the named ones are on.

        Raises
        ------
        UnknownName
            There is no such effect.
        """
        return cls._set(cls.none(), names, on=True)

    def without(self, *names: str) -> "Effects":
        """Return these switches with the named ones off; raises `UnknownName`."""
        return self._set(self, names, on=False)

    @classmethod
    def _set(cls, start: "Effects", names: tuple[str, ...], *, on: bool) -> "Effects":
        values = {field.name: getattr(start, field.name) for field in fields(cls)}
        for name in names:
            if name not in values:
                raise UnknownName("effect", name, values)
            values[name] = on
        return cls(**values)
