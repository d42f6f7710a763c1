"""A whole visit: dithered exposures, their reference files, an association, and the truth."""

import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from calcore.errors import BadParameter, OutputProblem, UnknownName
from calcore.simulate.association_files import write_association
from calcore.simulate.detector import Camera, Ramps
from calcore.simulate.detector_maps import DetectorMaps, detector_maps, switched
from calcore.simulate.exposure_times import SECONDS, iso
from calcore.simulate.geometry import Geometry
from calcore.simulate.headers import ExposureFacts, VisitFacts
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.interleaving import InterleavedFrame
from calcore.simulate.optics import point_spread
from calcore.simulate.physics import Physics
from calcore.simulate.pointing import Pointing
from calcore.simulate.raw_files import write_raw
from calcore.simulate.readout import Clocking, Plan, clocking, read_order
from calcore.simulate.reference_cache import ReferenceCache, environment
from calcore.simulate.reference_io import Setup
from calcore.simulate.references import make_references
from calcore.simulate.render import render
from calcore.simulate.scene import Scene
from calcore.simulate.sky_options import draw_sky, full_flux_jy, smooth_sky
from calcore.simulate.streams import stream
from calcore.simulate.striped import StripedReadout
from calcore.simulate.tables import Detector, Filter, Subarray
from calcore.simulate.traps import Traps
from calcore.simulate.truth_files import write_detector_truth, write_exposure_truth, write_scene
from calcore.simulate.visit_options import SimulatedVisit, VisitOptions

Progress = Callable[[str], None]
OVERHEAD_S = 120.0
"""Time between exposures [s]."""
CACHE, TRUTH = "crds_cache", "truth"


def simulate(
    instrument: SimulatedInstrument,
    output: Path | str,
    options: VisitOptions | None = None,
    progress: Progress | None = None,
) -> SimulatedVisit:
    """Simulate a visit and write all its files.

    Parameters
    ----------
    instrument
        From the instrument's package.
    output
        Folder; it is made if need be. Files of an earlier simulation in it are replaced, except
        reference files that still serve.
    options
        What to observe.
    progress
        Told what is being done, in a few words.

    Returns
    -------
    SimulatedVisit
        Paths of what was written. The same options give the same bytes.

    Raises
    ------
    UnknownName
        The instrument has no such mode, detector, filter, sub-array or pattern.
    BadParameter
        The choices do not fit together.
    OutputProblem
        The folder cannot be made.
    """
    return _Visit(instrument, Path(output), options or VisitOptions(), progress).run()


