"""The keywords of a raw exposure, as the archive writes them.

Names and places follow the JWST keyword dictionary; values follow from the visit.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from calcore.simulate.exposure_times import (
    SECONDS,
    ExposureTimes,
    iso,
    position_km,
    velocity_km_s,
)
from calcore.simulate.geometry import Geometry
from calcore.simulate.readout import Plan

Keyword = tuple[str, str | int | float | bool, str]


@dataclass(frozen=True, kw_only=True)
class VisitFacts:
    """What all exposures of a visit share.

    Attributes
    ----------
    program, observation, visit
        Numbers of the visit.
    instrument
        Value of INSTRUME.
    exposure_type, template
        Values of EXP_TYPE and TEMPLATE.
    target_name, target_ra_deg, target_dec_deg
        What was asked for.
    n_dithers, dither_type
        Points of the dither pattern, and its name (NUMDTHPT, PATTTYPE).
    time_series
        Value of TSOVISIT.
    keywords
        Further keywords of the primary header, such as the grating's.
    activity
        Number of the activity among those of the visit.
    background
        Value of BKGDTARG.
    velocity_m_s
        Value of VELOSYS [m/s].
    """

    program: int
    observation: int
    visit: int
    instrument: str
    exposure_type: str
    template: str
    target_name: str
    target_ra_deg: float
    target_dec_deg: float
    n_dithers: int
    dither_type: str
    time_series: bool = False
    keywords: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    activity: int = 1
    background: bool = False
    velocity_m_s: float = 0.0

    @property
    def visit_id(self) -> str:
        """Value of VISIT_ID."""
        return f"{self.program:05d}{self.observation:03d}{self.visit:03d}"


@dataclass(frozen=True, kw_only=True, eq=False)
class ExposureFacts:
    """What one exposure of one detector has of its own.

    Attributes
    ----------
    visit
        Its visit.
    number
        Number of the exposure, from 1; also that of the dither position.
    geometry
        Detector, sub-array, filter and pointing.
    plan
        Its groups and integrations.
    start_mjd
        When it starts [MJD, UTC].
    offset_arcsec
        Dither offset (XOFFSET, YOFFSET) [arcsec].
    outputs
        Value of NOUTPUTS.
    has_zero_frame
        Value of ZEROFRAM.
    segment, segments
        Number of the file among those of the exposure, from 1, and how many there are (EXSEGNUM,
        EXSEGTOT); 0 where the exposure is one file.
    segment_ints
        Integrations in a segment; the last may have fewer.
    """

    visit: VisitFacts
    number: int
    geometry: Geometry
    plan: Plan
    start_mjd: float
    offset_arcsec: tuple[float, float]
    outputs: int
    has_zero_frame: bool
    segment: int = 0
    segments: int = 0
    segment_ints: int = 0

    @property
    def root(self) -> str:
        """Start of all file names of the exposure, without suffix."""
        detector = self.geometry.detector.name.lower()
        segment = f"-seg{self.segment:03d}" if self.segment else ""
        activity = f"021{self.visit.activity:02d}"
        return f"jw{self.visit.visit_id}_{activity}_{self.number:05d}{segment}_{detector}"

    @property
    def integrations(self) -> range:
        """The integrations in this file, counted from 0."""
        if not self.segment:
            return range(self.plan.n_ints)
        first = (self.segment - 1) * self.segment_ints
        return range(first, min(first + self.segment_ints, self.plan.n_ints))

    @property
    def times(self) -> ExposureTimes:
        """Its times."""
        return ExposureTimes(
            start_mjd=self.start_mjd,
            plan=self.plan,
            ra_deg=self.visit.target_ra_deg,
            dec_deg=self.visit.target_dec_deg,
        )


def primary_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    """Yield the keywords of the primary header, in the archive's order."""
    yield from _file_keywords(facts)
    yield from _program_keywords(facts)
    yield from _instrument_keywords(facts)
    yield from _exposure_keywords(facts)
    yield from _pointing_keywords(facts)


