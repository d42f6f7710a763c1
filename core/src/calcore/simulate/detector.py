"""From count rates to raw numbers: one exposure of one detector, frame by frame.

The order of events is nature's. Light and dark current free electrons; a pixel holds no more than
its full well; the signal bends with the charge; neighbours couple; the read-out adds bias, drifts
and noise; the converter rounds and clips; groups average frames on board. Only one frame is held
at a time.

Coupling comes after the well's limit and the non-linear response, since it is a coupling of
voltages (Moore, Ninkov & Forrest 2006, Opt. Eng. 45, 076402): the neighbours of a full pixel stop
growing with it.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.simulate.converter import converted
from calcore.simulate.cosmic_rays import Hits, draw, join
from calcore.simulate.coupling import couple
from calcore.simulate.detector_maps import DetectorMaps, switched
from calcore.simulate.interleaving import InterleavedFrame
from calcore.simulate.migration import migrated
from calcore.simulate.noise import ReadoutNoise
from calcore.simulate.nonlinearity import measured
from calcore.simulate.photons import arrivals
from calcore.simulate.physics import Effects, Physics
from calcore.simulate.readout import Plan, ReadOrder
from calcore.simulate.traps import Traps

Float32 = NDArray[np.float32]
SLOW_FRAMES = 3.0
"""E-folding time of slow pixels [frames]."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Deposits:
    """Hits of a frame and where in the exposure it belongs.

    `group` is the first group that holds any of the charge. If `partly` is true, the charge came
    between the frames that the group averages, and the group holds a part of it only.
    """

    integration: int
    group: int
    frame: int
    partly: bool
    hits: Hits


