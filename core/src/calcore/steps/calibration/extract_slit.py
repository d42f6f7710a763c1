"""Extract the spectrum of a slit."""

from dataclasses import dataclass

import numpy as np

from calcore.errors import DataUnusable
from calcore.kernels.slit_extraction import Sums, weighted_mean
from calcore.model.exposure import Image
from calcore.model.reference import ApertureCorrection, SlitApertures
from calcore.model.spectrum import Spectra, SpectrumSeries
from calcore.steps import _slit_apertures as on_slit
from calcore.steps._slit_pixels import pixels_of
from calcore.steps._slit_spectra import columns, described, series_of, spectrum_of
from calcore.steps.slit_boxes import BoxStep


@dataclass(frozen=True, kw_only=True)
class ExtractSlit(BoxStep):
    """Extract the spectrum of a slit, or those of each integration, wavelengths ascending.

    At each wavelength, what is in an aperture along the slit is summed, and less what regions
    beside it say of the background there. A point source's flux is corrected for what the aperture
    misses.
    """

    def apply(
        self, image: Image, *, extract1d: SlitApertures, apcorr: ApertureCorrection | None = None
    ) -> Spectra | SpectrumSeries:
        """Return the spectrum, or the spectra of a series."""
        entry = on_slit.entry_of(extract1d, image.meta)
        trace = on_slit.traced(image, entry)
        boxes = self.boxes(image, entry, trace)
        wavelength = weighted_mean(trace.wavelength, boxes.aperture)
        used = np.zeros(wavelength.size, np.bool_)
        used[boxes.rows] = np.isfinite(wavelength[boxes.rows])
        if not used.any():
            raise DataUnusable(
                "the aperture of extract_1d lies beside the slit's light; give another reference "
                "extract1d, or set extract_1d.use_source_posn to false"
            )
        wavelength = wavelength[used]
        point = image.meta.get("target.source_type") == "POINT"
        gap = self.longest_gap if self.holes == "fill" else 0
        found = []
        for pixels in pixels_of(image, trace, gap):
            sums, flags = self.sums(pixels, boxes, entry)
            sums = Sums(*(part[..., used] for part in sums))
            factor = np.ones(wavelength.size)
            if apcorr is not None and self.apply_apcorr and point:
                factor = on_slit.correction(apcorr, image.meta, wavelength, sums.area)
            own = columns(sums, image, factor)
            own["DQ"] |= flags[used]
            found.append(own)
        meta = described(image, entry, trace, boxes, used)
        if image.data.ndim == 2:
            return spectrum_of(meta, image, wavelength, found[0])
        return series_of(meta, image, wavelength, found)
