"""What the simulator asks of an instrument's spectrograph."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from calcore.simulate.geometry import Geometry
from calcore.simulate.physics import Effects
from calcore.simulate.reference_io import Setup
from calcore.simulate.sky_options import SkyOptions, Target
from calcore.simulate.spectral_scene import SpectralScene

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False, kw_only=True)
class SpectralImage:
    """A noiseless frame of count rates and what made it.

    Attributes
    ----------
    rate
        Electrons per second for a pixel of mean quantum efficiency, (ny, nx).
    planes
        What else is known of pixels, with its unit: images (ny, nx) for the truth.
    sources
        The scene's sources, and where they are seen.
    """

    rate: FloatArray
    planes: Mapping[str, tuple[FloatArray, str]]
    sources: Table

    def table(self) -> Table:
        """Return the sources that leave light on the frame."""
        return self.sources


class Spectrograph(Protocol):
    """An instrument's spectrograph in one of its settings."""

    @property
    def makers(self) -> Mapping[str, Callable[[Setup, Path], None]]:
        """Makers of references that belong to the spectrograph, by their kind."""
        ...

    @property
    def recipe(self) -> str:
        """A word for all that these references depend on."""
        ...

    @property
    def notes(self) -> Mapping[str, Any]:
        """What else is known, for the truth: numbers and words."""
        ...

    def scene(self, source: str, sky: SkyOptions, target: Target) -> SpectralScene:
        """Return the sky that a visit sees: a `source` of this name, and the background.

        Raises
        ------
        UnknownName
            There is no such source.
        """
        ...

    def image(
        self,
        scene: SpectralScene,
        geometry: Geometry,
        *,
        mid_mjd: float,
        velocity_km_s: float,
        gain: float,
        effects: Effects,
    ) -> SpectralImage:
        """Return what a detector sees of a scene at a time [MJD, UTC]."""
        ...
