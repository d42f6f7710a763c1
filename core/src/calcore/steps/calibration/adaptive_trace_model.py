"""Model the traces of compact sources, and sample exposures more finely along slits by it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

import numpy as np

from calcore.errors import BadParameter
from calcore.model import Image, Meta, Reference
from calcore.model.exposure import Layer
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import ALONE, Room, Step
from calcore.steps._oversampled import oversampled
from calcore.steps._strips_of_light import strips_of
from calcore.steps._trace_models import SLOPE, THRESHOLD, modelled, still


@dataclass(frozen=True, eq=False, kw_only=True)
class Modelled:
    """An exposure with a model of its traces, and what the model gives everywhere and leaves."""

    image: Image
    spline_full: Annotated[Layer, If("save_intermediate_results")]
    spline_residual: Annotated[Layer, If("save_intermediate_results")]


@dataclass(frozen=True, kw_only=True)
class AdaptiveTraceModel(Step):
    """Model traces by splines along the slit, and if asked for put exposures on finer pixels by it.

    Pixels of spectrographs sample a point source too sparsely, so that cubes and rectified spectra beat
    with the phase of its trace. At each wavelength a cubic B-spline is fitted to the normalised light along
    a slit, or each slice, of all wavelengths around it, which see the profile at other phases (Law &
    Clarke 2026, AJ 171, 304). Where profiles are steep, finer pixels take the model and what
    straight lines between pixels say of the rest; elsewhere they take straight lines alone. Errors
    are raised for what neighbours then have in common. Exposures of several integrations are modelled
    by their mean, and not oversampled.
    """

    cites = ("Law & Clarke 2026, AJ 171, 304",)

    fit_threshold: Annotated[
        float, Range(0), Unit("sigma"),
        Doc(
            "Model slices that are on average brighter than the others of their field by so many times "
            "their scatter, and slits whose signal is so many times its noise; 0 for all."
        ),
    ] = THRESHOLD  # fmt: skip
    oversample: Annotated[
        float, Range(1), Doc("Pixels along the slit for each of the detector; 1 leaves them alone.")
    ] = 1.0
    slope_limit: Annotated[
        float, Range(0),
        Doc(
            "A profile is a compact source's where neighbouring pixels differ by more than so much of "
            "its sum; 0 for everywhere."
        ),
    ] = SLOPE  # fmt: skip
    psf_optimal: Annotated[
        bool,
        Doc("Take the model everywhere, and nothing else: right for a lone point source."),
    ] = False
    save_intermediate_results: Annotated[
        bool, Doc("Also return the model of all modelled slices, and what it leaves of the signal.")
    ] = False

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Refuse to oversample a time series.

        Raises
        ------
        BadParameter
            It is one.
        """
        del references
        if self.oversample != 1 and meta.is_time_series:
            self._refuse()

    def apply(self, image: Image, *, room: Room = ALONE) -> Image | Modelled:
        """Return the exposure with a model of its traces, on finer pixels if it is oversampled.

        Raises
        ------
        BadParameter
            Several integrations are to be oversampled.
        CalcoreError
            It has no world coordinates of a slit or an image slicer, or no DISPAXIS.
        """
        if self.oversample != 1 and image.data.ndim > 2:
            self._refuse()
        image = image.loaded()
        light = still(image)
        threshold = 0.0 if self.psf_optimal else self.fit_threshold
        limit = 0.0 if self.psf_optimal else self.slope_limit
        model, found = modelled(
            light, strips_of(image), threshold=threshold, limit=limit, room=room
        )
        result = image.replace(trace_model=model)
        if self.oversample != 1:
            result = oversampled(image, found, self.oversample, rest=not self.psf_optimal)
        if not self.save_intermediate_results:
            return result
        planes = [np.full(light.data.shape, np.nan, np.float32) for _ in range(2)]
        for one in found:
            for plane, values in zip(planes, (one.model, one.residual), strict=True):
                one.strip.put(values, plane, one.strip.own)
        full, rest = (Layer(meta=image.meta, data=plane) for plane in planes)
        return Modelled(image=result, spline_full=full, spline_residual=rest)

    def _refuse(self) -> None:
        raise BadParameter(
            f"adaptive_trace_model.oversample is {self.oversample:g}, but time series, and exposures of "
            "several integrations, are not oversampled; leave it at 1"
        )
