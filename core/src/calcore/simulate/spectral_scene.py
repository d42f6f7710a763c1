"""A patch of sky with a spectrum in every direction: points, rotating clouds, and a background."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from calcore.simulate.spectra import Line, Spectrum


@dataclass(frozen=True, kw_only=True)
class Point:
    """A source without extent; position ICRS [deg]."""

    ra_deg: float
    dec_deg: float
    spectrum: Spectrum


@dataclass(frozen=True, kw_only=True)
class Cloud:
    """A round cloud of Gaussian brightness that turns as a solid body.

    Attributes
    ----------
    ra_deg, dec_deg
        Its middle, ICRS [deg].
    spectrum
        Of all its light.
    fwhm_arcsec
        Full width at half maximum [arcsec].
    gradient_km_s_arcsec
        Recession grows by this along the axis of steepest velocity [km/s per arcsec].
    position_angle_deg
        That axis' angle, east of north [deg].
    """

    ra_deg: float
    dec_deg: float
    spectrum: Spectrum
    fwhm_arcsec: float
    gradient_km_s_arcsec: float = 0.0
    position_angle_deg: float = 0.0


@dataclass(frozen=True, kw_only=True)
class SpectralScene:
    """What a spectrometer looks at.

    Attributes
    ----------
    ra_deg, dec_deg
        Its middle, ICRS [deg].
    points, clouds
        Its sources.
    background
        Surface brightness everywhere, of which a "Jy" is a MJy/sr; it has no lines.
    """

    ra_deg: float
    dec_deg: float
    background: Spectrum
    points: Sequence[Point] = ()
    clouds: Sequence[Cloud] = ()

    def emptied(self) -> "SpectralScene":
        """Return the background alone."""
        return replace(self, points=(), clouds=())

    @property
    def sources(self) -> tuple[Point | Cloud, ...]:
        """Points, then clouds."""
        return (*self.points, *self.clouds)

    @property
    def kind(self) -> str:
        """How its sources are to be measured: POINT, EXTENDED, or UNKNOWN if there are none."""
        if self.clouds:
            return "EXTENDED"
        return "POINT" if self.points else "UNKNOWN"


def write_spectral_scene(folder: Path, scene: SpectralScene, notes: Mapping[str, Any]) -> Path:
    """Write a scene, and notes of what else is known, as ``scene.json``."""
    path = folder / "scene.json"
    content = {**asdict(scene), "notes": dict(notes)}
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read_spectral_scene(path: Path) -> SpectralScene:
    """Read a scene that was written by a simulation."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("notes", None)
    sources = {
        name: tuple(
            kind(**{**row, "spectrum": _spectrum(row["spectrum"])}) for row in content[name]
        )
        for name, kind in (("points", Point), ("clouds", Cloud))
    }
    return SpectralScene(**{**content, **sources, "background": _spectrum(content["background"])})


def _spectrum(row: Mapping[str, Any]) -> Spectrum:
    return Spectrum(**{**row, "lines": tuple(Line(**line) for line in row["lines"])})
