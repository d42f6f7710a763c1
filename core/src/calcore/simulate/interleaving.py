"""Frames with reference pixels between the others, and with the reference output beside them.

Rauscher et al. 2017, PASP 129, 105003 ("Improved Reference Sampling and Subtraction").
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.model.interleaved import Interleaved
from calcore.simulate.physics import Effects, Physics
from calcore.simulate.readout import Clocking
from calcore.simulate.streams import stream
from calcore.simulate.tables import Detector

Float32 = NDArray[np.float32]

PIXEL_SHARE = 0.1
"""Bias scatter of interleaved reference pixels over that of others: they are few, read in turn."""


@dataclass(frozen=True, kw_only=True, eq=False)
class InterleavedFrame:
    """What a frame holds besides the pixels of the detector.

    Attributes
    ----------
    layout
        Which rows are the detector's.
    bias
        Bias of all rows (n_row, nx) [DN]; the detector's are 0.
    read_noise_dn
        Noise of one reading [DN].
    """

    layout: Interleaved
    bias: Float32
    read_noise_dn: float

    @classmethod
    def of(
        cls, detector: Detector, physics: Physics, clocks: Clocking, effects: Effects, seed: int
    ) -> "InterleavedFrame | None":
        """Return the frame of a detector, or None where no pixels are interleaved.

        It belongs to the detector: the same seed gives the same frame. Reference pixels are read in
        pairs of one pixel, which share their bias.
        """
        if clocks.jumps is None:
            return None
        layout = Interleaved.laid_out(
            clocks.jumps.normal,
            clocks.jumps.reference,
            rows=detector.ny,
            outputs=clocks.outputs,
            first=detector.fast_axis > 0,
        )
        rng = stream(seed, detector.name, "interleaved")
        electronics = physics.electronics
        level = np.zeros((layout.rows, detector.nx), np.float32)
        if effects.bias:
            outputs = clocks.outputs + 1
            pixel = electronics.bias_pixel_dn * PIXEL_SHARE
            level += np.float32(electronics.bias_dn)
            steps = electronics.bias_amplifier_dn * rng.standard_normal(outputs)
            level += np.repeat(steps, layout.rows // outputs)[:, None].astype(np.float32)
            own = rng.standard_normal((layout.rows // 2, detector.nx), dtype=np.float32)
            level += np.repeat(own * np.float32(pixel), 2, axis=0)
        level[layout.science] = 0
        return cls(layout=layout, bias=level, read_noise_dn=electronics.read_noise_dn)

    def around(self, plane: NDArray[np.floating], others: float | Float32) -> Float32:
        """Return a plane of the detector (ny, nx) as rows of the frame, with `others` around it."""
        frame = np.empty((self.layout.rows, plane.shape[1]), np.float32)
        frame[:] = others
        frame[self.layout.science] = plane
        return frame

    def flags(self, dq: NDArray[np.uint32]) -> NDArray[np.uint32]:
        """Return flags of the detector as rows of the frame; all others are reference pixels."""
        frame = np.full((self.layout.rows, dq.shape[1]), DQ.REFERENCE_PIXEL, np.uint32)
        frame[self.layout.science] = dq
        return frame
