"""Parameters of steps that compare exposures with what others saw."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.flags import DQ, interpret
from calcore.kernels.outlier_rule import Rule
from calcore.model import Image
from calcore.model.mosaic import WeightType, usable
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step


@dataclass(frozen=True, kw_only=True)
class ComparingStep(Step):
    """Base of steps that flag what differs from the median of several exposures on a common grid."""

    snr: Annotated[str, Unit("sigma"), Doc("Threshold for an outlier, and beside one.")] = "5.0 4.0"
    scale: Annotated[str, Doc("Factors of the local slope for the same two.")] = "1.2 0.7"
    rule: Annotated[
        Literal["slope", "peaks"],
        Doc(
            "What is allowed beside noise: what the slope explains; or, for pixels that are too "
            "bright, what the curvature explains, too, since medians are blurred, and little of the "
            "slope. Of two exposures the fainter then stands for the median."
        ),
    ] = "slope"
    rise: Annotated[float, Range(0), Doc("Rule peaks: factor of the slope, if too bright.")] = 0.5
    peak: Annotated[float, Range(0), Doc("Rule peaks: factor of the curvature.")] = 7.0
    weight_type: Annotated[WeightType, Doc("Inverse variance by read noise, or exposure time.")] = (
        "ivm"
    )
    pixfrac: Annotated[float, Range(0, 1), Doc("Side of the drop over that of its pixel.")] = 1.0
    kernel: Annotated[Literal["square", "point", "turbo"], Doc("Shape of the drop.")] = "square"
    maskpt: Annotated[
        float, Range(0), Doc("Values of less weight than this times the mean weight do not count.")
    ] = 0.7
    good_bits: Annotated[str, Doc("Flags that do not harm.")] = "~DO_NOT_USE"

    def __post_init__(self) -> None:
        super().__post_init__()
        self._pair("snr")
        self._pair("scale")
        interpret(self.good_bits)

    @property
    def allowed(self) -> Rule:
        """The parameters as the kernels take them."""
        snr, scale = self._pair("snr"), self._pair("scale")
        if self.rule == "slope":
            return Rule.by_slope(snr, scale)
        return Rule(snr=snr, scale=scale, rise=(self.rise, self.rise), peak=self.peak)

    def _pair(self, name: str) -> tuple[float, float]:
        """Return two numbers given as text."""
        text = getattr(self, name)
        try:
            first, second = (float(word) for word in text.replace(",", " ").split())
        except ValueError:
            raise BadParameter(
                f"outlier_detection.{name} must be two numbers such as '5.0 4.0', not {text!r}"
            ) from None
        return first, second


def with_outliers(part: Image, outliers: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Return flags with outliers among them; all that is not usable is flagged DO_NOT_USE."""
    dq = part.dq | np.where(outliers, np.uint32(DQ.OUTLIER | DQ.DO_NOT_USE), np.uint32(0))
    dq[~usable(part.replace(dq=dq))] |= np.uint32(DQ.DO_NOT_USE)
    return dq
