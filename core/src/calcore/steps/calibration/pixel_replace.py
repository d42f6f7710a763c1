"""Give pixels without a value one of their neighbours'."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from calcore.flags import DQ
from calcore.kernels.pixel_replace import replaced, smoother_axis
from calcore.model import Image
from calcore.parameters import Doc
from calcore.step import Step

_PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")


@dataclass(frozen=True, kw_only=True)
class PixelReplace(Step):
    """Replace pixels without a value by the mean of two neighbours, on the axis that it is nearer on.

    It spares spectra dips where a bad pixel lies on the peak of a trace. Pixels both of whose
    neighbours along an axis have values are replaced, flagged FLUX_ESTIMATED and no longer
    DO_NOT_USE, unless they are NON_SCIENCE. Estimates are as uncertain as the neighbours, and not
    independent of them.
    """

    algorithm: Annotated[
        Literal["mingrad"], Doc("The mean of two neighbours is the one way there is.")
    ] = "mingrad"
    rule: Annotated[
        Literal["prediction", "gradient"],
        Doc(
            "Take the axis along which means of two neighbours are nearer to the values around, or "
            "that along which the two differ less."
        ),
    ] = "prediction"
    flagged: Annotated[
        Literal["leave", "count"],
        Doc("Neighbours flagged DO_NOT_USE that have a value are left out, or count."),
    ] = "leave"

    def apply(self, image: Image) -> Image:
        """Return the image with estimates in place of what is NaN."""
        data = image.data
        if self.flagged == "leave":
            data = np.where(image.dq & DQ.DO_NOT_USE, np.float32(np.nan), data)
        along_x, known = smoother_axis(data, self.rule)
        where = np.isnan(image.data) & known
        planes = {name: plane for name in _PLANES if (plane := getattr(image, name)) is not None}
        keeps = (image.dq & DQ.NON_SCIENCE) != 0
        cleared = np.where(keeps, image.dq, image.dq & ~np.uint32(DQ.DO_NOT_USE))
        dq = np.where(where, cleared | np.uint32(DQ.FLUX_ESTIMATED), image.dq)
        return image.replace(dq=dq, **replaced(planes, where, along_x))
