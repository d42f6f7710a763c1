"""Give an image its world coordinates."""

from dataclasses import dataclass

from calcore.errors import KeywordInvalid
from calcore.model import Image, Meta
from calcore.steps.approximation import ApproximatingStep
from calcore.steps.calibration.assign_wcs import pointing_of
from calcore_nirspec.optical_references import (
    Camera,
    Collimator,
    DisperserFile,
    Fore,
    Fpa,
    Ote,
    WavelengthRange,
    closed,
    readings_of,
)
from calcore_nirspec.wcs.disperser import MIRROR, disperser_of
from calcore_nirspec.wcs.imaging import Foreoptics, imaging_wcs
from calcore_nirspec.wcs.spectrograph import Spectrograph

_SEEN_THROUGH = "F140X"
"""Whose wavelengths stand for those of lamps in images, as in the reference pipeline."""
_SKY = frozenset({Fore.type, Ote.type})


@dataclass(frozen=True, kw_only=True)
class AssignWcs(ApproximatingStep):
    """Attach the transform from pixels to the sky, and write its approximation into the header.

    The transform runs through the spectrograph with its mirror; images of lamps end in the plane of
    the slits, and have no approximation. No pixel is changed.
    """

    required = frozenset(
        {"fpa", "camera", "collimator", "disperser", "fore", "ote", "wavelengthrange"}
    )
    cites = ("Dorner et al. 2016, A&A 592, A113", "Cox & Lallo 2017, JWST-STScI-001550")

    def wanted(self, meta: Meta) -> frozenset[str]:
        """What lies before the slits only where the sky is seen."""
        return super().wanted(meta) - (_SKY if closed(meta) else frozenset())

    def apply(
        self,
        image: Image,
        *,
        fpa: Fpa,
        camera: Camera,
        collimator: Collimator,
        disperser: DisperserFile,
        wavelengthrange: WavelengthRange,
        fore: Fore | None = None,
        ote: Ote | None = None,
    ) -> Image:
        """Attach `wcs`, from pixels (x, y) counted from 0 to ICRS [deg], or to the plane of slits [m].

        Raises
        ------
        KeywordInvalid
            There is no mirror in the grating wheel: the exposure is of spectra.
        """
        meta = image.meta
        if meta.get("instrument.grating") != MIRROR:
            raise KeywordInvalid("GRATING", meta.get("instrument.grating"), MIRROR)
        low, high, order = wavelengthrange.of(
            _SEEN_THROUGH if closed(meta) else str(meta["instrument.filter"]), MIRROR
        )
        spectrograph = Spectrograph(
            detector=meta.detector,
            fpa=fpa.model(meta.detector),
            camera=camera.model,
            collimator=collimator.model,
            disperser=disperser_of(disperser.tree, readings_of(meta)),
            order=order,
        )
        foreoptics = None
        if fore is not None and ote is not None:
            foreoptics = Foreoptics(
                fore=fore.model,
                ote=ote.model,
                pointing=pointing_of(meta),
            )
        wcs = imaging_wcs(
            spectrograph,
            (low + high) / 2,
            foreoptics,
            shape=(image.frame.frame_rows, image.frame.frame_columns),
            corner=meta.subarray_origin,
        )
        meta = meta.set(
            {
                "wcsinfo.waverange_start": low,
                "wcsinfo.waverange_end": high,
                "wcsinfo.spectral_order": order,
            }
        )
        if foreoptics is not None:
            meta = self.with_coordinates(meta, wcs)
        return image.replace(wcs=wcs, meta=meta)
