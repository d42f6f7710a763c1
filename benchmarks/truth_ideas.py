"""Rows before and after: what single ideas of the default profile do for visits that show it.

    python -m benchmarks.truth_ideas [--work DIR]

prints a table of a figure without and with each idea, both in profile `default`; so has docs/accuracy.md.
"""

import argparse
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from os import environ
from pathlib import Path

import numpy as np
from astropy.io import fits
from benchmarks.truth_banding import banding
from benchmarks.truth_score import lines_of
from benchmarks.truth_visits import Observed, Visit, observe
from scipy.ndimage import maximum_filter

from calcore.simulate import VisitOptions
from calcore.simulate.physics import Effects
from calcore.simulate.sky_options import SkyOptions

WORK = Path(__file__).parents[1] / ".cache" / "truth"
FAINTEST = 0.01
EFFECTS = Effects()


@dataclass(frozen=True, kw_only=True)
class Idea:
    """A setting of the default profile that is switched off for comparison.

    Attributes
    ----------
    name, figure
        What it is, and what is measured.
    visit
        What is calibrated.
    without, given
        Arguments of the run without it, and of the run with it.
    measure
        Returns the figure of a folder of products.
    """

    name: str
    figure: str
    visit: Visit
    measure: Callable[[Observed, Path], float]
    without: tuple[str, ...] = ()
    given: tuple[str, ...] = ()


def of_rates(observed: Observed, products: Path) -> float:
    """Return the banding of rates."""
    return _banding(observed, products, "rate")


def of_integrations(observed: Observed, products: Path) -> float:
    """Return the banding of single integrations."""
    return _banding(observed, products, "integrations")


def of_narrow_bins(observed: Observed, products: Path) -> float:
    """Return the rms of relative errors in narrow bins of bright fluxes [1e-6]."""
    found = []
    for truth in observed.truths():
        true = truth.true_rate(corrected=False)
        with fits.open(products / f"{truth.root}_rate.fits") as file:
            rate, flags = np.asarray(file["SCI"].data, np.float64), file["DQ"].data
        good = truth.active & (flags & 1 == 0) & np.isfinite(rate)
        for low in np.arange(100.0, 300.0, 20.0 / 3):
            here = good & (true >= low) & (true < low + 20.0 / 3)
            found.append(np.median(rate[here] / true[here] - 1))
    return float(np.std(found)) * 1e6


def of_peaks(observed: Observed, products: Path) -> float:
    """Return how much too faint the peaks are that fill 60 to 95 % of the well, median [%]."""
    found = []
    for truth in observed.truths():
        true, share = truth.true_rate(corrected=False), truth.signal_share()
        with fits.open(products / f"{truth.root}_rate.fits") as file:
            rate, flags = np.asarray(file["SCI"].data, np.float64), file["DQ"].data
        peak = truth.active & (true == maximum_filter(true, 5)) & (share > 0.6) & (share < 0.95)
        here = peak & (flags & 1 == 0) & np.isfinite(rate)
        found.append(rate[here] / true[here] - 1)
    return 100 * float(np.median(np.concatenate(found)))


def _banding(observed: Observed, products: Path, name: str) -> float:
    lines = lines_of(observed.visit)
    bands = [banding(products, truth, lines) for truth in observed.truths()]
    return float(np.sqrt(np.mean([getattr(band, name) ** 2 for band in bands])))


def _visit(name: str, instrument: str, *, ladder: float | None = None, lattice: float | None = None,
           effects: Effects = EFFECTS, **options: object) -> Visit:  # fmt: skip
    chosen = replace(VisitOptions(n_dithers=1, effects=effects), **options)  # type: ignore[arg-type]
    return Visit(name=f"idea_{name}", instrument=instrument, options=chosen, ladder=ladder,
                 lattice=lattice)  # fmt: skip


MEDIAN = ("--set", "refpix.refpix_algorithm=median")
LINES = ("--set", "line_noise.skip=true")
NIRCAM = _visit("nircam", "nircam", seed=8, n_groups=6, ladder=FAINTEST)
NIRISS = _visit("niriss", "niriss", seed=8, n_groups=6, ladder=FAINTEST)
NIRSPEC = _visit(
    "nirspec",
    "nirspec",
    seed=8,
    detectors=("NRS1",),
    pattern="NRSRAPID",
    n_groups=6,
    ladder=FAINTEST,
)
FEW_STARS = _visit("nirspec_sky", "nirspec", seed=8, detectors=("NRS1",), pattern="NRSRAPID", n_groups=6,
                   sky=SkyOptions(stars=20.0, galaxies=0.0, brightest=0.5, faintest=0.001, slope=0.1,
                                  grid=False))  # fmt: skip
NSCLEAN = ("--set", "clean_flicker_noise.skip=false", "--set", "clean_flicker_noise.fit_method=fft")
GRISM = _visit("grism", "nircam", mode="grism_time_series", seed=5, n_groups=5, n_ints=6,
               subarray="SUBGRISM64")  # fmt: skip
