"""A whole visit: dithered exposures, their reference files, associations, and the truth."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

from calcore.errors import BadParameter, OutputProblem
from calcore.simulate.association_files import write_association, write_spectral_associations
from calcore.simulate.detector import Camera
from calcore.simulate.detector_maps import switched
from calcore.simulate.exposure_times import iso
from calcore.simulate.headers import ExposureFacts
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.optics import point_spread
from calcore.simulate.raw_files import write_raw
from calcore.simulate.readout import read_order
from calcore.simulate.reference_cache import ReferenceCache, environment
from calcore.simulate.references import make_references
from calcore.simulate.render import SkyImage, render
from calcore.simulate.scene import Scene
from calcore.simulate.sky_options import draw_sky, full_flux_jy, smooth_sky
from calcore.simulate.spectral_scene import SpectralScene, write_spectral_scene
from calcore.simulate.spectrograph import SpectralImage
from calcore.simulate.streams import stream
from calcore.simulate.tables import Detector
from calcore.simulate.takes import Take
from calcore.simulate.traps import Traps
from calcore.simulate.truth_files import write_detector_truth, write_exposure_truth, write_scene
from calcore.simulate.visit_options import SimulatedVisit, VisitOptions
from calcore.simulate.visit_plan import OVERHEAD_S, VisitPlan

Progress = Callable[[str], None]
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


class _Visit(VisitPlan):
    """A visit while it is being simulated."""

    def __init__(
        self,
        instrument: SimulatedInstrument,
        output: Path,
        options: VisitOptions,
        progress: Progress | None,
    ) -> None:
        super().__init__(instrument, options)
        self.tell = progress or (lambda _: None)
        self.output = output
        self.truth = output / TRUTH if options.truth else None
        try:
            output.mkdir(parents=True, exist_ok=True)
            if self.truth is not None:
                self.truth.mkdir(exist_ok=True)
        except OSError as error:
            raise OutputProblem(output, f"the folder cannot be made: {error}") from error

    def run(self) -> SimulatedVisit:
        """Simulate detector by detector, so that one detector's maps are held at a time."""
        options = self.options
        scene = options.scene or self._draw_scene()
        if isinstance(scene, SpectralScene) != bool(self.spectrographs):
            kind = "a SpectralScene" if self.spectrographs else "a Scene"
            raise BadParameter(
                f"mode {options.mode} looks at {kind}, not at a {type(scene).__name__}"
            )
        if isinstance(scene, SpectralScene):
            self.source_type = scene.kind
        self._write_scene(scene)
        folder = self.output / CACHE
        cache = ReferenceCache(folder, self.instrument.name) if options.references else None
        raw, exposures = [], []
        for detector in self.detectors:
            for facts, path in self._expose(detector, scene, cache):
                exposures.append(facts)
                raw.append(path)
        if cache is not None:
            unused = self.instrument.table["not_applicable"]["types"]
            types = {*unused, *self.instrument.references(self.mode)}
            cache.write(types - {entry.type for entry in cache.entries})
        self.instrument.companions(self.mode, self.output)
        when = iso(options.start_mjd)[:19].replace("-", "").replace(":", "").lower()
        return SimulatedVisit(
            raw=tuple(raw),
            associations=tuple(self._associate(exposures, when)),
            cache=folder if cache is not None else None,
            environment=environment(folder) if cache is not None else {},
            truth=self.truth,
        )

    def _write_scene(self, scene: Scene | SpectralScene) -> None:
        """Write what there is to see."""
        if self.truth is None:
            return
        if isinstance(scene, Scene):
            write_scene(self.truth, scene)
            return
        notes = dict(next(iter(self.spectrographs.values())).notes)
        write_spectral_scene(self.truth, scene, notes | {"velocity_km_s": self.velocity_km_s})

    def _associate(self, exposures: list[ExposureFacts], when: str) -> list[Path]:
        """Write the associations."""
        if self.spectrographs:
            return write_spectral_associations(self.output, exposures, when, self.mode)
        if not self.mode.get("association", True):  # there is no image to combine them to
            return []
        return [
            write_association(self.output, members, when)
            for band in dict.fromkeys(facts.geometry.filter.name for facts in exposures)
            if (members := [facts for facts in exposures if facts.geometry.filter.name == band])
        ]

    def _draw_scene(self) -> Scene | SpectralScene:
        """Draw the sky; fluxes are relative to the first detector's full well."""
        self.tell("sky")
        options, first = self.options, self.detectors[0]
        if self.spectrographs:
            seen = next(iter(self.spectrographs.values()))
            return seen.scene(options.source, options.sky, options.target)
        places = [(each, self.geometry(each)) for each in self.detectors]
        geometries = [replace(place, subarray=self.seen(each)) for each, place in places]
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
            reach_arcsec=max(max(map(abs, take.offset)) for take in self.takes) * 1.5,
            background_mjysr=self.bands[first.channel].background_mjysr, seed=options.seed,
        )  # fmt: skip

    def _expose(
        self, detector: Detector, scene: Scene | SpectralScene, cache: ReferenceCache | None
    ) -> Iterator[tuple[ExposureFacts, Path]]:
        """Take all exposures of a detector, and make its references."""
        options = self.options
        usual = self.instrument.physics(detector.name)
        physics = usual.at_gain(self.gain_factor)
        maps = self.maps(detector, physics)
        if self.truth is not None:
            true_maps = switched(maps, physics, options.effects)
            write_detector_truth(
                self.truth, detector.name, true_maps.at_gain(1 / self.gain_factor), usual
            )
        for take in {take.band: take for take in self.takes}.values():
            if cache is None:
                break
            make_references(
                self.instrument,
                self.setup(detector, maps, physics, take),
                self.instrument.references(self.mode),
                cache,
                lambda type_: self.tell(f"{detector.name} {type_}"),
                operations=options.operations,
                optics=self.mode.get("optics", not self.mode.get("dispersed", False)),
                spectrograph=self.spectrographs.get(take.band),
            )
        striped = self.striped(detector)
        cut = maps.cut(self.seen(detector).window)
        del maps
        traps = Traps(physics.persistence, cut.shape) if options.effects.persistence else None
        if traps is not None and striped is not None:
            raise BadParameter(f"persistence of {self.subarray}, read in stripes, is not simulated")
        for take in self.takes:
            number = take.place + 1
            self.tell(f"{detector.name} exposure {number} of {len(self.takes)}")
            sky = self._image(scene, detector, take, usual.pixels.gain)
            camera = Camera(
                maps=cut,
                physics=physics,
                effects=options.effects,
                plan=self.plan(detector),
                order=read_order(self.clocks(detector), detector, self.read(detector)),
                frame_pixels=detector.nx * detector.ny,
                random=lambda *words, n=number: stream(options.seed, detector.name, n, *words),
                traps=traps,
                interleaved=self.frame(detector, physics),
            )
            rate = self.instrument.shaded(self.subarray, sky.rate)
            ramps = striped.expose(camera, rate) if striped else camera.expose(rate)
            if traps is not None:
                traps.rest(OVERHEAD_S)
            whole = self.facts(detector, take, physics, ramps)
            for facts in self.segments(whole):
                here = facts.integrations
                part = ramps.integrations(here.start, here.stop)
                path = write_raw(part, facts, self.output)
                if self.truth is not None:
                    known = switched(cut, physics, options.effects).at_gain(1 / self.gain_factor)
                    seen: SkyImage | SpectralImage = sky
                    if striped and isinstance(sky, SkyImage):
                        seen, part, known = striped.truth(sky, part, known)
                    write_exposure_truth(
                        self.truth, facts, seen, part, known, usual, options.effects,
                        striped.neighbours if striped else None,
                    )  # fmt: skip
                yield facts, path

    def _image(
        self, scene: Scene | SpectralScene, detector: Detector, take: Take, gain: float
    ) -> SkyImage | SpectralImage:
        """Return the light that an exposure gets."""
        options = self.options
        if isinstance(scene, SpectralScene):
            return self.spectrographs[take.band].image(
                scene, self.geometry(detector, take), mid_mjd=self.mid_mjd(detector, take),
                velocity_km_s=self.velocity_km_s, gain=gain,
                effects=options.effects,
            )  # fmt: skip
        band = self.bands[detector.channel]
        return render(
            scene, detector=detector, subarray=self.seen(detector), band=band,
            pointing=self.pointing(take), gain=gain,
            spread=point_spread(detector, band, seed=options.detector_seed),
        )  # fmt: skip