def _file_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    times = facts.times
    yield "DATE", iso(times.end_mjd + 1 / 24), "UTC date file created"
    yield "ORIGIN", "STSCI", "Organization responsible for creating file"
    yield "TIMESYS", "UTC", "Principal time system"
    yield "TIMEUNIT", "s", "Default unit applicable to all time values"
    yield "FILENAME", f"{facts.root}_uncal.fits", "Name of file"
    yield "FILETYPE", "UNCALIBRATED", "Type of data in the file"
    yield "SDP_VER", "SIMULATED", "Data processing software version"
    yield "PRD_VER", "SIMULATED", "Project reference database version"
    yield "OSS_VER", "SIMULATED", "Observatory operations software version"
    yield "DATAMODL", "Level1bModel", "Type of data model"
    yield "TELESCOP", "JWST", "Telescope used to acquire the data"
    yield "HGA_MOVE", False, "High gain antenna moved during data collection"
    yield "COMPRESS", False, "Onboard data compression was used"


def _program_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    visit, times = facts.visit, facts.times
    begin = iso(times.start_mjd)
    yield "TITLE", "Simulated visit", "Proposal title"
    yield "PI_NAME", "UNKNOWN", "Principal investigator name"
    yield "CATEGORY", "CAL", "Program category"
    yield "SUBCAT", "NONE", "Program sub-category"
    yield "SCICAT", "Calibration", "Science category assigned during TAC process"
    yield "CONT_ID", 0, "Continuation of previous program"
    yield "DATE-OBS", begin[:10], "[yyyy-mm-dd] UTC date at start of exposure"
    yield "TIME-OBS", begin[11:], "[hh:mm:ss.sss] UTC time at start of exposure"
    yield "DATE-BEG", begin, "Date-time start of exposure"
    yield "DATE-END", iso(times.end_mjd), "Date-time end of exposure"
    activity = f"{visit.activity:02d}"
    yield (
        "OBS_ID",
        f"V{visit.visit_id}P00000000021{activity}",
        "Programmatic observation identifier",
    )
    yield "VISIT_ID", visit.visit_id, "Visit identifier"
    yield "PROGRAM", f"{visit.program:05d}", "Program number"
    yield "OBSERVTN", f"{visit.observation:03d}", "Observation number"
    yield "VISIT", f"{visit.visit:03d}", "Visit number"
    yield "VISITGRP", "02", "Visit group identifier"
    yield "SEQ_ID", "1", "Parallel sequence identifier"
    yield "ACT_ID", activity, "Activity identifier"
    yield "EXPOSURE", f"{facts.number:05d}", "Exposure request number"
    yield "BKGDTARG", visit.background, "Background target"
    yield "TEMPLATE", visit.template, "Observation template used"
    yield "OBSLABEL", "SIMULATION", "Proposer label for the observation"
    yield "VISITYPE", "PRIME_TARGETED_FIXED", "Visit type"
    yield "VSTSTART", begin, "UTC visit start time"
    yield "VISITSTA", "SUCCESSFUL", "Status of a visit"
    yield "NEXPOSUR", visit.n_dithers, "Total number of exposures in visit"
    yield "INTARGET", False, "At least one exposure in visit is internal"
    yield "TSOVISIT", visit.time_series, "Time Series Observation visit indicator"
    yield "CROWDFLD", False, "Guide stars in a crowded field"
    yield "TARGPROP", visit.target_name, "Proposer's name for the target"
    yield "TARGNAME", visit.target_name, "Standard astronomical catalog name for target"
    yield "TARGTYPE", "FIXED", "Type of target"
    yield "TARG_RA", visit.target_ra_deg, "[deg] Target RA at mid time of exposure"
    yield "TARGURA", 0.1, "[arcsec] Target RA uncertainty at mid-exposure"
    yield "TARG_DEC", visit.target_dec_deg, "[deg] Target Dec at mid time of exposure"
    yield "TARGUDEC", 0.1, "[arcsec] Target Dec uncertainty"
    yield "MU_RA", 0.0, "[arcsec/yr] Target RA proper motion"
    yield "MU_DEC", 0.0, "[arcsec/yr] Target Dec proper motion"
    yield "MU_EPOCH", "2000-01-01T00:00:00.000", "Target proper motion epoch"
    yield "PROP_RA", visit.target_ra_deg, "[deg] Proposer's target RA"
    yield "PROP_DEC", visit.target_dec_deg, "[deg] Proposer's target Dec"


