"""Pictures of products."""

from calcore.report.alignment import alignment_figure
from calcore.report.quicklook import image_figure, is_picture
from calcore.report.saving import save_figure
from calcore.report.spectra import is_spectral, spectral_figure
from calcore.report.weights import weight_figure

__all__ = [
    "alignment_figure",
    "image_figure",
    "is_picture",
    "is_spectral",
    "save_figure",
    "spectral_figure",
    "weight_figure",
]