@dataclass(frozen=True, kw_only=True, eq=False)
class Ramps:
    """A raw exposure and what is known of it.

    Attributes
    ----------
    counts
        Raw numbers, uint16 (n_int, n_group, ny, nx) [DN].
    zero_frame
        First frame of each integration where groups average frames, (n_int, ny, nx) [DN].
    reference_output
        Numbers of the reference output, (n_int, n_group, ny, nx / outputs) [DN].
    deposits
        Charge from particles, frame by frame.
    first_full
        First group in which a pixel has reached its full well or the converter's top in any of its
        frames, (n_int, ny, nx); the number of groups if never.
    given
        Rate at which traps have given charge to a pixel, on average over each integration, negative
        where they have taken it, (n_int, ny, nx) [electron/s]; None where there are no traps.
    """

    counts: NDArray[np.uint16]
    zero_frame: NDArray[np.uint16] | None
    reference_output: NDArray[np.uint16] | None
    deposits: tuple[Deposits, ...]
    first_full: NDArray[np.int16]
    given: Float32 | None = None

    def integrations(self, first: int, last: int) -> "Ramps":
        """Return integrations from `first` up to `last`, which is left out; counted from 0."""
        here = slice(first, last)
        return Ramps(
            counts=self.counts[here],
            zero_frame=None if self.zero_frame is None else self.zero_frame[here],
            reference_output=None if self.reference_output is None else self.reference_output[here],
            deposits=tuple(
                replace(part, integration=part.integration - first)
                for part in self.deposits
                if first <= part.integration < last
            ),
            first_full=self.first_full[here],
            given=None if self.given is None else self.given[here],
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class Camera:
    """A detector ready to expose.

    Attributes
    ----------
    maps
        Properties of the pixels of the sub-array.
    physics, effects
        What it is made of, and what is switched on.
    plan, order
        Times, and which pixel is read when.
    frame_pixels
        Pixels of the full frame, to which rates of large events refer.
    random
        Gives the stream of an effect by its name.
    parts
        Parts of the frame whose pixels are neighbours; None where that is all of it.
    traps
        What traps hold of earlier exposures; None where there are none.
    interleaved
        What frames hold besides the pixels of the detector; None where they hold nothing else.
    """

    maps: DetectorMaps
    physics: Physics
    effects: Effects
    plan: Plan
    order: ReadOrder
    frame_pixels: int
    random: Callable[..., np.random.Generator]
    parts: tuple[tuple[slice, slice], ...] | None = None
    traps: Traps | None = None
    interleaved: InterleavedFrame | None = None

    def expose(
        self, rate: NDArray[np.floating], progress: Callable[[], None] | None = None
    ) -> Ramps:
        """Expose to a noiseless scene.

        Parameters
        ----------
        rate : array (ny, nx) [electron/s]
            Electrons per second for a pixel of mean quantum efficiency; not negative.
        progress
            Called after each group.

        Raises
        ------
        BadParameter
            The scene has the wrong shape, or negative or undefined rates.
        """
        if rate.shape != self.maps.shape:
            raise BadParameter(
                f"the scene has shape {rate.shape}, but the sub-array has {self.maps.shape}"
            )
        if not np.all(np.isfinite(rate)) or rate.min() < 0:
            raise BadParameter("the scene has negative or undefined rates; mend it first")
        return _Exposure(self, rate).run(progress)


class _Exposure:
    """The state of an exposure while it runs."""

    def __init__(self, camera: Camera, rate: NDArray[np.floating]) -> None:
        self.camera = camera
        self.physics, self.effects, self.plan = camera.physics, camera.effects, camera.plan
        self.maps = switched(camera.maps, camera.physics, camera.effects)
        self.rate = (rate * self.maps.efficiency + self.maps.dark).astype(np.float32)
        self.full_well = self.maps.full_well(self.physics)
        self.usual_full_well = float(np.median(self.full_well))
        self.noise = ReadoutNoise(
            electronics=self.physics.electronics,
            clocks=self.plan.clocking,
            order=camera.order,
            effects=self.effects,
            rng=camera.random("read-out"),
            waves=self.physics.interference,
        )
        self.arrival_rng = camera.random("photons")
        self.read_rng = camera.random("read noise")
        self.reset_rng = camera.random("reset noise")
        self.signal: Float32 | None = None
        self.last_signal: Float32 | None = None
        self.trap_rng = camera.random("traps")
        self.deposits: list[Deposits] = []

    def run(self, progress: Callable[[], None] | None) -> Ramps:
        """Take all integrations."""
        plan, (ny, nx) = self.plan, self.maps.shape
        interleaved = self.camera.interleaved
        rows = ny if interleaved is None else interleaved.layout.rows
        counts = np.zeros((plan.n_ints, plan.n_groups, rows, nx), np.uint16)
        averaged = plan.pattern.frames > 1 and interleaved is None
        zero = np.zeros((plan.n_ints, ny, nx), np.uint16) if averaged else None
        first_full = np.full((plan.n_ints, ny, nx), plan.n_groups, np.int16)
        given = np.zeros((plan.n_ints, ny, nx), np.float32) if self.camera.traps else None
        reference = None
        if self.physics.electronics.reference_output_dn > 0:
            width = nx // plan.clocking.outputs
            reference = np.zeros((plan.n_ints, plan.n_groups, ny, width), np.uint16)
        for integration in range(plan.n_ints):
            charge = self._reset()
            start_s = integration * plan.integration_period_s
            total = np.zeros((rows, nx), np.uint32)
            for frame in range(plan.frames_per_integration):
                charge += self._arrived(charge)
                self._hit(charge, integration, frame)
                if given is not None:
                    given[integration] += self._exchange(charge) / plan.integration_time_s
                group, read = plan.group_of_frame(frame)
                if not read:
                    continue
                now = start_s + frame * plan.frame_time_s
                numbers, output = self._read(charge, integration, frame, group, now)
                full = charge >= self.full_well
                seen = numbers if interleaved is None else numbers[interleaved.layout.science]
                full |= seen >= self.physics.electronics.adc_top_dn
                np.minimum(first_full[integration], group, out=first_full[integration], where=full)
                if frame == 0 and zero is not None:
                    zero[integration] = numbers
                total += numbers
                if reference is not None and output is not None:
                    reference[integration, group] = output
                place = frame % (plan.pattern.frames + plan.pattern.skip)
                if place == plan.pattern.frames - 1:
                    counts[integration, group] = total // plan.pattern.frames
                    total[:] = 0
                    if progress is not None:
                        progress()
        return Ramps(
            counts=counts,
            zero_frame=zero,
            reference_output=reference,
            deposits=tuple(self.deposits),
            first_full=first_full,
            given=given,
        )

    def _arrived(self, charge: Float32) -> Float32:
        """Return the charge that light leaves during a frame [electron]."""
        mean = self.rate * self.plan.frame_time_s
        found = arrivals(self.arrival_rng, mean, self.effects.photon_noise)
        if not self.effects.charge_migration:
            return found
        held = np.minimum(charge + found / 2, self.full_well)
        share, full_well = self.physics.pixels.migration, self.usual_full_well
        return migrated(found, held, self.maps.active, full_well, share, self.camera.parts)

    def _exchange(self, charge: Float32) -> Float32:
        """Let traps give and take charge for the time of a frame, in place; return what they give."""
        assert self.camera.traps is not None
        given = self.camera.traps.exchange(
            np.clip(charge, 0, self.full_well) * self.maps.active,
            self.plan.frame_time_s,
            self.trap_rng if self.effects.photon_noise else None,
        )
        charge += given
        return given

    def _reset(self) -> Float32:
        """Start an integration; return the charge that the reset leaves [electron]."""
        self.noise.reset()
        if self.camera.traps is not None:
            self.camera.traps.rest(self.plan.pattern.resets * self.plan.frame_time_s)
        self.last_signal = self.signal
        noise = self.reset_rng.standard_normal(self.maps.shape, dtype=np.float32)
        if not self.effects.reset_noise:
            return np.zeros(self.maps.shape, np.float32)
        noise *= np.float32(self.physics.pixels.reset_noise_electron)
        return noise * self.maps.active

    def _hit(self, charge: Float32, integration: int, frame: int) -> None:
        """Add the particles of a frame to the charge, in place, and remember them."""
        hits = self._drawn(integration, frame)
        if not len(hits):
            return
        seen = self.maps.active[hits.y, hits.x] & (hits.electrons > 0)
        hits = Hits(**{name: values[seen] for name, values in vars(hits).items()})
        np.add.at(charge, (hits.y, hits.x), hits.electrons)
        group, read = self.plan.group_of_frame(frame)
        cycle = self.plan.pattern.frames + self.plan.pattern.skip
        partly = read and frame % cycle > 0
        self.deposits.append(
            Deposits(integration=integration, group=group, frame=frame, partly=partly, hits=hits)
        )

    def _drawn(self, integration: int, frame: int) -> Hits:
        """Draw the particles of a frame; each part of it is hit on its own."""
        parts = self.camera.parts
        found = []
        for number, part in enumerate(parts or ((slice(None), slice(None)),)):
            words = () if parts is None else (number,)
            rows, columns = (
                item.indices(size) for item, size in zip(part, self.maps.shape, strict=True)
            )
            hits = draw(
                partial(self._stream, integration, frame, words),
                shape=(rows[1] - rows[0], columns[1] - columns[0]),
                seconds=self.plan.frame_time_s,
                radiation=self.physics.radiation,
                full_well_electron=self.usual_full_well,
                frame_pixels=self.camera.frame_pixels,
                effects=self.effects,
            )
            found.append(replace(hits, y=hits.y + rows[0], x=hits.x + columns[0]))
        return found[0] if parts is None else join(found)

    def _stream(
        self, integration: int, frame: int, words: tuple[int, ...], kind: str
    ) -> np.random.Generator:
        return self.camera.random(kind, integration, frame, *words)

    def _read(
        self, charge: Float32, integration: int, frame: int, group: int, now_s: float
    ) -> tuple[NDArray[np.uint16], NDArray[np.uint16] | None]:
        """Return the numbers of a frame, and of the reference output."""
        electronics, pixels = self.physics.electronics, self.physics.pixels
        held = np.minimum(charge, self.full_well) if self.effects.saturation else charge
        linear = np.divide(held, self.maps.gain, dtype=np.float32)
        signal = measured(linear, self.maps.terms, pixels.full_scale_dn)
        if self.effects.coupling:
            share = pixels.coupling, pixels.coupling_diagonal
            signal = couple(signal, self.maps.active, *share, self.camera.parts)
        self.signal = signal
        value = self._transients(signal, integration, frame, group)
        value += self.maps.bias
        common, output = self.noise.frame(now_s)
        value += self.camera.order.to_science(common)
        white = self.read_rng.standard_normal(self.maps.shape, dtype=np.float32)
        if self.effects.read_noise:
            white *= self.maps.read_noise
            value += white
        if self.camera.interleaved is not None:
            value = self._interleaved(value, self.camera.interleaved)
        if output is None:
            return converted(value, electronics, self.effects), None
        reference = self.camera.order.to_science(output) + np.float32(
            electronics.reference_output_dn
        )
        white = self.read_rng.standard_normal(reference.shape, dtype=np.float32)
        if self.effects.read_noise:
            reference = reference + white * np.float32(electronics.read_noise_dn)
        return (
            converted(value, electronics, self.effects),
            converted(reference, electronics, self.effects),
        )

    def _interleaved(self, value: Float32, frame: InterleavedFrame) -> Float32:
        """Return the detector's pixels with what is read between and beside them."""
        noise = self.noise.interleaved()
        around = self.camera.order.to_science(noise.reshape(len(noise), -1)) + frame.bias
        white = self.read_rng.standard_normal(around.shape, dtype=np.float32)
        if self.effects.read_noise:
            around += white * np.float32(frame.read_noise_dn)
        return frame.around(value, around)

    def _transients(self, signal: Float32, integration: int, frame: int, group: int) -> Float32:
        """Return the signal with what follows a reset or precedes the next one [DN]."""
        value = signal.copy()
        if self.effects.bad_pixels and self.maps.slow.any():
            value -= self.maps.slow * np.float32(np.exp(-(frame + 1) / SLOW_FRAMES))
        settling = self.physics.settling
        if settling is None or not self.effects.settling:
            return value
        factor = 1.0 if integration == 0 else settling.later_reset_factor
        decay = factor * np.exp(-frame / settling.reset_frames)
        value += self.maps.reset * np.float32(decay)
        if group == 0:
            value += np.float32(settling.first_frame_dn) * self.maps.active
        if group == self.plan.n_groups - 1:
            offset = np.full(value.shape, settling.last_frame_dn, np.float32) * self.maps.active
            offset[1::2] *= -1
            value += offset
        if integration > 0 and self.last_signal is not None:
            missing = settling.switch_fraction * np.exp(-frame / settling.switch_frames)
            value -= self.last_signal * np.float32(missing)
        return value
