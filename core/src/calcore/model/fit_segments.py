"""What each unbroken part of a ramp gave: the optional product of a fit."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from calcore.model.exposure import Float
from calcore.model.layout import Plane
from calcore.model.record import Record

_PARTS = ("n_int", "part", "y", "x")


@dataclass(frozen=True, eq=False, kw_only=True)
class FitSegments(Record):
    """Lines fitted to the parts of ramps; fields as in `calcore.kernels.ramp_fit_segments.Segments`."""

    aside: ClassVar[bool] = True
    slope: Annotated[Float, Plane("SLOPE", "f4", _PARTS, required=True)]
    sigslope: Annotated[Float, Plane("SIGSLOPE", "f4", _PARTS)] | None = None
    var_poisson: Annotated[Float, Plane("VAR_POISSON", "f4", _PARTS)] | None = None
    var_rnoise: Annotated[Float, Plane("VAR_RNOISE", "f4", _PARTS)] | None = None
    yint: Annotated[Float, Plane("YINT", "f4", _PARTS)] | None = None
    sigyint: Annotated[Float, Plane("SIGYINT", "f4", _PARTS)] | None = None
    pedestal: Annotated[Float, Plane("PEDESTAL", "f4", ("n_int", "y", "x"))] | None = None
    weights: Annotated[Float, Plane("WEIGHTS", "f4", _PARTS)] | None = None
    crmag: Annotated[Float, Plane("CRMAG", "f4", ("n_int", "jump", "y", "x"))] | None = None