class _Visit:
    """A visit while it is being simulated."""

    def __init__(
        self,
        instrument: SimulatedInstrument,
        output: Path,
        options: VisitOptions,
        progress: Progress | None,
    ) -> None:
        self.instrument, self.options = instrument, options
        self.tell = progress or (lambda _: None)
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
        self.n_dithers = options.n_dithers or int(mode["n_dithers"])
        if self.n_dithers > len(mode["dithers"]):
            raise BadParameter(
                f"{instrument.name} has {len(mode['dithers'])} dither positions; "
                f"{self.n_dithers} were asked for"
            )
        self.offsets = [(float(a), float(b)) for a, b in mode["dithers"][: self.n_dithers]]
        self.output = output
        self.truth = output / TRUTH if options.truth else None
        try:
            output.mkdir(parents=True, exist_ok=True)
            if self.truth is not None:
                self.truth.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputProblem(output, f"the folder cannot be made: {error}") from error

    def _bands(self) -> dict[str, Filter]:
        """Return the filter of each detector, by the detector's channel."""
        wanted = [self.instrument.filter(name) for name in self.options.filters or ()]
        bands = {channel: self.instrument.filter(f) for channel, f in self.mode["filters"].items()}
        bands |= {band.channel: band for band in wanted}
        for detector in self.detectors:
            if detector.channel not in bands:
                raise UnknownName(f"filter for {detector.name}", detector.channel, bands)
        return bands

    def run(self) -> SimulatedVisit:
        """Simulate detector by detector, so that one detector's maps are held at a time."""
        options = self.options
        scene = options.scene or self._draw_scene()
        if self.truth is not None:
            write_scene(self.truth, scene)
        folder = self.output / CACHE
        cache = ReferenceCache(folder, self.instrument.name) if options.references else None
        raw, exposures = [], []
        for detector in self.detectors:
            for facts, path in self._expose(detector, scene, cache):
                exposures.append(facts)
                raw.append(path)
        if cache is not None:
            table = self.instrument.table
            types = {*table["not_applicable"]["types"], *table["references"]}
            cache.write(types - {entry.type for entry in cache.entries})
        self.instrument.companions(self.mode, self.output)
        when = iso(options.start_mjd)[:19].replace("-", "").replace(":", "").lower()
        if not self.mode.get("association", True):  # there is no image to combine them to
            exposures.clear()
        associations = [
            write_association(self.output, members, when)
            for band in dict.fromkeys(facts.geometry.filter.name for facts in exposures)
            if (members := [facts for facts in exposures if facts.geometry.filter.name == band])
        ]
        return SimulatedVisit(
            raw=tuple(raw),
            associations=tuple(associations),
            cache=folder if cache is not None else None,
            environment=environment(folder) if cache is not None else {},
            truth=self.truth,
        )

    def pointing(self, offset: tuple[float, float]) -> Pointing:
        """Return the attitude at a dither point: the target is in the middle of the apertures."""
        target = self.options.target
        apertures = [detector.subarray(self.subarray) for detector in self.detectors]
        count = len(apertures)
        first = Pointing(
            ra_ref_deg=target.ra_deg % 360,
            dec_ref_deg=target.dec_deg,
            roll_ref_deg=target.roll_deg % 360,
            v2_ref_arcsec=sum(aperture.v2_ref_arcsec for aperture in apertures) / count,
            v3_ref_arcsec=sum(aperture.v3_ref_arcsec for aperture in apertures) / count,
            va_scale=target.va_scale,
        )
        return first.dithered(*offset) if any(offset) else first

    def geometry(self, detector: Detector, offset: tuple[float, float]) -> Geometry:
        """Return what a detector sees at a dither point."""
        return Geometry(
            detector=detector,
            subarray=self._read(detector),
            pointing=self.pointing(offset),
            filter=self.bands[detector.channel],
        )

    def _read(self, detector: Detector) -> Subarray:
        """Return the sub-array that is read."""
        return detector.subarray(self.subarray)

    def striped(self, detector: Detector) -> StripedReadout | None:
        """Return how the sub-array is read in stripes; None where it is read in one piece."""
        return StripedReadout.of(self.instrument.table["readout"], detector, self._read(detector))

    def _seen(self, detector: Detector) -> Subarray:
        """Return the sub-array that light falls on, all lines of it."""
        return striped.seen if (striped := self.striped(detector)) else self._read(detector)

    def clocks(self, detector: Detector) -> Clocking:
        """Return the clocks of a frame."""
        what = self.instrument.table["readout"], detector, self._read(detector)
        return clocking(*what, self.pattern.samples > 1, interleaved=self.pattern.interleaved)

    def _frame(self, detector: Detector, physics: Physics) -> InterleavedFrame | None:
        """Return what frames hold besides the detector's pixels; None where that is nothing."""
        known, options = (detector, physics, self.clocks(detector)), self.options
        return InterleavedFrame.of(*known, options.effects, options.detector_seed)

    def plan(self, detector: Detector) -> Plan:
        """Return the times of an exposure."""
        return Plan(
            pattern=self.pattern,
            clocking=self.clocks(detector),
            n_ints=self.n_ints * self._positions(detector),
            n_groups=self.n_groups,
        )

    def _positions(self, detector: Detector) -> int:
        """Return how many integrations in a file are one of the whole sub-array."""
        return striped.stripes.positions if (striped := self.striped(detector)) else 1

    def _draw_scene(self) -> Scene:
        """Draw the sky; fluxes are relative to the first detector's full well."""
        self.tell("sky")
        options, first = self.options, self.detectors[0]
        places = [(each, self.geometry(each, (0.0, 0.0))) for each in self.detectors]
        geometries = [replace(place, subarray=self._seen(each)) for each, place in places]
        if self.mode.get("dispersed", False):
            return smooth_sky(
                options.sky, geometries[0], centre=options.target,
                physics=self.instrument.physics(first.name),
                seconds=self.plan(first).integration_time_s,
            )  # fmt: skip
        spread = point_spread(first, self.bands[first.channel], seed=options.detector_seed)
        plan = self.plan(first)
        physics = self.instrument.physics(first.name)
        return draw_sky(
            options.sky, geometries, centre=options.target,
            full_jy=full_flux_jy(geometries[0], spread, physics, plan.integration_time_s),
            reach_arcsec=max(max(abs(a), abs(b)) for a, b in self.offsets) * 1.5,
            background_mjysr=self.bands[first.channel].background_mjysr, seed=options.seed,
        )  # fmt: skip

    def _maps(self, detector: Detector, physics: Physics) -> DetectorMaps:
        """Return the true properties of a detector."""
        readout = self.instrument.table["readout"]
        return detector_maps(
            detector, physics, seed=self.options.detector_seed,
            outputs=int(readout["subarray"]["FULL"]["outputs"]),
            interleaved=bool(readout.get("interleaved", False)),
        )  # fmt: skip

    def _expose(
        self, detector: Detector, scene: Scene, cache: ReferenceCache | None
    ) -> Iterator[tuple[ExposureFacts, Path]]:
        """Take all exposures of a detector, and make its references."""
        options = self.options
        usual = self.instrument.physics(detector.name)
        physics = usual.at_gain(self.gain_factor)
        maps = self._maps(detector, physics)
        band = self.bands[detector.channel]
        spread = point_spread(detector, band, seed=options.detector_seed)
        if self.truth is not None:
            true_maps = switched(maps, physics, options.effects)
            write_detector_truth(
                self.truth, detector.name, true_maps.at_gain(1 / self.gain_factor), usual
            )
        if cache is not None:
            make_references(
                self.instrument,
                self._setup(detector, maps, physics),
                cache,
                lambda type_: self.tell(f"{detector.name} {type_}"),
                operations=options.operations,
                optics=self.mode.get("optics", not self.mode.get("dispersed", False)),
            )
        striped = self.striped(detector)
        cut = maps.cut(self._seen(detector).window)
        del maps
        traps = Traps(physics.persistence, cut.shape) if options.effects.persistence else None
        if traps is not None and striped is not None:
            raise BadParameter(f"persistence of {self.subarray}, read in stripes, is not simulated")
        for number, offset in enumerate(self.offsets, start=1):
            self.tell(f"{detector.name} exposure {number} of {self.n_dithers}")
            sky = render(
                scene, detector=detector, subarray=self._seen(detector), band=band,
                pointing=self.pointing(offset), gain=usual.pixels.gain, spread=spread,
            )  # fmt: skip
            camera = Camera(
                maps=cut,
                physics=physics,
                effects=options.effects,
                plan=self.plan(detector),
                order=read_order(self.clocks(detector), detector, self._read(detector)),
                frame_pixels=detector.nx * detector.ny,
                random=lambda *words, n=number: stream(options.seed, detector.name, n, *words),
                traps=traps,
                interleaved=self._frame(detector, physics),
            )
            rate = self.instrument.shaded(self.subarray, sky.rate)
            ramps = striped.expose(camera, rate) if striped else camera.expose(rate)
            if traps is not None:
                traps.rest(OVERHEAD_S)
            whole = self._facts(detector, number, offset, physics, ramps)
            for facts in self._segments(whole):
                here = facts.integrations
                part = ramps.integrations(here.start, here.stop)
                path = write_raw(part, facts, self.output)
                if self.truth is not None:
                    known = switched(cut, physics, options.effects).at_gain(1 / self.gain_factor)
                    true = striped.truth(sky, part, known) if striped else (sky, part, known)
                    parts = striped.neighbours if striped else None
                    write_exposure_truth(self.truth, facts, *true, usual, options.effects, parts)
                yield facts, path

    def _segments(self, whole: ExposureFacts) -> list[ExposureFacts]:
        """Return the files of an exposure."""
        count = math.ceil(self.n_ints / self.segment_ints)
        size = self.segment_ints * self._positions(whole.geometry.detector)
        if count == 1:
            return [whole]
        return [
            replace(whole, segment=k, segments=count, segment_ints=size)
            for k in range(1, count + 1)
        ]

    def _setup(self, detector: Detector, maps: DetectorMaps, physics: Physics) -> Setup:
        """Return what the references of a detector are made from."""
        return Setup(
            instrument=self.instrument.name,
            use_after=self.instrument.table["reference_time"],
            exposure_type=self.mode["exposure_type"],
            detector=detector,
            subarray=self._read(detector),
            striped=self.striped(detector),
            interleaved=self._frame(detector, physics),
            filter=self.bands[detector.channel],
            plan=replace(self.plan(detector), n_ints=1),
            outputs=self._outputs(detector, physics),
            maps=maps,
            physics=physics,
            effects=self.options.effects,
            quality=self.options.quality,
            seed=self.options.detector_seed,
            gain_factor=self.gain_factor,
            keywords=self.mode.get("keywords", {}),
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

    def _facts(
        self,
        detector: Detector,
        number: int,
        offset: tuple[float, float],
        physics: Physics,
        ramps: Ramps,
    ) -> ExposureFacts:
        """Return what an exposure's headers say."""
        options, plan = self.options, self.plan(detector)
        visit = VisitFacts(
            program=options.program,
            observation=options.observation,
            visit=1,
            instrument=self.instrument.name,
            exposure_type=self.mode["exposure_type"],
            template=self.mode["template"],
            target_name=self.mode["target_name"],
            target_ra_deg=options.target.ra_deg % 360,
            target_dec_deg=options.target.dec_deg,
            n_dithers=self.n_dithers,
            dither_type=self.mode["dither_type"],
            time_series=bool(self.mode.get("time_series", False)),
            keywords=self._keywords(detector),
        )
        gap_s = plan.duration_s + OVERHEAD_S
        zero_frame = bool(self.instrument.table["readout"].get("zero_frame", False))
        return ExposureFacts(
            visit=visit,
            number=number,
            geometry=self.geometry(detector, offset),
            plan=plan,
            start_mjd=options.start_mjd + (number - 1) * gap_s / SECONDS,
            offset_arcsec=offset,
            outputs=self._outputs(detector, physics),
            has_zero_frame=zero_frame and ramps.zero_frame is not None,
        )
