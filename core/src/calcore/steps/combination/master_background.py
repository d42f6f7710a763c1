"""Subtract the spectrum of the background."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import median_filter

from calcore.errors import DataUnusable, StepSkipped
from calcore.flags import DQ
from calcore.kernels.spectra_combination import at_wavelengths
from calcore.model import Group, Image, Meta
from calcore.model.reference import UserBackground
from calcore.model.spectrum import CombinedSpectra, CombinedSpectrum, Spectra
from calcore.parameters import Doc, If, Range, Unit
from calcore.step import Members, Step
from calcore.steps._background_spectra import background_of, check_reached
from calcore.steps._combining_spectra import given_spectrum
from calcore.steps._wavelengths import wavelengths_of


@dataclass(frozen=True, eq=False, kw_only=True)
class MasterBackgroundResult:
    """Exposures without background, its spectrum, and what was subtracted from each."""

    exposures: Group[Image]
    masterbg1d: Annotated[CombinedSpectra, If("save_background")]
    masterbg2d: Annotated[Group[Image], If("save_background")]


@dataclass(frozen=True, kw_only=True)
class MasterBackground(Step):
    """Subtract a spectrum of the background from each pixel of exposures, by its wavelength.

    The spectrum is the mean of the background members' surface brightness, weighted by exposure
    time, or the user's own. Members that are not of the background alone, and those of
    integral-field units, give what was beside the source, or without what stands out. Pixels whose
    wavelength it does not reach are flagged DO_NOT_USE.
    """

    stand_ins: ClassVar[Mapping[str, str]] = {"background": UserBackground.type}
    median_kernel: Annotated[
        int, Range(1), Unit("pixel"), Doc("The spectrum is the running median over so many.")
    ] = 1
    force_subtract: Annotated[
        bool, Doc("Subtract it also from exposures that had a background subtracted before.")
    ] = False
    save_background: Annotated[
        bool, Doc("Also return the spectrum, and what was subtracted from each exposure.")
    ] = False
    places: Annotated[
        Literal["clump", "nearest"], Doc("How members' wavelengths are combined, as combine_1d's.")
    ] = "clump"
    ends: Annotated[
        Literal["repeat", "cut", "zero"],
        Doc(
            "repeat: the first and last value hold half a step beyond, and for medians. cut: beyond "
            "them there is nothing, and 0 for medians. zero: as cut, but pixels beyond are not flagged."
        ),
    ] = "repeat"

    def apply(
        self, group: Group[Image], *,
        backgrounds: Annotated[tuple[Spectra, ...], Members("background")],
        userbackground: UserBackground | None = None,
    ) -> Group[Image] | MasterBackgroundResult:  # fmt: skip
        """Return the exposures without the background.

        Raises
        ------
        StepSkipped
            Exposures had a background subtracted before, or there is none.
        DataUnusable
            The background has no spectrum, or one of other wavelengths.
        """
        done = [
            str(member.meta.get("filename", "an exposure"))
            for member in group.members
            if member.meta.get("cal_step.bkg_subtract") == "COMPLETE"
        ]
        if done and not self.force_subtract:
            more = f" and {len(done) - 1} more" if len(done) > 1 else ""
            raise StepSkipped(
                f"{done[0]}{more} had a background subtracted before; set "
                "master_background.force_subtract to subtract another"
            )
        spectrum = self._spectrum(group.members[0].meta, backgrounds, userbackground)
        table = spectrum.table
        good = np.isfinite(table["SURF_BRIGHT"])
        if not good.any():
            raise DataUnusable("the background's spectrum has no value; look at its members")
        levels = [
            at_wavelengths(
                wavelengths_of(member), table["WAVELENGTH"][good], table["SURF_BRIGHT"][good],
                beyond=self.ends == "repeat",
            )
            for member in group.members
        ]  # fmt: skip
        pairs = list(zip(group.members, levels, strict=True))
        check_reached(pairs, table["WAVELENGTH"][good])
        flag = self.ends != "zero"
        result = group.with_members([_without(*pair, flag=flag) for pair in pairs])
        if not self.save_background:
            return result
        layers = [_alone(member, level) for member, level in pairs]
        return MasterBackgroundResult(
            exposures=result, masterbg2d=group.with_members(layers),
            masterbg1d=CombinedSpectra(meta=group.members[0].meta, spectra=(spectrum,)),
        )  # fmt: skip

    def _spectrum(
        self, meta: Meta, members: tuple[Spectra, ...], given: UserBackground | None
    ) -> CombinedSpectrum:
        """Return the spectrum of the background, smoothed."""
        if given is None:
            spectrum = background_of(meta, members, self.places)
        else:
            spectrum = given_spectrum(meta, given)
        length = self.median_kernel - 1 + self.median_kernel % 2
        if length < 2:
            return spectrum
        mode = "nearest" if self.ends == "repeat" else "constant"
        table = spectrum.table.copy()
        table["SURF_BRIGHT"] = median_filter(table["SURF_BRIGHT"], length, mode=mode)
        return spectrum.replace(table=table)


def _without(image: Image, level: NDArray[np.float64], *, flag: bool) -> Image:
    """Return an exposure less the background; where that is NaN, it stays and may be flagged."""
    unknown = np.isnan(level)
    data = image.data - np.where(unknown, 0, level).astype(np.float32)
    dq = image.dq | (unknown & flag) * np.uint32(DQ.DO_NOT_USE)
    return image.replace(data=data, dq=dq)


def _alone(image: Image, level: NDArray[np.float64]) -> Image:
    """Return the background of an exposure as an image of its own."""
    unknown = np.isnan(level)
    return Image(
        meta=image.meta, data=np.where(unknown, 0, level).astype(np.float32), wcs=image.wcs,
        err=np.zeros_like(image.data), dq=unknown * np.uint32(DQ.DO_NOT_USE),
    )  # fmt: skip
