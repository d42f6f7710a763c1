"""Give an exposure of the low-resolution spectrometer its world coordinates."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from calcore.errors import StepSkipped
from calcore.model import Image, Meta, Reference
from calcore.model.reference import Distortion
from calcore.model.slit import Slit
from calcore.step import Step
from calcore.steps.calibration.assign_wcs import pointing_of
from calcore.wcs.dispersed_slit import Entrance, dispersed_slit_wcs
from calcore.wcs.doppler import barycentric
from calcore.wcs.pointing import ideal_offset, to_sky
from calcore.wcs.within import within_box
from calcore_miri.references import SlitTrace
from calcore_miri.wcs.long_slit import MODES, middle_of, trace_of


@dataclass(frozen=True, kw_only=True)
class AssignSlitWcs(Step):
    """Attach the transform from pixels to the sky and to wavelengths, and each pixel's wavelength.

    It runs through the frames detector, alpha_beta (along and across the slit), v2v3, v2v3vacorr and
    world (Kendrew et al. 2015, PASP 127, 623). Wavelengths are those at the barycentre if VELOSYS is
    known: SPECSYS says which. Exposures through the slit are told where in it the dither has put the
    target (DITH_RA, DITH_DEC). No pixel is changed.
    """

    required = frozenset({"distortion", "specwcs"})
    cites = ("Kendrew et al. 2015, PASP 127, 623",)

    def check(self, meta: Meta, references: Mapping[str, Reference]) -> None:
        """Leave out exposures of other kinds."""
        del references
        name = meta.facts.exposure_type.name
        if name not in MODES:
            raise StepSkipped(f"{name} is none of {', '.join(MODES)}")

    def apply(self, image: Image, *, distortion: Distortion, specwcs: SlitTrace) -> Slit:
        """Attach `wcs`, from pixels (x, y) counted from 0 to ICRS [deg] and wavelengths [um].

        Raises
        ------
        ReferenceInvalid
            The reference is not as it should be.
        KeywordMissing
            The header does not say where the telescope looked.
        """
        meta, shape = image.meta, image.data.shape[-2:]
        mode = MODES[meta.facts.exposure_type.name]
        corner = meta.subarray_origin
        middle = middle_of(specwcs, mode, corner)
        velocity = meta.get("wcsinfo.velosys")
        wcs = dispersed_slit_wcs(
            trace_of(specwcs),
            Entrance(origin=middle, corner=corner, distortion=distortion.model),
            pointing_of(meta),
            box=mode.box(specwcs.table, middle, shape, corner),
            stretch=barycentric(velocity),
        )
        changes: dict[str, Any] = {
            "wcsinfo.dispersion_direction": meta.facts.exposure_type.data["dispersion_axis"],
            "wcsinfo.specsys": "TOPOCENT" if velocity is None else "BARYCENT",
        }
        for axis, size in zip("xy", shape[::-1], strict=True):
            changes[f"slit.{axis}start"] = meta[f"subarray.{axis}start"]
            changes[f"slit.{axis}size"] = size
        if mode.dithered:
            changes |= dithered_place(meta)
        kept = {item.name: getattr(image, item.name) for item in fields(Image)}
        return Slit(
            **kept | {"wcs": wcs, "meta": meta.set(changes)},
            wavelength=within_box(wcs, shape)[2].astype(np.float32),
        )


def dithered_place(meta: Meta) -> dict[str, float]:
    """Return where on the sky the dither has put the target; nothing if the header does not say."""
    names = "dither.x_offset", "dither.y_offset", "wcsinfo.v3yangle", "wcsinfo.vparity"
    told = [meta.get(name) for name in names]
    if None in told:
        return {}
    x, y, angle, parity = (float(value) for value in told)
    pointing = pointing_of(meta)
    v2, v3 = ideal_offset(x, y, angle_deg=angle, parity=int(parity))
    ra, dec = to_sky(pointing, np.array(pointing.v2_arcsec + v2), np.array(pointing.v3_arcsec + v3))
    return {"dither.dithered_ra": float(ra), "dither.dithered_dec": float(dec)}
