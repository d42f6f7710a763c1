"""Times of an exposure as headers have them, and the light's travel time to the barycentre."""

from dataclasses import dataclass

import numpy as np
from astropy.time import Time
from numpy.typing import NDArray

from calcore.simulate.readout import Plan

SECONDS = 86400.0
ASTRONOMICAL_UNIT_KM = 1.495978707e8
LIGHT_SECONDS_PER_UNIT = 499.004784
ORBIT_UNITS = 1.01
"""The telescope is near L2, a hundredth farther from the Sun than the Earth."""
OBLIQUITY_RAD = np.radians(23.4392911)
TDB_MINUS_UTC_S = 69.184
DAYS_PER_ORBIT_RADIAN = 365.25 / (2 * np.pi)


def position_km(mjd: float) -> NDArray[np.float64]:
    """Return the telescope's place from the Sun, equatorial axes [km]; a circular orbit.

    Mean longitude of the Sun: Astronomical Almanac, low-precision formulae.
    """
    longitude = np.radians(280.460 + 0.9856474 * (mjd - 51544.5)) + np.pi
    x, y = np.cos(longitude), np.sin(longitude)
    place = np.array([x, y * np.cos(OBLIQUITY_RAD), y * np.sin(OBLIQUITY_RAD)])
    return place * ORBIT_UNITS * ASTRONOMICAL_UNIT_KM


def velocity_km_s(mjd: float) -> NDArray[np.float64]:
    """Return the telescope's velocity [km/s]."""
    return (position_km(mjd + 0.5) - position_km(mjd - 0.5)) / SECONDS


def barycentric_delay_s(mjd: float, ra_deg: float, dec_deg: float) -> float:
    """Return how much later light arrives at the barycentre than at the telescope [s]."""
    ra, dec = np.radians(ra_deg), np.radians(dec_deg)
    towards = np.array([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
    return float(position_km(mjd) @ towards / ASTRONOMICAL_UNIT_KM * LIGHT_SECONDS_PER_UNIT)


def iso(mjd: float) -> str:
    """Return an instant as ``2026-02-03T04:05:06.789`` (UTC)."""
    return str(Time(mjd, format="mjd", scale="utc").isot)


@dataclass(frozen=True, kw_only=True)
class ExposureTimes:
    """When an exposure was taken.

    Attributes
    ----------
    start_mjd
        Its start [MJD, UTC].
    plan
        Its integrations and groups.
    ra_deg, dec_deg
        Where it looks, for the light's travel time.
    """

    start_mjd: float
    plan: Plan
    ra_deg: float
    dec_deg: float

    @property
    def end_mjd(self) -> float:
        """End of the last read [MJD]."""
        return self.integration(self.plan.n_ints - 1)[2]

    @property
    def mid_mjd(self) -> float:
        """Middle between start and end [MJD]."""
        return (self.start_mjd + self.end_mjd) / 2

    @property
    def delay_s(self) -> float:
        """Light travel time to the barycentre at mid-exposure [s]."""
        return barycentric_delay_s(self.mid_mjd, self.ra_deg, self.dec_deg)

    def barycentric(self, mjd: float) -> float:
        """Return an instant of arrival at the barycentre [MJD, TDB]."""
        delay = barycentric_delay_s(mjd, self.ra_deg, self.dec_deg)
        return mjd + (delay + TDB_MINUS_UTC_S) / SECONDS

    def integration(self, number: int) -> tuple[float, float, float]:
        """Return start, middle and end of an integration, counted from 0 [MJD, UTC]."""
        start = self.start_mjd + number * self.plan.integration_period_s / SECONDS
        end = start + self.plan.integration_time_s / SECONDS
        return start, (start + end) / 2, end

    def group_end(self, integration: int, group: int) -> float:
        """Return the end of a group's last frame; both are counted from 0 [MJD, UTC]."""
        frames = group * (self.plan.pattern.frames + self.plan.pattern.skip)
        seconds = (frames + self.plan.pattern.frames) * self.plan.frame_time_s
        return self.integration(integration)[0] + seconds / SECONDS

    def integration_table(self, integrations: range) -> NDArray[np.void]:
        """Return the table of the INT_TIMES extension, one row an integration, counted from 0."""
        names = [
            "int_start_MJD_UTC",
            "int_mid_MJD_UTC",
            "int_end_MJD_UTC",
            "int_start_BJD_TDB",
            "int_mid_BJD_TDB",
            "int_end_BJD_TDB",
        ]
        table = np.zeros(
            len(integrations), [("integration_number", "i4"), *((name, "f8") for name in names)]
        )
        for row, number in enumerate(integrations):
            instants = self.integration(number)
            barycentric = tuple(self.barycentric(instant) for instant in instants)
            table[row] = (number + 1, *instants, *barycentric)
        return table

    def group_table(self, columns: int, rows: int, integrations: range) -> NDArray[np.void]:
        """Return the table of the GROUP extension, one row a group of each integration."""
        table = np.zeros(
            len(integrations) * self.plan.n_groups,
            [
                ("integration_number", "i4"),
                ("group_number", "i2"),
                ("end_day", "i2"),
                ("end_milliseconds", "i4"),
                ("end_submilliseconds", "i2"),
                ("group_end_time", "S26"),
                ("number_of_columns", "i2"),
                ("number_of_rows", "i2"),
                ("number_of_gaps", "i2"),
                ("completion_code_number", "i2"),
                ("completion_code_text", "S36"),
                ("bary_end_time", "f8"),
                ("helio_end_time", "f8"),
            ],
        )
        row = 0
        for integration in integrations:
            for group in range(self.plan.n_groups):
                end = self.group_end(integration, group)
                day = int(end)
                milliseconds = (end - day) * SECONDS * 1000
                table[row] = (
                    integration + 1,
                    group + 1,
                    day - 51544,
                    int(milliseconds),
                    int(milliseconds % 1 * 1000),
                    iso(end).encode(),
                    columns,
                    rows,
                    0,
                    0,
                    b"COMPLETE",
                    self.barycentric(end),
                    self.barycentric(end),
                )
                row += 1
        return table