SOSS = _visit("soss", "niriss", mode="soss", seed=5, n_groups=5, n_ints=6, subarray="SUBSTRIP96")
SLITS = _visit("slits", "nirspec", mode="bright_object", seed=5, n_groups=5, n_ints=6,
               detectors=("NRS1",))  # fmt: skip
WAVY = _visit("wavy", "niriss", mode="soss", seed=7, n_groups=6, n_ints=4, subarray="SUBSTRIP96",
              effects=replace(EFFECTS, adc_nonlinearity=True))  # fmt: skip
STARS = _visit("stars", "nircam", lattice=23.0, seed=9, n_groups=10, subarray="SUB640",
               detectors=("NRCB1",), effects=replace(EFFECTS, charge_migration=True))  # fmt: skip
MIGRATION = ("--set", "charge_migration.skip=false", "--set")
PEAKS = "error of stars' peaks that fill 60 to 95 % of the well, NIRCam SUB640, 10 groups [%]"
KERNELS = "refpix: side-pixel kernels (sirs) instead of a running median"
SHARED = "line_noise: lines against the ramps that all integrations share"
IDEAS = (
    Idea(name=KERNELS, figure="banding of NIRCam's full frame, 6 groups", visit=NIRCAM,
         measure=of_rates, without=MEDIAN),
    Idea(name=KERNELS, figure="banding of NIRISS's full frame, 6 groups", visit=NIRISS,
         measure=of_rates, without=MEDIAN),
    Idea(name=KERNELS, figure="banding of NIRSpec's full frame, NRSRAPID, 6 groups", visit=NIRSPEC,
         measure=of_rates, without=MEDIAN),
    Idea(name=KERNELS, figure="banding of NIRCam's SUBGRISM64, 6 integrations of 5 groups",
         visit=GRISM, measure=of_rates, without=MEDIAN),
    Idea(name=SHARED, figure="the same, of single integrations", visit=GRISM,
         measure=of_integrations, without=LINES),
    Idea(name=SHARED, figure="banding of NIRISS's SUBSTRIP96, integrations", visit=SOSS,
         measure=of_integrations, without=LINES),
    Idea(name=SHARED, figure="banding of NIRSpec's SUB2048, integrations", visit=SLITS,
         measure=of_integrations, without=LINES),
    Idea(name="clean_flicker_noise: NSClean (not the default)", visit=FEW_STARS, measure=of_rates,
         figure="banding of NIRSpec's full frame, 6 groups, few stars", given=NSCLEAN),
    Idea(name="clean_flicker_noise: NSClean (not the default)", visit=NIRSPEC, measure=of_rates,
         figure="the same, where light falls everywhere", given=NSCLEAN),
    Idea(name="adc_nonlinearity: the converters' waves", visit=WAVY, measure=of_narrow_bins,
         figure="error of rates in narrow bins of 100 to 300 DN/s, NIRISS SUBSTRIP96 [1e-6]",
         given=("--ref", "adcinl=truth/nis_detector.fits")),
    Idea(name="charge_migration: by a threshold of 25000 DN (not the default)", figure=PEAKS,
         visit=STARS, measure=of_peaks, given=(*MIGRATION, "charge_migration.signal_threshold=25000")),
    Idea(name="charge_migration: by the curvature of ramps (not the default)", figure=PEAKS,
         visit=STARS, measure=of_peaks, given=(*MIGRATION, "charge_migration.method=curvature")),
)  # fmt: skip


def calibrated(observed: Observed, arguments: Sequence[str]) -> Path:
    """Calibrate a visit in profile `default` with more arguments, unless that was done."""
    name = "".join(("default", *arguments)).replace("/", "_").removesuffix(".fits")
    output = observed.folder / name
    done = output / "done"
    if not done.exists():
        output.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "calcore.cli", "run", ".", "-o", name, "--stage", "1",
                   "--overwrite", "-q", *arguments]  # fmt: skip
        environment = {**environ, **observed.environment}
        subprocess.run(command, env=environment, check=True, cwd=observed.folder)
        done.touch()
    return output


HEAD = """## Ideas, one at a time

A figure of the default profile without and with one of its corrections, or with one that it leaves to the user.

| idea | figure | without | with |
|---|---|---|---|
"""


def section(work: Path, ideas: Sequence[Idea] = IDEAS) -> str:
    """Return the section of the page."""
    lines = []
    for idea in ideas:
        observed = observe(idea.visit, work)
        before = idea.measure(observed, calibrated(observed, idea.without))
        after = idea.measure(observed, calibrated(observed, idea.given))
        lines.append(f"| {idea.name} | {idea.figure} | {before:.3g} | {after:.3g} |")
    return HEAD + "\n".join(lines) + "\n\n"


def main() -> None:
    """Read the command line, and print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    print(section(parser.parse_args().work.resolve()))


if __name__ == "__main__":
    main()
