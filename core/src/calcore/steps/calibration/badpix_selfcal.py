"""Find bad pixels by the exposures themselves."""

from dataclasses import dataclass
from functools import reduce
from typing import Annotated

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import DQ
from calcore.kernels.invalid import reconcile
from calcore.kernels.neighbour_differences import extremes, local_median
from calcore.model import Image, Meta
from calcore.parameters import Doc, Range, Unit
from calcore.step import Members, Step

F4 = NDArray[np.float32]
_PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")
_BAD = np.uint32(DQ.OTHER_BAD_PIXEL | DQ.DO_NOT_USE)


@dataclass(frozen=True, kw_only=True)
class BadpixSelfcal(Step):
    """Flag pixels that stand out along the dispersion in an exposure and in others of the detector.

    Of each pixel the least signal of all exposures is compared with the median around it along the
    dispersion. The brightest and the faintest are flagged OTHER_BAD_PIXEL and DO_NOT_USE, whatever
    the noise is: a fixed part of all pixels.
    """

    any_role = True

    flagfrac_lower: Annotated[
        float, Range(0, 0.5), Doc("Part of the pixels to flag for being too faint.")
    ] = 0.001
    flagfrac_upper: Annotated[
        float, Range(0, 0.5), Doc("Part of the pixels to flag for being too bright.")
    ] = 0.001
    kernel_size: Annotated[
        int, Range(1), Unit("pixel"), Doc("Length of the median along the dispersion; odd.")
    ] = 15
    force_single: Annotated[
        bool, Doc("Without other exposures, find bad pixels by the exposure alone.")
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.kernel_size % 2:
            raise BadParameter(
                f"badpix_selfcal.kernel_size is {self.kernel_size}; give an odd number of pixels"
            )

    def apply(
        self,
        image: Image,
        *,
        backgrounds: Annotated[tuple[Image, ...], Members("background")] = (),
        selfcals: Annotated[tuple[Image, ...], Members("selfcal")] = (),
    ) -> Image:
        """Return the image with bad pixels flagged, and NaN in place of all that is not usable.

        Raises
        ------
        StepSkipped
            There are no other exposures, and one alone is not to be used.
        BadParameter
            The exposures differ in shape.
        """
        others = (*backgrounds, *selfcals)
        if not others and not self.force_single:
            raise StepSkipped(
                "there are no exposures of the background, or for self-calibration; set "
                "badpix_selfcal.force_single to find bad pixels by the exposure alone"
            )
        shapes = {member.data.shape for member in (image, *others)}
        if len(shapes) > 1:
            raise BadParameter(
                f"exposures to find bad pixels by differ in shape ({sorted(shapes)}); leave out "
                "those of another sub-array"
            )
        least = reduce(np.fmin, [member.data - self.level(member) for member in (image, *others)])
        length = self.kernel_size
        size = (length, 1) if _dispersed_along_y(image.meta) else (1, length)
        residual = least - local_median(least, size, "missing")
        bad = extremes(residual, self.flagfrac_lower, self.flagfrac_upper)
        dq = image.dq | np.where(bad, _BAD, np.uint32(0))
        return image.replace(**reconcile(dq, {name: getattr(image, name) for name in _PLANES}))

    def level(self, image: Image) -> np.float32:
        """Return the level of an exposure without light, as far as it can be known."""
        del image
        return np.float32(0)


def _dispersed_along_y(meta: Meta) -> bool:
    return int(meta.facts.exposure_type.data["dispersion_axis"]) == 2
