"""Which exposures a visit takes, in their order, and what of the visit their headers tell."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from calcore.errors import BadParameter
from calcore.simulate.headers import VisitFacts
from calcore.simulate.sky_options import Target
from calcore.simulate.visit_options import VisitOptions

ACTIVITIES = 2
"""Activities of a visit are numbered in steps of this, as flight's with moves between are."""


@dataclass(frozen=True, kw_only=True)
class Take:
    """One exposure, by all detectors.

    Attributes
    ----------
    place
        Its place in the visit, from 0.
    number
        Its dither point, from 1.
    offset
        Offset of that [arcsec]: along V2 and V3; of spectrographs, along the axes of the aperture.
    activity
        Number of its activity, which is one of a band.
    band
        Value of BAND; empty where there is none.
    background
        Whether it looks at the sky beside the target.
    """

    place: int
    number: int
    offset: tuple[float, float]
    activity: int = 1
    band: str = ""
    background: bool = False

    @property
    def keywords(self) -> dict[str, str]:
        """Keywords that it has of its own."""
        return {"BAND": self.band} if self.band else {}


def takes_of(name: str, mode: Mapping[str, Any], options: VisitOptions) -> list[Take]:
    """Return the exposures of a visit: for each band the dithers, then those of the background.

    Raises
    ------
    BadParameter
        The mode of the instrument `name` has fewer dither points, or other bands.
    """
    dithers = mode["dithers"]
    wanted = options.n_dithers or int(mode["n_dithers"])
    if wanted > len(dithers):
        raise BadParameter(f"{name} has {len(dithers)} dither positions; {wanted} were asked for")
    offsets = [(float(a), float(b)) for a, b in dithers[:wanted]]
    known = mode.get("all_bands", [])
    bands = list(options.bands or mode.get("bands", [""]))
    if options.bands and (other := [band for band in bands if band not in known]):
        raise BadParameter(
            f"{name} has no band {', '.join(other)} in this mode; it has {', '.join(known) or 'none'}"
        )
    empty = options.n_background
    beside = [offsets[0]] * (int(mode.get("n_background", 0)) if empty is None else empty)
    if beside and "background_arcsec" not in mode:
        raise BadParameter(f"{name} takes no exposures of the background in this mode")
    takes: list[Take] = []
    for background, points in ((False, offsets), (True, beside)):
        for order, band in enumerate(bands):
            takes += [
                Take(
                    place=len(takes) + k, number=k + 1, offset=offset, band=band,
                    background=background, activity=1 + ACTIVITIES * order,
                )
                for k, offset in enumerate(points)
            ]  # fmt: skip
    return takes


def target_of(take: Take, mode: Mapping[str, Any], target: Target) -> tuple[float, float]:
    """Return where an exposure looks [deg]."""
    east, north = mode["background_arcsec"] if take.background else (0.0, 0.0)
    ra = target.ra_deg + east / 3600 / np.cos(np.radians(target.dec_deg))
    return float(ra) % 360, target.dec_deg + north / 3600


def visit_facts(
    name: str,
    mode: Mapping[str, Any],
    options: VisitOptions,
    take: Take,
    n_dithers: int,
    keywords: Mapping[str, str | int | float | bool],
    velocity_m_s: float,
) -> VisitFacts:
    """Return what headers say of the visit of an exposure; the background has a visit of its own."""
    ra, dec = target_of(take, mode, options.target)
    beside = " BACKGROUND" if take.background else ""
    return VisitFacts(
        program=options.program,
        observation=options.observation + take.background,
        visit=1,
        instrument=name,
        exposure_type=mode["exposure_type"],
        template=mode["template"],
        target_name=mode["target_name"] + beside,
        target_ra_deg=ra,
        target_dec_deg=dec,
        n_dithers=n_dithers,
        dither_type=mode["dither_type"],
        time_series=bool(mode.get("time_series", False)),
        keywords={**keywords, **take.keywords},
        activity=take.activity,
        background=take.background,
        velocity_m_s=velocity_m_s,
    )
