"""Charge that traps take from a bright pixel and give back later, in other exposures too.

While a pixel holds charge, traps in the part of the diode that it has filled take some of it; after a
reset they give it back (Smith et al. 2008, Proc. SPIE 7021, 70210J). Families of traps whose times
differ by factors of ten, each filling and emptying exponentially, describe detectors like these
(Leisenring et al. 2016, Proc. SPIE 9915, 99152N; Tulloch & George 2019, JATIS 5, 036004).
"""

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.photons import arrivals
from calcore.simulate.physics import Persistence

Float32 = NDArray[np.float32]


class Traps:
    """What the traps of a frame's pixels hold; goes on from exposure to exposure.

    Parameters
    ----------
    persistence
        Families of traps.
    shape
        Of the frame, (ny, nx).
    """

    def __init__(self, persistence: Persistence, shape: tuple[int, int]) -> None:
        self.times_s = persistence.times_s
        self.fractions = persistence.fractions
        self.held = np.zeros((len(self.times_s), *shape), np.float32)

    def exchange(
        self, charge: Float32, seconds: float, rng: np.random.Generator | None = None
    ) -> Float32:
        """Fill and empty traps for some time.

        Parameters
        ----------
        charge : array (ny, nx) [electron]
            What the pixels hold.
        seconds
            How long.
        rng
            Gives the noise of what is given; None for the mean.

        Returns
        -------
        array (ny, nx) [electron]
            What the traps give; negative where they take more.
        """
        mean = np.zeros(charge.shape, np.float32)
        families = zip(self.times_s, self.fractions, strict=True)
        for number, (time_s, fraction) in enumerate(families):
            taken = np.float32(fraction) * charge - self.held[number]
            taken *= np.float32(-np.expm1(-seconds / time_s))
            self.held[number] += taken
            mean -= taken
        return (
            mean if rng is None else arrivals(rng, np.maximum(mean, 0), True) + np.minimum(mean, 0)
        )

    def rest(self, seconds: float) -> None:
        """Empty traps while pixels are kept reset."""
        self.exchange(np.zeros(self.held.shape[1:], np.float32), seconds)
