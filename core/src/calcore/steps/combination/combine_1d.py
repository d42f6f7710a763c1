"""Combine spectra of several exposures."""

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from calcore.errors import CalcoreError
from calcore.model import Group, Meta
from calcore.model.spectrum import CombinedSpectra, Spectra, Spectrum
from calcore.parameters import Doc, Range, Unit
from calcore.step import Step
from calcore.steps._combining_spectra import combined

_KEPT = ("spectral_order", "dispersion_direction", "source_id", "source_type")


@dataclass(frozen=True, kw_only=True)
class Combine1d(Step):
    """Average the spectra of a source in several exposures, each order by itself.

    Wavelengths that are nearly the same are taken as one, and the others together, as many at a
    time as there are spectra.
    """

    exptime_key: Annotated[
        Literal["exposure_time", "integration_time", "unit_weight"],
        Doc("Spectra are weighted by this time, or all alike."),
    ] = "exposure_time"
    sigma_clip: Annotated[
        float | None, Range(0), Unit("standard deviation"),
        Doc("Fluxes farther from the median at their wavelength do not count; None: all do."),
    ] = None  # fmt: skip
    places: Annotated[
        Literal["clump", "nearest"],
        Doc(
            "Each wavelength counts where it helped to say which there are, or at the nearest of "
            "these, and not at all beyond their ends."
        ),
    ] = "clump"

    def apply(self, group: Group[Spectra]) -> CombinedSpectra:
        """Return the means."""
        found: dict[tuple[Any, Any], list[tuple[Spectrum, float]]] = {}
        for member in group.members:
            weight = self.weight(member.meta)
            for spectrum in member.spectra:
                key = tuple(spectrum.meta.get(f"spectrum.{name}") for name in _KEPT[::2])
                found.setdefault((key[0] or 1, key[1]), []).append((spectrum, weight))
        meta = group.members[0].meta
        made = []
        for pairs in found.values():
            spectra, weights = zip(*pairs, strict=True)
            first = spectra[0].meta
            told = {f"combined.{name}": first.get(f"spectrum.{name}") for name in _KEPT}
            made.append(
                combined(
                    spectra, weights, meta.set(told), places=self.places, sigma=self.sigma_clip
                )
            )
        return CombinedSpectra(meta=meta, spectra=tuple(made))

    def weight(self, meta: Meta) -> float:
        """Return what a spectrum counts.

        Raises
        ------
        CalcoreError
            Its time is not told, or none.
        """
        if self.exptime_key == "unit_weight":
            return 1.0
        time = meta.get(f"exposure.{self.exptime_key}")
        if time is None or not float(time) > 0:
            raise CalcoreError(
                f"{meta.get('filename', 'a spectrum')} was exposed for {time} s; correct "
                f"exposure.{self.exptime_key}, or set combine_1d.exptime_key to unit_weight"
            )
        return float(time)
