"""Pictures of products."""

from calcore.report.alignment import alignment_picture
from calcore.report.quicklook import is_picture, quicklook
from calcore.report.spectra import is_spectral, spectral_picture
from calcore.report.weights import weight_picture

__all__ = [
    "alignment_picture",
    "is_picture",
    "is_spectral",
    "quicklook",
    "spectral_picture",
    "weight_picture",
]
