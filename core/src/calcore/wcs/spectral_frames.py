"""The coordinate frames of spectra: those of images with the wavelength beside each.

The names are those of the reference pipeline's products, so that either reads what the other wrote.
"""

from astropy import units as u
from astropy.coordinates import ICRS
from gwcs.coordinate_frames import (
    CelestialFrame,
    CompositeFrame,
    CoordinateFrame,
    Frame2D,
    SpectralFrame,
)


def voxels() -> CoordinateFrame:
    """Return the frame of a cube's voxels (x, y, plane), counted from 0 [pixel]."""
    return CoordinateFrame(
        naxes=3, axes_type=("SPATIAL",) * 3, axes_order=(0, 1, 2), name="detector",
        axes_names=("x", "y", "z"), unit=(u.pix,) * 3,
    )  # fmt: skip


def alpha_beta() -> CompositeFrame:
    """Return the frame of an image slicer: along and across slices [arcsec], wavelength [um]."""
    return _with_wavelength("alpha_beta", _angles("alpha_beta_spatial", ("alpha", "beta")))


def v2v3() -> CompositeFrame:
    """Return the telescope's frame: angles V2, V3 [arcsec], wavelength [um]."""
    return _with_wavelength("v2v3", _angles("v2v3_spatial", ("v2", "v3")))


def v2v3vacorr() -> CompositeFrame:
    """Return the telescope's frame without velocity aberration [arcsec, um]."""
    return _with_wavelength("v2v3vacorr", _angles("v2v3vacorr_spatial", ("v2", "v3")))


def world() -> CompositeFrame:
    """Return the sky: ICRS right ascension and declination [deg], wavelength [um]."""
    sky = CelestialFrame(
        name="icrs", axes_order=(0, 1), axes_names=("RA", "DEC"), reference_frame=ICRS(),
        unit=(u.deg, u.deg),
    )  # fmt: skip
    return _with_wavelength("world", sky)


def _angles(name: str, axes: tuple[str, str]) -> Frame2D:
    return Frame2D(name=name, axes_order=(0, 1), axes_names=axes, unit=(u.arcsec, u.arcsec))


def _with_wavelength(name: str, place: Frame2D | CelestialFrame) -> CompositeFrame:
    spectral = SpectralFrame(
        name="spectral", axes_order=(2,), axes_names=("lambda",), unit=(u.micron,)
    )
    return CompositeFrame([place, spectral], name=name)
