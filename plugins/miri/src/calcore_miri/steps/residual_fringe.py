"""Divide by the fringes that a source has of its own."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray

from calcore.errors import BadParameter
from calcore.flags import DQ
from calcore.model import Image
from calcore.model.cubing import coordinates_of
from calcore.model.exposure import Layer
from calcore.parameters import Doc, If, Unit
from calcore.step import Step
from calcore_miri.kernels.fringe_waves import transmission
from calcore_miri.references import FringeFrequencies
from calcore_miri.steps._fringe_layers import layers_of

_CM_UM = 1e4


@dataclass(frozen=True, eq=False, kw_only=True)
class Defringed:
    """An image without residual fringes, and what it was divided by."""

    image: Image
    fringes: Annotated[Layer, If("save_intermediate_results")]


@dataclass(frozen=True, kw_only=True)
class ResidualFringe(Step):
    """Divide each column of each slice by the fringes that are found in it.

    Light of a point source interferes otherwise than that of a lamp, so that the fringe flat leaves
    waves of some percent (Argyriou et al. 2020, A&A 641, A150). Waves of the lengths that the
    reference has are told from continuum, lines and noise, in columns whose signal over noise
    is large enough. Pixels flagged DO_NOT_USE have no say, and stay; errors do, too.
    """

    cites = ("Argyriou et al. 2020, A&A 641, A150", "Gasman et al. 2023, A&A 673, A102")

    ignore_region_min: Annotated[
        tuple[float, ...] | None,
        Unit("um"),
        Doc("Where wavelengths begin that are not looked at, such as bands of molecules."),
    ] = None
    ignore_region_max: Annotated[
        tuple[float, ...] | None, Unit("um"), Doc("Where they end, in the same order.")
    ] = None
    save_intermediate_results: Annotated[
        bool, Doc("Also return what the signal was divided by.")
    ] = False

    def __post_init__(self) -> None:
        super().__post_init__()
        first, last = self.ignore_region_min or (), self.ignore_region_max or ()
        if len(first) != len(last) or not all(a < b for a, b in zip(first, last, strict=True)):
            raise BadParameter(
                f"residual_fringe.ignore_region_min is {first}, ignore_region_max {last}; give as "
                "many ends as beginnings, each larger than its beginning"
            )

    def apply(self, image: Image, *, fringefreq: FringeFrequencies) -> Image | Defringed:
        """Return the image without these fringes.

        Raises
        ------
        ReferenceInvalid
            A table lacks a column, or holds waves without length.
        CalcoreError
            The image has no world coordinates of an image slicer.
        """
        fringes = np.ones(image.data.shape, np.float32)
        for place, found in self._columns(image, fringefreq):
            fringes[place] = found
        image = image.replace(data=image.data / fringes)
        if not self.save_intermediate_results:
            return image
        return Defringed(image=image, fringes=Layer(meta=image.meta, data=fringes))

    def _columns(
        self, image: Image, reference: FringeFrequencies
    ) -> Iterator[tuple[Any, NDArray[np.float64]]]:
        """Yield rows and column of each part of a column that has fringes, and these."""
        coordinates = coordinates_of(image)
        wavelengths = coordinates.local()[2]
        usable = ((image.dq & DQ.DO_NOT_USE) == 0) & np.isfinite(image.data) & (image.err > 0)
        heeded = usable.copy()
        for low, high in zip(
            self.ignore_region_min or (), self.ignore_region_max or (), strict=True
        ):
            heeded &= ~((wavelengths >= low) & (wavelengths <= high))
        signal = np.where(heeded, image.data, np.nan).astype(np.float64)
        for part in coordinates.slices:
            looked = layers_of(reference, image.meta, part.number)
            own = coordinates.labels == part.number
            for column in np.flatnonzero((own & heeded).any(axis=0)):
                place = np.flatnonzero(own[:, column]), column
                error = image.err[place].astype(np.float64)
                snr = np.nanmean(signal[place] / error)
                found = transmission(
                    _CM_UM / wavelengths[place], signal[place], error,
                    [one.layer for one in looked if snr >= one.least_snr],
                    largest=_largest(reference, wavelengths[place]),
                )  # fmt: skip
                yield place, np.where(usable[place], found, 1.0)


def _largest(reference: FringeFrequencies, wavelengths: NDArray[np.float64]) -> float:
    """Return the largest amplitude that waves may have."""
    table = reference.largest[np.argsort(reference.largest["wavelength"])]
    return float(np.interp(wavelengths.mean(), table["wavelength"], table["amplitude"]))
