"""The visits of the measurement of truth: simulated, and calibrated by calcore and by jwst.

Everything is kept below a folder and made only once: a visit by its name, products by program.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_exposure import ExposureTruth, read_truth

from calcore.simulate import VisitOptions, simulate
from calcore.simulate.geometry import Geometry
from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore.simulate.optics import PointSpread, point_spread
from calcore.simulate.physics import Physics
from calcore.simulate.pointing import Pointing
from calcore.simulate.readout import Plan, clocking
from calcore.simulate.scene import Background, IsolatedStars, Scene, make_scene
from calcore.simulate.sky_options import full_flux_jy

HERE = Path(__file__).parent
NOTHING: Mapping[str, Mapping[str, Any]] = MappingProxyType({})
REFERENCE_AS_OPERATIONS = {
    "nircam": ("--set", "ipc.skip=true"),
    "nirspec": ("--set", "ipc.skip=true"),
    "niriss": ("--set", "ipc.skip=true"),
    "fgs": ("--set", "ipc.skip=true"),
    "miri": ("--set", "ipc.skip=true", "--set", "emicorr.skip=false"),
}
"""What truth_jwst.py asks of the reference pipeline beyond its package's defaults."""
SERVERLESS = "https://crds-serverless-mode.stsci.edu"


@dataclass(frozen=True, kw_only=True, eq=False)
class Ladder(Background):
    """A background that climbs and falls by decades along a diagonal of the sky.

    Attributes
    ----------
    low_mjysr, high_mjysr
        Darkest and brightest places.
    period_arcsec
        From one darkest line to the next.
    """

    low_mjysr: float
    high_mjysr: float
    period_arcsec: float

    def at(self, east_arcsec: FloatArray, north_arcsec: FloatArray) -> FloatArray:
        """Return the surface brightness [MJy/sr] at offsets from the centre [arcsec]."""
        place = np.mod((east_arcsec + 0.5 * north_arcsec) / self.period_arcsec, 1.0)
        climb = 1 - np.abs(2 * place - 1)
        ratio: FloatArray = (self.high_mjysr / self.low_mjysr) ** climb
        return self.low_mjysr * ratio


@dataclass(frozen=True, kw_only=True)
class Visit:
    """A visit to simulate.

    Attributes
    ----------
    name
        Of its folder, and in reports.
    instrument
        Name of the instrument.
    options
        What to observe.
    ladder
        Electrons per second at the darkest place of a background that climbs up to nearly the
        full well; None for the sky that the options describe.
    brightest
        Signal at the end of a ramp, over the full well, at the brightest place.
    periods
        Times that the ladder climbs over the frame.
    lattice
        Distance of stars on a lattice that fills the field [pixel]; None for the sky that the
        options describe.
    hits
        Particles and the charge they leave, relative to the instrument's own.
    stage
        How far to calibrate: "1" or "all".
    saved
        Slots of stage 1 whose results are read, too.
    title
        What it is, in a few words.
    """

    name: str
    instrument: str
    title: str = ""
    options: VisitOptions = field(default_factory=VisitOptions)
    ladder: float | None = None
    brightest: float = 0.9
    periods: float = 3.0
    lattice: float | None = None
    hits: tuple[float, float] = (1.0, 1.0)
    stage: str = "1"
    saved: tuple[str, ...] = ("jump",)


@dataclass(frozen=True)
class Irradiated(SimulatedInstrument):
    """An instrument that more or weaker particles hit."""

    flux: float = 1.0
    charge: float = 1.0

    def physics(self, detector: str) -> Physics:
        """Return what a detector is made of and what hits it."""
        physics = super().physics(detector)
        radiation = replace(
            physics.radiation,
            particles_cm2_s=physics.radiation.particles_cm2_s * self.flux,
            electrons_micron=physics.radiation.electrons_micron * self.charge,
        )
        return replace(physics, radiation=radiation)


