"""Give pixels without a value one of their neighbours'."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.flags import DQ
from calcore.kernels.pixel_replace import from_profile, lines_along, replaced, smoother_axis
from calcore.model import Image
from calcore.parameters import Doc, Range
from calcore.step import Step
from calcore.steps._strips_of_light import strips_of
from calcore.steps._trace_models import modelled, still

_PLANES = ("data", "err", "var_poisson", "var_rnoise", "var_flat")


@dataclass(frozen=True, kw_only=True)
class PixelReplace(Step):
    """Replace pixels without a value by what is around them: two neighbours, or the source's trace.

    Two neighbours are taken on the axis along which their mean is nearer to other values. It spares spectra dips where a bad pixel lies on the peak of a trace. Pixels both of whose
    neighbours along an axis have values are replaced, flagged FLUX_ESTIMATED and no longer
    DO_NOT_USE, unless they are NON_SCIENCE. Estimates are as uncertain as the neighbours, and not
    independent of them.
    """

    algorithm: Annotated[
        Literal["mingrad", "fit_profile", "trace_model"],
        Doc(
            "The mean of two neighbours, for pixels that are NaN; or, for all DO_NOT_USE pixels of a "
            "slit or a slice, the profile of rows or columns beside theirs; or what the model of "
            "traces says, which is made if need be, and where there is none the mean of neighbours."
        ),
    ] = "mingrad"
    n_adjacent_cols: Annotated[
        int, Range(1), Doc("Rows or columns on either side of which a profile is made.")
    ] = 3
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
        """Return the image with estimates in place of what is NaN, in each integration for itself.

        Raises
        ------
        CalcoreError
            The algorithm takes profiles or models, and the image has no world coordinates of slits or
            slices.
        """
        if image.data.ndim == 3:
            return self._each(image)
        if self.algorithm == "fit_profile":
            return self._by_profile(image)
        if self.algorithm == "trace_model":
            return self._by_model(image)
        return self._by_neighbours(image)

    def _by_neighbours(self, image: Image) -> Image:
        """Return the image with means of two neighbours in place of what is NaN."""
        data = image.data
        if self.flagged == "leave":
            data = np.where(image.dq & DQ.DO_NOT_USE, np.float32(np.nan), data)
        along_x, known = smoother_axis(data, self.rule)
        where = np.isnan(image.data) & known
        keeps = (image.dq & DQ.NON_SCIENCE) != 0
        cleared = np.where(keeps, image.dq, image.dq & ~np.uint32(DQ.DO_NOT_USE))
        dq = np.where(where, cleared | np.uint32(DQ.FLUX_ESTIMATED), image.dq)
        return image.replace(dq=dq, **replaced(_planes(image), where, along_x))

    def _each(self, image: Image) -> Image:
        """Return several integrations (n_int, ny, nx), each with its own estimates."""
        names = ["dq", *_planes(image)]
        if self.algorithm == "trace_model" and image.trace_model is None:
            model, _ = modelled(still(image), strips_of(image))
            image = image.replace(trace_model=model)
        done = [
            self.apply(image.replace(**{name: getattr(image, name)[k] for name in names}))
            for k in range(len(image.data))
        ]
        return image.replace(
            **{name: np.stack([getattr(one, name) for one in done]) for name in names}
        )

    def _by_profile(self, image: Image) -> Image:
        """Return the image with values of profiles in place of what is DO_NOT_USE in slits and slices."""
        replaceable = (image.dq & (DQ.DO_NOT_USE | DQ.NON_SCIENCE)) == DQ.DO_NOT_USE
        whole = {name: plane.copy() for name, plane in _planes(image).items()}
        dq = image.dq.copy()
        for strip in strips_of(image):
            own = strip.own
            planes = {name: np.where(own, strip.of(p), np.nan) for name, p in whole.items()}
            found, known = from_profile(planes, own & strip.of(replaceable), self.n_adjacent_cols)
            for name, plane in found.items():
                strip.put(plane, whole[name], known)
            strip.put(_estimated(strip.of(dq)), dq, known)
        return image.replace(dq=dq, **whole)

    def _by_model(self, image: Image) -> Image:
        """Return the image with values of the model of its traces; where there is none, of neighbours."""
        model = image.trace_model
        if model is None:
            model, _ = modelled(still(image), strips_of(image))
        replaceable = (image.dq & (DQ.DO_NOT_USE | DQ.NON_SCIENCE)) == DQ.DO_NOT_USE
        where = replaceable & np.isfinite(model)
        result = self._by_neighbours(image)
        # Errors of pixels without two good neighbours are those of the nearest along the spectrum.
        along_x = image.meta.get("wcsinfo.dispersion_direction") == 1
        planes = {
            name: np.where(where & np.isnan(plane), lines_along(plane, along_x=along_x), plane)
            for name, plane in _planes(result).items()
        }
        planes["data"] = np.where(where, model, result.data)
        return result.replace(dq=np.where(where, _estimated(image.dq), result.dq), **planes)


def _planes(image: Image) -> dict[str, NDArray[np.float32]]:
    return {name: plane for name in _PLANES if (plane := getattr(image, name)) is not None}


def _estimated(flags: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the flags of pixels whose value is an estimate."""
    return (flags & ~np.uint32(DQ.DO_NOT_USE)) | np.uint32(DQ.FLUX_ESTIMATED)