def _instrument_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    detector, chosen = facts.geometry.detector, facts.geometry.filter
    yield "INSTRUME", facts.visit.instrument, "Instrument used to acquire the data"
    yield "DETECTOR", detector.name, "Name of detector used to acquire the data"
    if detector.module:
        yield "MODULE", detector.module, "Instrument module"
    if detector.channel:
        yield "CHANNEL", detector.channel, "Instrument channel"
    if chosen.header_value:
        yield "FILTER", chosen.header_value, "Name of the filter element used"
    if chosen.pupil:
        yield "PUPIL", chosen.pupil, "Name of the pupil element used"
    if "LAMP" not in facts.visit.keywords:
        yield "LAMP", "NONE", "Internal lamp state"
    for name, value in facts.visit.keywords.items():
        yield name, value, "As the mode has it"


def _exposure_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    plan, times, subarray = facts.plan, facts.times, facts.geometry.subarray
    detector, pattern = facts.geometry.detector, facts.plan.pattern
    exposure_time_s = plan.n_ints * plan.integration_time_s
    measured_s = plan.n_ints * (plan.n_groups - 1) * plan.group_time_s
    yield "EXPCOUNT", facts.number, "Running count of exposures in visit"
    yield "EXPRIPAR", "PRIME", "Prime or parallel exposure"
    yield "EXP_TYPE", facts.visit.exposure_type, "Type of data in the exposure"
    yield "EXPSTART", times.start_mjd, "[d] UTC exposure start time"
    yield "EXPMID", times.mid_mjd, "[d] UTC exposure mid time"
    yield "EXPEND", times.end_mjd, "[d] UTC exposure end time"
    yield "READPATT", pattern.name, "Readout pattern"
    yield "NINTS", plan.n_ints, "Number of integrations in exposure"
    if facts.segment:
        yield "EXSEGNUM", facts.segment, "Sequential number of the segment"
        yield "EXSEGTOT", facts.segments, "Total number of segments"
        yield "INTSTART", facts.integrations.start + 1, "Starting integration number of segment"
        yield "INTEND", facts.integrations.stop, "Ending integration number of segment"
    yield "NGROUPS", plan.n_groups, "Number of groups in integration"
    yield "NFRAMES", pattern.frames, "Number of frames per group"
    yield "FRMDIVSR", pattern.frames, "Divisor applied to frame-averaged groups"
    yield "GROUPGAP", pattern.skip, "Number of frames dropped between groups"
    yield "DRPFRMS1", 0, "Frames dropped prior to first integration"
    yield "DRPFRMS3", 0, "Frames dropped between integrations"
    yield "NSAMPLES", pattern.samples, "Number of A/D samples per pixel"
    yield "TSAMPLE", plan.clocking.clock_s * 1e6, "[us] Time between samples"
    yield "TFRAME", plan.frame_time_s, "[s] Time between frames"
    yield "TGROUP", plan.group_time_s, "[s] Time between groups"
    yield "EFFINTTM", plan.integration_time_s, "[s] Effective integration time"
    yield "EFFEXPTM", exposure_time_s, "[s] Effective exposure time"
    yield "TMEASURE", measured_s, "[s] Measurement time"
    yield "DURATION", plan.duration_s, "[s] Total duration of exposure"
    yield "NRSTSTRT", 1, "Number of resets at start of exposure"
    yield "NRESETS", pattern.resets, "Number of resets between integrations"
    yield "ZEROFRAM", facts.has_zero_frame, "Zero frame was downlinked separately"
    yield "DATAPROB", False, "Science telemetry indicated a problem"
    yield "NOUTPUTS", facts.outputs, "Number of detector outputs used"
    yield "SUBARRAY", subarray.name, "Subarray used"
    yield "SUBSTRT1", subarray.xstart, "Starting pixel in axis 1 direction"
    yield "SUBSTRT2", subarray.ystart, "Starting pixel in axis 2 direction"
    yield "SUBSIZE1", subarray.xsize, "Number of pixels in axis 1 direction"
    yield "SUBSIZE2", subarray.ysize, "Number of pixels in axis 2 direction"
    yield "FASTAXIS", detector.fast_axis, "Fast readout axis direction"
    yield "SLOWAXIS", detector.slow_axis, "Slow readout axis direction"
    yield "PATTTYPE", facts.visit.dither_type, "Primary dither pattern type"
    yield "PRIDTPTS", facts.visit.n_dithers, "Number of points in primary dither pattern"
    yield "PATT_NUM", facts.number, "Position number within dither pattern"
    yield "NUMDTHPT", facts.visit.n_dithers, "Total number of points in pattern"
    yield "PATTSTRT", 1, "Starting point in pattern"
    yield "SUBPXPTS", 1, "Number of points in subpixel dither pattern"
    yield "XOFFSET", facts.offset_arcsec[0], "[arcsec] x offset from pattern starting position"
    yield "YOFFSET", facts.offset_arcsec[1], "[arcsec] y offset from pattern starting position"