@dataclass(frozen=True, kw_only=True)
class Observed:
    """A visit that was simulated.

    Attributes
    ----------
    visit, folder
        What, and where the raw files are.
    """

    visit: Visit
    folder: Path

    @property
    def raw(self) -> list[Path]:
        """Raw exposures."""
        return sorted(self.folder.glob("*_uncal.fits"))

    @property
    def environment(self) -> dict[str, str]:
        """Variables by which CRDS finds the references."""
        return {
            "CRDS_PATH": str(self.folder / "crds_cache"),
            "CRDS_SERVER_URL": SERVERLESS,
            "CRDS_OBSERVATORY": "jwst",
            "CRDS_READONLY_CACHE": "1",
            "STPIPE_DISABLE_CRDS_STEPPARS": "True",
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
        }

    def truths(self) -> list[ExposureTruth]:
        """Return the truth of each exposure."""
        effects = self.visit.options.effects
        result = []
        for raw in self.raw:
            detector = raw.name.split("_")[3].upper()
            pixels = instrument_of(self.visit).physics(detector).pixels
            coupling = (pixels.coupling, pixels.coupling_diagonal)
            result.append(read_truth(raw, coupling if effects.coupling else (0.0, 0.0)))
        return result


def instrument_of(visit: Visit) -> Irradiated:
    """Return the instrument of a visit."""
    own = import_module(f"calcore_{visit.instrument}.simulate").SIMULATION
    known = {one.name: getattr(own, one.name) for one in fields(own)}
    flux, charge = visit.hits
    return Irradiated(**known, flux=flux, charge=charge)


def observe(visit: Visit, work: Path) -> Observed:
    """Simulate a visit, unless that was done."""
    folder = work / visit.name
    done = folder / "done"
    if not done.exists():
        instrument = instrument_of(visit)
        options = visit.options
        if visit.ladder is not None:
            options = replace(options, scene=ladder_scene(visit, instrument))
        if visit.lattice is not None:
            options = replace(options, scene=lattice_scene(visit, instrument))
        simulate(instrument, folder, options)
        done.touch()
    return Observed(visit=visit, folder=folder)


def geometry_of(visit: Visit) -> Geometry:
    """Return what the first detector sees at the first dither point, had it the target centred."""
    options, instrument = visit.options, instrument_of(visit)
    mode = instrument.mode(options.mode, options.size)
    detector = instrument.detector((options.detectors or mode["detectors"])[0])
    subarray = detector.subarray(options.subarray or mode["subarray"])
    names = options.filters or [mode["filters"][detector.channel]]
    target = options.target
    pointing = Pointing(
        ra_ref_deg=target.ra_deg % 360,
        dec_ref_deg=target.dec_deg,
        roll_ref_deg=target.roll_deg % 360,
        v2_ref_arcsec=subarray.v2_ref_arcsec,
        v3_ref_arcsec=subarray.v3_ref_arcsec,
        va_scale=target.va_scale,
    )
    band = instrument.filter(names[0])
    return Geometry(detector=detector, subarray=subarray, pointing=pointing, filter=band)


def lattice_scene(visit: Visit, instrument: SimulatedInstrument) -> Scene:
    """Return a sky of single stars, some five magnitudes from brightest to faintest."""
    geometry = geometry_of(visit)
    assert visit.lattice is not None
    ny, nx = geometry.subarray.shape
    margin = 0.5 * nx
    rng = np.random.default_rng([visit.options.seed, 77])
    rows, columns = (np.arange(-margin, n + margin, visit.lattice) for n in (ny, nx))
    y, x = (axis.ravel() for axis in np.meshgrid(rows, columns, indexing="ij"))
    ra, dec = geometry.to_sky(x + rng.uniform(-2, 2, x.size), y + rng.uniform(-2, 2, y.size))
    spread = spread_of(visit, geometry)
    physics = instrument.physics(geometry.detector.name)
    seconds = integration_time_s(visit.options, instrument)
    full = full_flux_jy(geometry, spread, physics, seconds)
    target = visit.options.target
    level = visit.options.sky.background * geometry.filter.background_mjysr
    return make_scene(
        seed=visit.options.seed,
        ra_deg=target.ra_deg % 360,
        dec_deg=target.dec_deg,
        radius_arcsec=1.0,
        background=Background(level_mjysr=level),
        isolated=IsolatedStars(
            ra_deg=ra, dec_deg=dec, flux_jy=full * 0.7 * 100 ** -rng.random(x.size)
        ),
    )


