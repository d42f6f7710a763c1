"""What the read-out adds to every pixel it passes, seeing light or not.

1/f noise runs along the detector's own read-out, in time, so that science and reference pixels
share it (Rauscher 2015, PASP 127, 1144; Moseley et al. 2010, SPIE 7742).
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.fft import irfft, next_fast_len

from calcore.simulate.physics import Effects, Electronics, Interference
from calcore.simulate.readout import Clocking, ReadOrder

Float32 = NDArray[np.float32]


def pink_noise(rng: np.random.Generator, samples: int, rms: float) -> Float32:
    """Return a stretch of 1/f noise.

    Parameters
    ----------
    rng
        Random stream.
    samples : int
        Length of the stretch.
    rms : float
        Root mean square over all frequencies from one cycle a stretch to the Nyquist frequency.

    Returns
    -------
    array (samples,)
        Mean near 0; power falls as one over frequency.
    """
    length = next_fast_len(samples, real=True)
    count = length // 2 + 1
    amplitude = np.zeros(count, np.float32)
    frequency = np.arange(1, count, dtype=np.float32)
    amplitude[1:] = 1 / np.sqrt(frequency)
    # Parseval: each of the `count - 1` lines with random real and imaginary part carries its power
    # twice, as the spectrum of a real signal is symmetric.
    norm = length / 2 / np.sqrt(np.sum(1 / frequency.astype(np.float64)))
    spectrum = np.empty(count, np.complex64)
    spectrum.real = rng.standard_normal(count, dtype=np.float32) * amplitude
    spectrum.imag = rng.standard_normal(count, dtype=np.float32) * amplitude
    signal = irfft(spectrum, n=length)[:samples]
    return np.asarray(signal * np.float32(rms * norm), np.float32)


def interference(
    waves: tuple[Interference, ...], clocks: Clocking, order: ReadOrder, start_s: float
) -> Float32:
    """Return periodic pick-up over a frame in read-out orientation [DN].

    Parameters
    ----------
    waves
        Frequencies and amplitudes.
    clocks, order
        When each pixel is read.
    start_s
        Time of the frame's first clock since the start of the exposure [s].
    """
    rows = np.arange(order.shape[0])[:, None] * clocks.row_clocks
    ticks = rows + order.sample[None, :] * clocks.pixel_clocks + clocks.first_clock
    seconds = start_s + ticks * clocks.clock_s
    total = np.zeros(order.shape)
    for wave in waves:
        phase = 2 * np.pi * np.mod(wave.frequency_hz * seconds, 1.0)
        total += wave.amplitude_dn * (np.sin(phase) + wave.second_harmonic * np.sin(2 * phase))
    return total.astype(np.float32)


def _stride(places: NDArray[np.int64]) -> slice | NDArray[np.int64]:
    """Return evenly spaced places as a slice, which is far quicker than a list."""
    step = int(places[1] - places[0]) if len(places) > 1 else 1
    if np.any(np.diff(places) != step):
        return places
    stop = int(places[-1]) + step
    return slice(int(places[0]), None if stop < 0 else stop, step)


@dataclass(eq=False)
class ReadoutNoise:
    """Makes the frames of common noise of one exposure, in time order [DN].

    `reset` starts an integration; `frame` gives the noise of the next frame that is read. Both
    advance the random walks, so they are called in the order of time.
    """

    electronics: Electronics
    clocks: Clocking
    order: ReadOrder
    effects: Effects
    rng: np.random.Generator
    waves: tuple[Interference, ...] = ()
    _offset: NDArray[np.float64] = field(init=False)
    _parity: NDArray[np.float64] = field(init=False)
    _reference: float = field(init=False, default=0.0)
    _last: list[Float32] = field(init=False, default_factory=list)

    def __post_init__(self) -> None:
        """Start without offsets."""
        self._offset = np.zeros(self.clocks.outputs)
        self._parity = np.zeros(self.clocks.outputs)

    def reset(self) -> None:
        """Start an integration: new offsets."""
        outputs = self.clocks.outputs
        offset = self.electronics.offset_dn * self.rng.standard_normal(outputs + 1)
        parity = self.electronics.parity_dn * self.rng.standard_normal(outputs)
        if self.effects.offsets:
            self._offset, self._reference = offset[:outputs], float(offset[outputs])
        if self.effects.parity:
            self._parity = parity

    def frame(self, start_s: float) -> tuple[Float32, Float32 | None]:
        """Return the noise of a frame in read-out orientation, and of the reference output.

        Parameters
        ----------
        start_s : float
            Time since the start of the exposure [s].

        Returns
        -------
        noise : array (rows, columns) [DN]
        reference : array (rows, columns / outputs) [DN] or None
        """
        outputs = self.clocks.outputs
        rows, columns = self.order.shape
        step = float(np.sqrt(self.clocks.frame_time_s))
        walk = self.electronics.drift_dn * step * self.rng.standard_normal(outputs + 1)
        parity_walk = self.electronics.parity_drift_dn * step * self.rng.standard_normal(outputs)
        if self.effects.drifts:
            self._offset = self._offset + walk[:outputs]
            self._reference += float(walk[outputs])
        if self.effects.parity and self.effects.drifts:
            self._parity = self._parity + parity_walk
        noise = np.empty(self.order.shape, np.float32)
        streams = self._last = self._streams(rows)
        for amplifier in range(outputs):
            here = np.flatnonzero(self.order.amplifier == amplifier)
            read = streams[amplifier][:, _stride(self.order.sample[here])]
            noise[:, _stride(here)] = read + np.float32(self._offset[amplifier])
        if self.effects.parity:
            self._add_parity(noise)
        if self.effects.interference and self.waves:
            noise += interference(self.waves, self.clocks, self.order, start_s)
        reference = None
        if self.electronics.reference_output_dn > 0:
            width = columns // outputs
            reference = streams[outputs][:, :width] + np.float32(self._reference)
        return noise, reference

    def interleaved(self) -> Float32:
        """Return the last frame's noise where reference pixels are read between the others.

        Returns
        -------
        array (rows, outputs + 1, samples of an output) [DN]
            In the order of columns in read-out orientation, the reference output first; pixels of the
            detector have their places, too. Every second output is read backwards.
        """
        jumps, outputs = self.clocks.jumps, self.clocks.outputs
        assert jumps is not None
        slots = jumps.slots(self.order.shape[1] // outputs)
        place = np.arange(len(slots)) % (jumps.normal + jumps.reference) - jumps.normal // 2
        sign = np.where(place < jumps.reference // 2, 0.5, -0.5)
        noise = np.empty((self.order.shape[0], outputs + 1, len(slots)), np.float32)
        for k in range(outputs + 1):
            when = slots[::-1] if k % 2 == 0 else slots
            offset = self._offset[k - 1] if k else self._reference
            level = offset + (self._parity[k - 1] * sign if k and self.effects.parity else 0.0)
            noise[:, k] = self._last[k - 1][:, when] + np.asarray(level, np.float32)
        return noise

    def _streams(self, rows: int) -> list[Float32]:
        """Return the 1/f noise of each amplifier, and of the reference output, (rows, samples)."""
        outputs, samples = self.clocks.outputs, self.clocks.row_samples
        shape = rows, samples
        if not self.effects.pink_noise:
            return [np.zeros(shape, np.float32)] * (outputs + 1)
        common = pink_noise(self.rng, rows * samples, self.electronics.pink_common_dn)
        own = self.electronics.pink_amplifier_dn
        return [
            (common + pink_noise(self.rng, rows * samples, own)).reshape(shape)
            for _ in range(outputs + 1)
        ]

    def _add_parity(self, noise: Float32) -> None:
        """Add half the difference between odd and even to each, with opposite signs; in place."""
        half = (0.5 * self._parity[self.order.amplifier]).astype(np.float32)
        if self.electronics.parity_axis == "fast":
            sign = np.where(self.order.sample % 2 == 0, 1, -1).astype(np.float32)
            noise += half * sign
        else:
            noise[0::2] += half
            noise[1::2] -= half
