"""Find pixels of a time series that differ from the integrations around."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter, StepSkipped
from calcore.flags import DQ
from calcore.kernels.rolling_median import rolling_median
from calcore.model import Image, Meta, Reference
from calcore.model.blanked import with_flags
from calcore.parameters import Doc, Range, Unit
from calcore.step import Rows, Step
from calcore.steps.comparing import with_outliers


@dataclass(frozen=True, kw_only=True)
class OutlierIntegrations(Step):
    """Flag what differs from the median of the integrations around by more than noise explains.

    Integrations of a time series lie on the same pixels, so each pixel is compared with itself. What
    is flagged is OUTLIER and DO_NOT_USE.
    """

    snr: Annotated[
        str,
        Unit("sigma"),
        Doc("Threshold; a second number, as other modes have it, does not count."),
    ] = "5.0 4.0"
    rolling_window_width: Annotated[
        int, Range(0), Doc("How many integrations a median is of; all of them if fewer than 3.")
    ] = 25
    gaps: Annotated[
        Literal["ignore", "spread"],
        Doc(
            "What integrations that cannot be used do to a median: nothing; or, spread, they take away "
            "medians of some integrations, and count like others where it is of all."
        ),
    ] = "ignore"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._threshold()

    def _threshold(self) -> float:
        try:
            return float(self.snr.replace(",", " ").split()[0])
        except (IndexError, ValueError):
            raise BadParameter(
                f"outlier_detection.snr must be a number, or two, such as '5.0 4.0', not {self.snr!r}"
            ) from None

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, image: Image) -> Image:
        """Return the integrations with outliers flagged, and NaN in place of all that is not usable.

        Raises
        ------
        StepSkipped
            There are fewer than three integrations.
        """
        number = image.data.shape[0] if image.per_integration else 1
        if number < 3:
            raise StepSkipped("it takes at least three integrations to tell what only one has seen")
        off = np.abs(image.data - self._typical(image))
        outliers = off > np.float32(self._threshold()) * np.nan_to_num(image.err)
        return with_flags(image, with_outliers(image, outliers))

    def _typical(self, image: Image) -> NDArray[np.float32]:
        """Return the median of the integrations around each one, or of all."""
        bad = (image.dq & DQ.DO_NOT_USE) != 0
        usable = np.where(bad, np.float32(np.nan), image.data)
        width = self.rolling_window_width
        if 2 < width < image.data.shape[0]:
            return rolling_median(usable, width, spread=self.gaps == "spread")
        every = image.data if self.gaps == "spread" else usable
        return rolling_median(np.sort(every, axis=0), len(every))[:1]
