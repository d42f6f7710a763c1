"""Give pixels without a value one of their neighbours'."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from calcore.errors import CalcoreError
from calcore.flags import DQ
from calcore.kernels.pixel_replace import from_profile, replaced, smoother_axis
from calcore.model import Image
from calcore.parameters import Doc, Range
from calcore.step import Step
from calcore.wcs.slicer_of import sliced
from calcore.wcs.within import box_of

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
        Literal["mingrad", "fit_profile"],
        Doc(
            "The mean of two neighbours, for pixels that are NaN; or, for all DO_NOT_USE pixels of a "
            "slit, the profile of rows or columns beside theirs."
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
            The algorithm fits profiles, and the image is not of a slit with world coordinates.
        """
        if image.data.ndim == 3:
            return self._each(image)
        if self.algorithm == "fit_profile":
            return self._by_profile(image)
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

    def _each(self, image: Image) -> Image:
        """Return several integrations (n_int, ny, nx), each with its own estimates."""
        names = ["dq", *(name for name in _PLANES if getattr(image, name) is not None)]
        done = [
            self.apply(image.replace(**{name: getattr(image, name)[k] for name in names}))
            for k in range(len(image.data))
        ]
        return image.replace(
            **{name: np.stack([getattr(one, name) for one in done]) for name in names}
        )

    def _by_profile(self, image: Image) -> Image:
        """Return the image of a slit with values of profiles in place of what is DO_NOT_USE."""
        axis = image.meta.get("wcsinfo.dispersion_direction")
        if image.wcs is None or axis not in {1, 2} or sliced(image.wcs) is not None:
            raise CalcoreError(
                "pixel_replace's algorithm fit_profile is for slits with world coordinates and "
                "DISPAXIS, not for image slicers; use mingrad"
            )
        turned = axis == 1
        box = box_of(image.wcs, image.data.shape[-2:])
        flags = image.dq[box]
        bad = (flags & (DQ.DO_NOT_USE | DQ.NON_SCIENCE)) == DQ.DO_NOT_USE
        planes = {
            name: plane[box] for name in _PLANES if (plane := getattr(image, name)) is not None
        }
        if turned:
            planes, bad = {name: plane.T for name, plane in planes.items()}, bad.T
        found, known = from_profile(planes, bad, self.n_adjacent_cols)
        if turned:
            found, known = {name: plane.T for name, plane in found.items()}, known.T
        dq = image.dq.copy()
        dq[box] = np.where(known, (flags & ~np.uint32(DQ.DO_NOT_USE)) | DQ.FLUX_ESTIMATED, flags)
        whole = {name: getattr(image, name).copy() for name in found}
        for name, plane in found.items():
            whole[name][box] = plane
        return image.replace(dq=dq, **whole)
