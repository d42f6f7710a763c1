"""Find bad pixels of the image slicers by the exposures themselves."""

from dataclasses import dataclass

import numpy as np

from calcore.model import Image
from calcore.steps.calibration import badpix_selfcal
from calcore_miri.wcs.slices import between_channels


@dataclass(frozen=True, kw_only=True)
class BadpixSelfcal(badpix_selfcal.BadpixSelfcal):
    """Flag pixels that stand out along the dispersion, dark levels of exposures being made alike.

    See the step of the core; before exposures are compared, the median between the channels, where
    no light falls, is subtracted from each.
    """

    def level(self, image: Image) -> np.float32:
        """Return the median between the channels; 0 where nothing is known."""
        values = between_channels(image.meta, image.data)
        values = values[np.isfinite(values)]
        return np.float32(np.median(values) if values.size else 0)
