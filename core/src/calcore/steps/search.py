"""Parameters of all steps that look for sources."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, TypeVar

from calcore.citing import Work
from calcore.kernels.sources import Finder, Search
from calcore.model import Image
from calcore.parameters import Doc, Range, Unit
from calcore.step import Room, Step

Found = TypeVar("Found")


@dataclass(frozen=True, kw_only=True)
class SearchingStep(Step):
    """Base of steps that look for sources; steps set their own defaults."""

    cites = (
        "Bertin & Arnouts 1996, A&AS 117, 393",
        Work("Stetson 1987, PASP 99, 191", starfinder="dao"),
    )

    starfinder: Annotated[Finder, Doc("Stars by DAOFIND or starfind, or segments of any shape.")]
    snr_threshold: Annotated[float, Range(0), Doc("Threshold over the background's noise.")]
    bkg_boxsize: Annotated[int, Range(1), Unit("pixel"), Doc("Boxes of the background.")]
    kernel_fwhm: Annotated[float, Range(0.1), Unit("pixel"), Doc("Width of the filter.")]
    npixels: Annotated[int, Range(1), Doc("Segments: least number of pixels.")]
    minsep_fwhm: Annotated[float, Range(0), Unit("fwhm"), Doc("Stars: least distance.")] = 0.0
    sigma_radius: Annotated[float, Range(0), Unit("sigma"), Doc("Stars: kernel's size.")] = 1.5
    sharplo: Annotated[float, Doc("Stars: least sharpness.")] = 0.5
    sharphi: Annotated[float, Doc("Stars: greatest sharpness.")] = 2.0
    roundlo: Annotated[float, Doc("Stars: least roundness.")] = 0.0
    roundhi: Annotated[float, Doc("Stars: greatest roundness.")] = 0.2
    brightest: Annotated[int, Range(1), Doc("How many sources are kept, by flux.")] = 200
    peakmax: Annotated[float | None, Unit("BUNIT"), Doc("Stars: highest value allowed.")] = None
    connectivity: Annotated[Literal[4, 8], Doc("Segments: how many neighbours count.")] = 8
    nlevels: Annotated[int, Range(1), Doc("Blends: number of thresholds.")] = 32
    contrast: Annotated[float, Range(0, 1), Doc("Blends: fraction of flux a part needs.")] = 0.001
    multithresh_mode: Annotated[
        Literal["exponential", "linear", "sinh"], Doc("Blends: spacing of thresholds.")
    ] = "exponential"
    localbkg_width: Annotated[
        int, Range(0), Unit("pixel"), Doc("Segments: width of the local background; 0: none.")
    ] = 0
    apermask_method: Annotated[
        Literal["correct", "mask", "none"], Doc("Segments: what neighbours are replaced by.")
    ] = "correct"
    kron_params: Annotated[
        tuple[float, float] | None, Doc("Segments: factor and least size of Kron's radius.")
    ] = None
    deblend: Annotated[bool, Doc("Part blends.")] = True
    centroid: Annotated[
        Literal["finder", "windowed"],
        Doc(
            "Positions as they were found, or under a window of kernel_fwhm that follows the source."
        ),
    ] = "finder"

    @property
    def search(self) -> Search:
        """The parameters as the kernels take them."""
        return Search(
            windowed=self.centroid == "windowed",
            finder=self.starfinder, snr=self.snr_threshold, box=self.bkg_boxsize,
            fwhm=self.kernel_fwhm, minsep_fwhm=self.minsep_fwhm, sigma_radius=self.sigma_radius,
            sharpness=(self.sharplo, self.sharphi), roundness=(self.roundlo, self.roundhi),
            brightest=self.brightest, peak_max=self.peakmax, npixels=self.npixels,
            connectivity=self.connectivity, levels=self.nlevels, contrast=self.contrast,
            mode=self.multithresh_mode, deblend=self.deblend, local_width=self.localbkg_width,
            mask_method=self.apermask_method, kron=self.kron_params,
        )  # fmt: skip


def of_each(find: Callable[[Image], Found], images: Iterable[Image], room: Room) -> list[Found]:
    """Return what is found in each image, on all threads; data and flags are read."""
    with warnings.catch_warnings():
        # photutils changes what all threads of the process are warned of. What it has to say of an
        # image, that it has no stars, is no mishap.
        warnings.simplefilter("ignore")
        return list(room.ahead(lambda image: find(image.loaded("data", "dq")), images))
