"""Take stray light out of exposures of the image slicers."""

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.errors import DataUnusable, ReferenceInvalid
from calcore.flags import DQ
from calcore.kernels.sky import clipped_about_median
from calcore.model import Image, Meta
from calcore.model.exposure import Layer
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import Step
from calcore_miri.kernels.cross_artifact import scattered
from calcore_miri.kernels.showers import glow
from calcore_miri.references import CrossArtifact, SlicerRegions
from calcore_miri.steps._halves import halves, seeing_columns
from calcore_miri.wcs.slices import between_channels, plane_of

F4 = NDArray[np.float32]
_SIGMA, _ROUNDS = 3.0, 5
_UNSEEING = np.uint32(DQ.DO_NOT_USE | DQ.REFERENCE_PIXEL)


@dataclass(frozen=True, eq=False, kw_only=True)
class Cleared:
    """An image without stray light, and the glows of showers that were subtracted from it."""

    image: Image
    shower_model: Annotated[Layer, If("save_shower_model")]


@dataclass(frozen=True, kw_only=True)
class Straylight(Step):
    """Subtract light scattered along rows, the level between channels, and glows of showers.

    Each pixel brighter than the level between the channels by three standard deviations scatters
    light along its row, as a calibrated profile says (Gaspar et al. 2021, PASP 133, 014504). What
    is left between the channels, where no light falls, is subtracted from all pixels; of exposures
    in two bands (BAND such as SHORT-MEDIUM), whose profiles are not known, only that. Glows of
    cosmic-ray showers, if asked for, are found between the slices. Errors stay as they are.
    """

    cites = ("Gaspar et al. 2021, PASP 133, 014504",)

    clean_showers: Annotated[bool, Doc("Subtract glows of cosmic-ray showers.")] = False
    shower_plane: Annotated[
        int, Range(0, 8), Doc("Slices are as wide as this plane of the reference regions says.")
    ] = 3
    shower_x_stddev: Annotated[
        float, Range(0.1), Unit("pixel"), Doc("How far glows are smoothed along x.")
    ] = 18.0
    shower_y_stddev: Annotated[
        float, Range(0.1), Unit("pixel"), Doc("How far glows are smoothed along y.")
    ] = 5.0
    shower_low_reject: Annotated[
        float, Range(0, 100), Unit("percentile"), Doc("Fainter dark pixels do not count.")
    ] = 0.1
    shower_high_reject: Annotated[
        float, Range(0, 100), Unit("percentile"), Doc("Brighter dark pixels do not count.")
    ] = 99.9
    save_shower_model: Annotated[bool, Doc("Also return the glows that were subtracted.")] = False
    flagged: Annotated[
        Literal["leave", "count"],
        Doc("Pixels flagged DO_NOT_USE are left out of the level between channels, or count."),
    ] = "leave"
    beyond: Annotated[
        Literal["missing", "zero"],
        Doc("To glows, what lies beyond the detector's edges is missing, or is 0."),
    ] = "missing"

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Slices matter to showers only."""
        return super().wanted(meta) - (frozenset() if self.clean_showers else {"regions"})

    def apply(
        self, image: Image, *, mrsxartcorr: CrossArtifact, regions: SlicerRegions | None = None
    ) -> Image | Cleared:
        """Subtract all of it from the signal.

        Raises
        ------
        DataUnusable
            No pixel between the channels is usable.
        ReferenceInvalid
            A table does not suit, or there are no slices to look between.
        """
        data, meta = image.data, image.meta
        level, spread = self._level(image)
        seeing = seeing_columns(image)
        usable = seeing & np.isfinite(data) & ((image.dq & DQ.DO_NOT_USE) == 0)
        above = np.where(usable, data - np.float32(level), np.float32(0))
        sources = np.where(above > _SIGMA * spread, above, np.float32(0))
        light = np.zeros(data.shape)
        for half, profile in halves(image, mrsxartcorr):
            light += scattered(np.where(half, sources, np.float32(0)), profile)
        image = image.replace(data=_less(data, light, seeing))
        level, _ = self._level(image)
        image = image.replace(data=_less(image.data, level, seeing))
        if not self.clean_showers:
            return image
        if regions is None:
            raise ReferenceInvalid("straylight.clean_showers needs a reference of type regions")
        dark = plane_of(regions, self.shower_plane, meta, data.shape) == 0
        showers = glow(
            image.data,
            dark & ((image.dq & _UNSEEING) == 0),
            sigma=(self.shower_y_stddev, self.shower_x_stddev),
            percentiles=(self.shower_low_reject, self.shower_high_reject),
            beyond=self.beyond,
        )
        image = image.replace(data=_less(image.data, showers, np.ones(data.shape[1], np.bool_)))
        if not self.save_shower_model:
            return image
        return Cleared(image=image, shower_model=Layer(meta=meta, data=showers.astype(np.float32)))

    def _level(self, image: Image) -> tuple[float, float]:
        """Return median and standard deviation between the channels, without outliers."""
        values = between_channels(image.meta, image.data)
        if self.flagged == "leave":
            dq = between_channels(image.meta, image.dq)
            values = values[(dq & DQ.DO_NOT_USE) == 0]
        kept = clipped_about_median(values, _SIGMA, _ROUNDS)
        if not kept.size:
            raise DataUnusable(
                "no pixel between the two channels is usable, where stray light is measured; leave "
                "straylight out with --skip straylight"
            )
        return float(np.median(kept)), float(kept.std())


def _less(data: F4, light: NDArray[np.float64] | float, where: NDArray[np.bool_]) -> F4:
    """Subtract light from some pixels."""
    return (data - np.where(where, light, 0.0)).astype(np.float32)
