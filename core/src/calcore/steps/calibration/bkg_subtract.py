"""Subtract the mean of exposures of the background."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.kernels.background import clipped_mean
from calcore.model import Image, Meta, Rate, Reference
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import Members, Step


@dataclass(frozen=True, eq=False, kw_only=True)
class BackgroundSubtracted:
    """An image without its background, and the background that was subtracted from it."""

    image: Image
    combinedbackground: Annotated[Rate, If("save_combined_background")]


class _Planes(NamedTuple):
    """A background: data, err (ny, nx) in the image's unit, and flags; NaN where there is none."""

    data: NDArray[np.float32]
    err: NDArray[np.float32]
    dq: NDArray[np.uint32]


@dataclass(frozen=True, kw_only=True)
class BkgSubtract(Step):
    """Subtract the clipped mean of the association's background exposures.

    A background exposure of several integrations is averaged over these first. Exposures of other
    sub-arrays are aligned by their place on the detector.
    """

    sigma: Annotated[
        float, Range(1), Unit("standard deviation"), Doc("Reject values farther from the median.")
    ] = 3.0
    maxiters: Annotated[
        int | None, Range(0), Doc("Rounds of rejection; None: until nothing more is rejected.")
    ] = None
    flags: Annotated[
        Literal["heed", "merge"],
        Doc(
            "heed: background pixels flagged DO_NOT_USE do not count, and a pixel of the image "
            "without any that does is flagged so. merge: flags do not matter for the mean, the "
            "image takes them all over, and a pixel without a background keeps its signal."
        ),
    ] = "heed"
    noise: Annotated[
        Literal["add", "ignore"],
        Doc(
            "add: the background's variance adds to the image's, to that of the read noise as it "
            "does not depend on the image's own light, and BKGNOISE tells its part in most pixels. "
            "ignore: errors stay as they are."
        ),
    ] = "add"
    save_combined_background: Annotated[
        bool, Doc("Also return the background that was subtracted.")
    ] = False

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Leave out time series, whose background is measured in each image."""
        del references
        if meta.has_facts and meta.is_time_series:
            raise StepSkipped("the background of a time series is left in it")

    def apply(
        self, image: Image, *, backgrounds: Annotated[tuple[Image, ...], Members("background")]
    ) -> Image | BackgroundSubtracted:
        """Subtract the background; all are in the same unit."""
        mean = self._combined([self._aligned(member, image) for member in backgrounds])
        missing = ~np.isfinite(mean.data)
        level = np.where(missing, np.float32(0), mean.data)
        result = image.replace(data=image.data - level, dq=image.dq | mean.dq)
        if self.noise == "add":
            added = np.where(missing, np.float32(0), mean.err**2)
            own, err = image.var_rnoise, np.sqrt(image.err**2 + added)
            part = _median(np.divide(added, err**2, out=np.full_like(err, np.nan), where=err > 0))
            result = result.replace(
                err=err,
                var_rnoise=None if own is None else own + added,
                meta=image.meta.set({"background.noise_share": part}),
            )
        if not self.save_combined_background:
            return result
        background = Rate(meta=image.meta, data=mean.data, err=mean.err, dq=mean.dq)
        return BackgroundSubtracted(image=result, combinedbackground=background)

    def _aligned(self, member: Image, image: Image) -> _Planes:
        """Return a background on the image's pixels."""
        planes = _Planes(member.data, member.err, member.dq)
        if member.per_integration:
            planes = self._combined([_Planes(*parts) for parts in zip(*planes, strict=True)])
        offset = [
            here - there
            for here, there in zip(
                image.meta.subarray_origin, member.meta.subarray_origin, strict=True
            )
        ]
        shape = image.data.shape[-2:]
        if offset == [0, 0] and planes.data.shape == shape:
            return planes
        spans = [
            (max(0, -shift), min(size, there - shift))
            for shift, size, there in zip(offset, shape, planes.data.shape, strict=True)
        ]
        here = tuple(slice(low, max(low, high)) for low, high in spans)
        there = tuple(
            slice(part.start + shift, part.stop + shift)
            for part, shift in zip(here, offset, strict=True)
        )
        aligned = _Planes(
            np.full(shape, np.nan, np.float32),
            np.full(shape, np.nan, np.float32),
            np.zeros(shape, np.uint32),
        )
        for whole, part in zip(aligned, planes, strict=True):
            whole[here] = part[there]
        return aligned

    def _combined(self, parts: Sequence[_Planes]) -> _Planes:
        """Return the clipped mean of several images; its error is that before rejection."""
        data, err, dq = (np.stack(planes) for planes in zip(*parts, strict=True))
        usable = np.isfinite(data)
        if self.flags == "heed":
            usable &= (dq & np.uint32(DQ.DO_NOT_USE)) == 0
        mean, count = clipped_mean(data, usable, sigma=self.sigma, max_iterations=self.maxiters)
        squares = np.where(usable, err, np.float32(0)) ** 2
        error = np.sqrt(squares.sum(axis=0)) / np.maximum(count, 1)
        if self.flags == "merge":
            flags = np.bitwise_or.reduce(dq, axis=0)
        else:
            flags = np.where(np.isfinite(mean), np.uint32(0), np.uint32(DQ.DO_NOT_USE))
        return _Planes(mean, np.where(count > 0, error, np.nan).astype(np.float32), flags)


def _median(values: NDArray[np.float32]) -> float:
    """Return the median of what is finite; 0 if nothing is."""
    there = values[np.isfinite(values)]
    return float(np.median(there)) if there.size else 0.0