def spread_of(visit: Visit, geometry: Geometry) -> PointSpread:
    """Return what a star looks like in a visit."""
    return point_spread(geometry.detector, geometry.filter, seed=visit.options.detector_seed)


def ladder_scene(visit: Visit, instrument: SimulatedInstrument) -> Scene:
    """Return a sky without sources whose background reaches all flux decades."""
    options, geometry = visit.options, geometry_of(visit)
    detector, subarray, band = geometry.detector, geometry.subarray, geometry.filter
    physics = instrument.physics(detector.name)
    per_mjysr = physics.pixels.gain / band.photmjsr
    seconds = integration_time_s(options, instrument)
    linear = physics.pixels.full_scale_dn * (1 + sum(physics.pixels.nonlinearity))
    high = visit.brightest * linear * physics.pixels.gain / seconds / per_mjysr
    assert visit.ladder is not None
    width = float(np.degrees(np.sqrt(detector.pixel_area_sr)) * 3600) * subarray.xsize
    target = options.target
    return make_scene(
        seed=options.seed,
        ra_deg=target.ra_deg % 360,
        dec_deg=target.dec_deg,
        radius_arcsec=10.0,
        background=Ladder(
            level_mjysr=high,
            gradient_mjysr_arcmin=(high, high),
            low_mjysr=visit.ladder / per_mjysr,
            high_mjysr=high,
            period_arcsec=width / visit.periods,
        ),
    )


def integration_time_s(options: VisitOptions, instrument: SimulatedInstrument) -> float:
    """Return the time from reset to last read [s]."""
    mode = instrument.mode(options.mode, options.size)
    detector = instrument.detector((options.detectors or mode["detectors"])[0])
    subarray = detector.subarray(options.subarray or mode["subarray"])
    pattern = instrument.pattern(options.pattern or mode["pattern"])
    clocks = clocking(instrument.table["readout"], detector, subarray, slow=pattern.samples > 1)
    groups = options.n_groups or int(mode["n_groups"])
    return Plan(pattern=pattern, clocking=clocks, n_ints=1, n_groups=groups).integration_time_s


def calibrate(
    observed: Observed,
    program: str,
    stage: str | None = None,
    *,
    name: str = "",
    parameters: Mapping[str, Mapping[str, Any]] = NOTHING,
) -> Path:
    """Calibrate a visit with a program, unless that was done; return the folder of products.

    Parameters
    ----------
    observed
        What to calibrate.
    program
        A profile of calcore, or "jwst".
    stage
        "1" or "all"; the visit's own by default.
    name
        Of the folder; the program's by default.
    parameters
        Values by step and parameter, beyond those that the program has.
    """
    stage = stage or observed.visit.stage
    output = observed.folder / (name or program)
    done = output / f"done_{stage}"
    if done.exists():
        return output
    output.mkdir(exist_ok=True)
    if program == "jwst":
        wished = json.dumps({step: dict(values) for step, values in parameters.items()})
        command = [jwst_python(), HERE / "truth_jwst.py", observed.folder, output, stage, wished]
    else:
        command = [sys.executable, "-m", "calcore.cli", "run", observed.folder, "-o", output,
                   "--stage", stage, "--profile", program, "--overwrite", "-q"]  # fmt: skip
        for slot in observed.visit.saved:
            command += ["--save", slot]
        for step, values in parameters.items():
            for parameter, value in values.items():
                command += ["--set", f"{step}.{parameter}={value}"]
        if program == "reference":
            command += REFERENCE_AS_OPERATIONS.get(observed.visit.instrument, ())
    with (output / "log.txt").open("w") as log:
        finished = subprocess.run(
            [str(word) for word in command], env={**os.environ, **observed.environment},
            stdout=log, stderr=subprocess.STDOUT, check=False,
        )  # fmt: skip
    if finished.returncode:
        tail = (output / "log.txt").read_text()[-3000:]
        raise RuntimeError(f"{program} failed on {observed.visit.name}:\n{tail}")
    done.touch()
    return output


def jwst_python() -> Path | None:
    """Return the interpreter that has the reference pipeline, if there is one."""
    named = os.environ.get("CALCORE_JWST_PYTHON")
    path = Path(named) if named else HERE.parent / ".venv-jwst" / "bin" / "python"
    return path if path.exists() else None