def _pointing_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    times, pointing = facts.times, facts.geometry.exposure_pointing
    delay = times.delay_s
    yield "APERNAME", facts.geometry.subarray.aperture, "PRD science aperture used"
    yield "PPS_APER", facts.geometry.subarray.aperture, "Original aperture name in PPS"
    yield "PCS_MODE", "FINEGUIDE", "Pointing Control System mode"
    yield "ENGQLPTG", "CALCULATED", "Quality of pointing information"
    yield "BARTDELT", delay, "[s] Barycentric time correction"
    yield "BSTRTIME", times.barycentric(times.start_mjd), "[d] Barycentric exposure start time"
    yield "BENDTIME", times.barycentric(times.end_mjd), "[d] Barycentric exposure end time"
    yield "BMIDTIME", times.barycentric(times.mid_mjd), "[d] Barycentric exposure mid time"
    yield "HELIDELT", delay, "[s] Heliocentric time correction"
    yield "HSTRTIME", times.start_mjd + delay / SECONDS, "[d] Heliocentric exposure start time"
    yield "HENDTIME", times.end_mjd + delay / SECONDS, "[d] Heliocentric exposure end time"
    yield "HMIDTIME", times.mid_mjd + delay / SECONDS, "[d] Heliocentric exposure mid time"
    yield "VA_RA", pointing.ra_ref_deg, "[deg] Velocity aberrated reference RA"
    yield "VA_DEC", pointing.dec_ref_deg, "[deg] Velocity aberrated reference Dec"


def science_keywords(facts: ExposureFacts) -> Iterator[Keyword]:
    """Yield the keywords of the SCI extension."""
    times, plan = facts.times, facts.plan
    yield "BUNIT", "DN", "Physical units of the data array"
    yield "RADESYS", "ICRS", "Name of the coordinate reference frame"
    yield "MJD-BEG", times.start_mjd, "[d] UTC exposure start time"
    yield "MJD-AVG", times.mid_mjd, "[d] UTC exposure mid time"
    yield "MJD-END", times.end_mjd, "[d] UTC exposure end time"
    yield "TDB-BEG", times.barycentric(times.start_mjd), "[d] TDB exposure start time"
    yield "TDB-MID", times.barycentric(times.mid_mjd), "[d] TDB exposure mid time"
    yield "TDB-END", times.barycentric(times.end_mjd), "[d] TDB exposure end time"
    yield "XPOSURE", plan.n_ints * plan.integration_time_s, "[s] Effective exposure time"
    yield "TELAPSE", plan.duration_s, "[s] Total elapsed exposure time"
    yield "REFFRAME", "EME2000", "Ephemeris coordinate system"
    yield "EPH_TYPE", "Predicted", "Ephemeris type"
    yield "EPH_TIME", times.mid_mjd, "[d] UTC time from ephemeris start"
    for axis, place, speed in zip(
        "XYZ", position_km(times.mid_mjd), velocity_km_s(times.mid_mjd), strict=True
    ):
        yield f"JWST_{axis}", float(place), f"[km] Spatial {axis} coordinate of JWST"
        yield f"JWST_D{axis}", float(speed), f"[km/s] {axis} component of JWST velocity"
    yield from world_keywords(facts.geometry, facts.visit.velocity_m_s)


