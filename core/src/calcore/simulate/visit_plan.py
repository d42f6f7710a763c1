"""What a visit is to take, and with what: all that is settled before the first photon."""

import math
from dataclasses import replace

from calcore.errors import BadParameter, UnknownName
from calcore.simulate.detector import Ramps
from calcore.simulate.detector_maps import DetectorMaps, detector_maps
from calcore.simulate.exposure_times import SECONDS, ExposureTimes
from calcore.simulate.geometry import Geometry
from calcore.simulate.headers import ExposureFacts
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.interleaving import InterleavedFrame
from calcore.simulate.physics import Physics
from calcore.simulate.pointing import Pointing
from calcore.simulate.readout import Clocking, Plan, clocking
from calcore.simulate.reference_io import Setup
from calcore.simulate.spectrograph import Spectrograph
from calcore.simulate.striped import StripedReadout
from calcore.simulate.tables import Detector, Filter, Subarray
from calcore.simulate.takes import Take, takes_of, target_of, visit_facts
from calcore.simulate.visit_options import VisitOptions

OVERHEAD_S = 120.0
"""Time between exposures [s]."""


class VisitPlan:
    """An instrument's and a user's choices, put together."""

    def __init__(self, instrument: SimulatedInstrument, options: VisitOptions) -> None:
        """Put choices together.

        Raises
        ------
        UnknownName
            One is not there.
        BadParameter
            They do not fit together.
        """
        self.instrument, self.options = instrument, options
        mode = instrument.mode(options.mode, options.size)
        self.mode = mode
        names = options.detectors or mode["detectors"]
        self.detectors = [instrument.detector(name) for name in names]
        self.bands = self._bands()
        self.subarray = options.subarray or mode["subarray"]
        for detector in self.detectors:
            detector.subarray(self.subarray)
        self.pattern = instrument.pattern(options.pattern or mode["pattern"])
        self.n_groups = options.n_groups or int(mode["n_groups"])
        self.n_ints = options.n_ints or int(mode["n_ints"])
        self.segment_ints = min(options.segment_ints or self.n_ints, self.n_ints)
        if self.segment_ints < 1:
            raise BadParameter(f"a segment needs at least one integration, not {self.segment_ints}")
        self.gain_factor = instrument.gain_factor(self.subarray)
        self.takes = takes_of(instrument.name, mode, options)
        self.spectrographs = self._spectrographs()
        self.source_type = ""

    def _bands(self) -> dict[str, Filter]:
        """Return the filter of each detector, by the detector's channel."""
        wanted = [self.instrument.filter(name) for name in self.options.filters or ()]
        bands = {channel: self.instrument.filter(f) for channel, f in self.mode["filters"].items()}
        bands |= {band.channel: band for band in wanted}
        for detector in self.detectors:
            if detector.channel not in bands:
                raise UnknownName(f"filter for {detector.name}", detector.channel, bands)
        return bands

    def _spectrographs(self) -> dict[str, Spectrograph]:
        """Return the spectrograph of each band; nothing where there is none."""
        name = self.mode.get("spectrograph")
        if name is None or name not in self.instrument.spectrographs:
            return {}
        make, geometry = self.instrument.spectrographs[name], self.options.geometry
        return {take.band: make(take.band, geometry) for take in self.takes}

    @property
    def velocity_km_s(self) -> float:
        """The telescope's velocity away from the target."""
        own = self.options.target.velocity_km_s
        return float(self.mode.get("velocity_km_s", 0.0)) if own is None else own

    def pointing(self, take: Take | None = None) -> Pointing:
        """Return the attitude of an exposure, or of the first dither point.

        There the target is in the middle of the apertures.
        """
        target, take = self.options.target, take or self.takes[0]
        offset = take.offset
        if self.spectrographs:  # whose dithers follow their aperture
            offset = self.read(self.detectors[0]).ideal_to_v2v3(*offset)
        apertures = [self.read(detector) for detector in self.detectors]
        count = len(apertures)
        ra, dec = target_of(take, self.mode, target)
        first = Pointing(
            ra_ref_deg=ra,
            dec_ref_deg=dec,
            roll_ref_deg=target.roll_deg % 360,
            v2_ref_arcsec=sum(aperture.v2_ref_arcsec for aperture in apertures) / count,
            v3_ref_arcsec=sum(aperture.v3_ref_arcsec for aperture in apertures) / count,
            va_scale=target.va_scale,
        )
        return first.dithered(*offset) if any(offset) else first

    def geometry(self, detector: Detector, take: Take | None = None) -> Geometry:
        """Return what a detector sees in an exposure, or at the first dither point."""
        return Geometry(
            detector=detector,
            subarray=self.read(detector),
            pointing=self.pointing(take),
            filter=self.bands[detector.channel],
        )

    def read(self, detector: Detector) -> Subarray:
        """Return the sub-array that is read."""
        return replace(detector.subarray(self.subarray), **self.mode.get("aperture", {}))

    def striped(self, detector: Detector) -> StripedReadout | None:
        """Return how the sub-array is read in stripes; None where it is read in one piece."""
        return StripedReadout.of(self.instrument.table["readout"], detector, self.read(detector))

    def seen(self, detector: Detector) -> Subarray:
        """Return the sub-array that light falls on, all lines of it."""
        return striped.seen if (striped := self.striped(detector)) else self.read(detector)

    def clocks(self, detector: Detector) -> Clocking:
        """Return the clocks of a frame."""
        what = self.instrument.table["readout"], detector, self.read(detector)
        return clocking(*what, self.pattern.samples > 1, interleaved=self.pattern.interleaved)

    def frame(self, detector: Detector, physics: Physics) -> InterleavedFrame | None:
        """Return what frames hold besides the detector's pixels; None where that is nothing."""
        known, options = (detector, physics, self.clocks(detector)), self.options
        return InterleavedFrame.of(*known, options.effects, options.detector_seed)

    def plan(self, detector: Detector) -> Plan:
        """Return the times of an exposure."""
        return Plan(
            pattern=self.pattern,
            clocking=self.clocks(detector),
            n_ints=self.n_ints * self.positions(detector),
            n_groups=self.n_groups,
        )

    def positions(self, detector: Detector) -> int:
        """Return how many integrations in a file are one of the whole sub-array."""
        return striped.stripes.positions if (striped := self.striped(detector)) else 1

    def maps(self, detector: Detector, physics: Physics) -> DetectorMaps:
        """Return the true properties of a detector."""
        readout = self.instrument.table["readout"]
        return detector_maps(
            detector, physics, seed=self.options.detector_seed,
            outputs=int(readout["subarray"]["FULL"]["outputs"]),
            interleaved=bool(readout.get("interleaved", False)),
        )  # fmt: skip

    def segments(self, whole: ExposureFacts) -> list[ExposureFacts]:
        """Return the files of an exposure."""
        count = math.ceil(self.n_ints / self.segment_ints)
        size = self.segment_ints * self.positions(whole.geometry.detector)
        if count == 1:
            return [whole]
        return [
            replace(whole, segment=k, segments=count, segment_ints=size)
            for k in range(1, count + 1)
        ]

    def setup(self, detector: Detector, maps: DetectorMaps, physics: Physics, take: Take) -> Setup:
        """Return what the references of a detector are made from."""
        return Setup(
            instrument=self.instrument.name,
            use_after=self.instrument.table["reference_time"],
            exposure_type=self.mode["exposure_type"],
            detector=detector,
            subarray=self.read(detector),
            striped=self.striped(detector),
            interleaved=self.frame(detector, physics),
            filter=self.bands[detector.channel],
            plan=replace(self.plan(detector), n_ints=1),
            outputs=self._outputs(detector, physics),
            maps=maps,
            physics=physics,
            effects=self.options.effects,
            quality=self.options.quality,
            seed=self.options.detector_seed,
            gain_factor=self.gain_factor,
            keywords={**self.mode.get("keywords", {}), **take.keywords},
        )

    def _keywords(self, detector: Detector) -> dict[str, str | int | float | bool]:
        """Return the mode's own keywords, and what depends on the detector."""
        own = self.mode.get("detector_keywords", {}).get(detector.name, {})
        more = dict(striped.keywords) if (striped := self.striped(detector)) else {}
        if self.pattern.interleaved:
            more |= self.instrument.table["readout"]["jump_keywords"]
        return {**self.mode.get("keywords", {}), **own, **more}

    def _outputs(self, detector: Detector, physics: Physics) -> int:
        """Return the value of NOUTPUTS: amplifiers and the reference output."""
        reference = physics.electronics.reference_output_dn > 0 or self.pattern.interleaved
        return self.clocks(detector).outputs + reference

    def _source(self, take: Take) -> dict[str, str]:
        """Return what was said of the target when a spectrograph's exposure was asked for."""
        if not self.source_type:
            return {}
        return {"SRCTYAPT": "EXTENDED" if take.background else self.source_type}

    def start_mjd(self, detector: Detector, take: Take) -> float:
        """Return when an exposure starts [MJD, UTC]."""
        gap_s = self.plan(detector).duration_s + OVERHEAD_S
        return self.options.start_mjd + take.place * gap_s / SECONDS

    def mid_mjd(self, detector: Detector, take: Take) -> float:
        """Return the middle of an exposure [MJD, UTC]."""
        start, target = self.start_mjd(detector, take), self.options.target
        times = ExposureTimes(
            start_mjd=start, plan=self.plan(detector), ra_deg=target.ra_deg, dec_deg=target.dec_deg
        )
        return times.mid_mjd

    def facts(
        self,
        detector: Detector,
        take: Take,
        physics: Physics,
        ramps: Ramps,
    ) -> ExposureFacts:
        """Return what an exposure's headers say."""
        options, plan = self.options, self.plan(detector)
        visit = visit_facts(
            self.instrument.name, self.mode, options, take,
            n_dithers=sum((t.background, t.band) == (take.background, take.band) for t in self.takes),
            keywords={**self._keywords(detector), **self._source(take)}, velocity_m_s=1000 * self.velocity_km_s,
        )  # fmt: skip
        zero_frame = bool(self.instrument.table["readout"].get("zero_frame", False))
        return ExposureFacts(
            visit=visit,
            number=take.number,
            geometry=self.geometry(detector, take),
            plan=plan,
            start_mjd=self.start_mjd(detector, take),
            offset_arcsec=take.offset,
            outputs=self._outputs(detector, physics),
            has_zero_frame=zero_frame and ramps.zero_frame is not None,
        )
