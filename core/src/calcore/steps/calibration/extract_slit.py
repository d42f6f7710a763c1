"""Extract the spectrum of a slit."""

import warnings
from dataclasses import dataclass

import numpy as np

from calcore.citing import Work
from calcore.errors import DataUnusable, Doubtful
from calcore.kernels.slit_extraction import Sums, weighted_mean
from calcore.model.exposure import Image
from calcore.model.meta import Meta
from calcore.model.reference import ApertureCorrection, SlitApertures, SlitProfile
from calcore.model.spectrum import Spectra, SpectrumSeries
from calcore.steps import _slit_apertures as on_slit
from calcore.steps._slit_pixels import pixels_of
from calcore.steps._slit_spectra import columns, described, fit_columns, series_of, spectrum_of
from calcore.steps.slit_profiles import ProfileStep


@dataclass(frozen=True, kw_only=True)
class ExtractSlit(ProfileStep):
    """Extract the spectrum of a slit, or those of each integration, wavelengths ascending.

    At each wavelength, what is in an aperture along the slit is summed, and less what regions
    beside it say of the background there. A point source's flux is corrected for what the aperture
    misses. Or its profile is fitted, which tells all of its flux with less noise.
    """

    cites = (Work("Horne 1986, PASP 98, 609", extraction_type="optimal"),)

    def wanted(self, meta: Meta) -> frozenset[str]:
        """Return the references: a profile is needed only for a fit of it."""
        types = super().wanted(meta)
        return types if self.extraction_type == "optimal" else types - {SlitProfile.type}

    def apply(
        self, image: Image, *, extract1d: SlitApertures, apcorr: ApertureCorrection | None = None,
        psf: SlitProfile | None = None,
    ) -> Spectra | SpectrumSeries:  # fmt: skip
        """Return the spectrum, or the spectra of a series."""
        entry = on_slit.entry_of(extract1d, image.meta)
        trace = on_slit.traced(image, entry)
        boxes = self.boxes(image, entry, trace)
        shares = boxes.aperture
        if self.extraction_type == "optimal":
            sources = self.sources(image, trace, boxes, psf)
            (shares,) = sources.profiles(0.0, both=False)
        wavelength = weighted_mean(trace.wavelength, shares)
        used = np.zeros(wavelength.size, np.bool_)
        used[boxes.rows] = np.isfinite(wavelength[boxes.rows])
        if not used.any():
            raise DataUnusable(
                "the aperture of extract_1d lies beside the slit's light, or its profile is of other "
                "wavelengths; give another reference extract1d, or psf, or set "
                "extract_1d.use_source_posn to false"
            )
        wavelength = wavelength[used]
        point = image.meta.get("target.source_type") == "POINT"
        found, optimal = [], self.extraction_type == "optimal"
        for pixels in pixels_of(image, trace, 0 if optimal else self.gap):
            if optimal:
                found.append(fit_columns(self.fit(pixels, boxes, entry, sources), image, used))
                continue
            sums, flags = self.sums(pixels, boxes, entry)
            sums = Sums(*(part[..., used] for part in sums))
            factor = np.ones(wavelength.size)
            if apcorr is not None and self.apply_apcorr and point:
                factor = on_slit.correction(apcorr, image.meta, wavelength, sums.area)
            own = columns(sums, image, factor)
            own["DQ"] |= flags[used]
            found.append(own)
        if not any(np.isfinite(own["FLUX"]).any() for own in found):
            said = "no pixel of the aperture of extract_1d, or of its background, is usable"
            warnings.warn(
                f"{said}: the spectrum is NaN; look at the exposure", Doubtful, stacklevel=3
            )
        meta = described(image, entry, trace, boxes, used)
        if image.data.ndim == 2:
            return spectrum_of(meta, image, wavelength, found[0])
        return series_of(meta, image, wavelength, found)