def world_keywords(geometry: Geometry, velocity_m_s: float) -> Iterator[Keyword]:
    """Yield pointing, footprint and the tangent-plane approximation of the sky coordinates."""
    subarray, pointing = geometry.subarray, geometry.exposure_pointing
    words = {
        "RA_V1": "[deg] RA of telescope V1 axis",
        "DEC_V1": "[deg] Dec of telescope V1 axis",
        "PA_V3": "[deg] Position angle of telescope V3 axis",
        "PA_APER": "[deg] Position angle of aperture used",
        "V2_REF": "[arcsec] Telescope v2 coordinate of the reference point",
        "V3_REF": "[arcsec] Telescope v3 coordinate of the reference point",
        "VPARITY": "Relative sense of rotation between Ideal xy and V2V3",
        "V3I_YANG": "[deg] Angle from V3 axis to Ideal y axis",
        "RA_REF": "[deg] Right ascension of the reference point",
        "DEC_REF": "[deg] Declination of the reference point",
        "ROLL_REF": "[deg] V3 roll angle at the reference point",
        "VA_SCALE": "Velocity aberration scale factor",
    }
    values = dict(pointing.keywords(subarray.v_idl_parity, subarray.v3_idl_y_angle_deg))
    for name, comment in words.items():
        yield name, values[name], comment
    yield "VELOSYS", velocity_m_s, "[m/s] Barycentric correction to radial velocity"
    yield "WCSAXES", 2, "Number of World Coordinate System axes"
    for name, value in _tangent_plane(geometry).items():
        yield name, value, "Tangent-plane approximation"
    yield "S_REGION", footprint(geometry), "Spatial extent"


def _tangent_plane(geometry: Geometry) -> Mapping[str, str | float]:
    """Return the linear coordinates about the reference pixel; its derivatives are differences."""
    x, y = geometry.subarray.x_ref, geometry.subarray.y_ref
    ra, dec = geometry.to_sky(np.array([x, x + 1, x - 1, x, x]), np.array([y, y, y, y + 1, y - 1]))
    east = (np.mod(ra - ra[0] + 180, 360) - 180) * np.cos(np.radians(dec[0]))
    north = dec - dec[0]
    matrix = np.array(
        [[east[1] - east[2], east[3] - east[4]], [north[1] - north[2], north[3] - north[4]]]
    )
    matrix /= 2
    scale = float(np.sqrt(abs(np.linalg.det(matrix))))
    names = [f"PC{i}_{j}" for i in (1, 2) for j in (1, 2)]
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRPIX1": x + 1,
        "CRPIX2": y + 1,
        "CRVAL1": float(ra[0]),
        "CRVAL2": float(dec[0]),
        "CDELT1": scale,
        "CDELT2": scale,
        **dict(zip(names, (float(value) for value in (matrix / scale).ravel()), strict=True)),
    }


def footprint(geometry: Geometry) -> str:
    """Return the outline of an exposure on the sky, as S_REGION has it."""
    ny, nx = geometry.subarray.shape
    corners_x = np.array([-0.5, nx - 0.5, nx - 0.5, -0.5])
    corners_y = np.array([-0.5, -0.5, ny - 0.5, ny - 0.5])
    ra, dec = geometry.to_sky(corners_x, corners_y)
    places = " ".join(f"{a:.9f} {d:.9f}" for a, d in zip(ra, dec, strict=True))
    return f"POLYGON ICRS  {places}"
