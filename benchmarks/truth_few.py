"""How well short ramps tell a rate, with and without the level at the reset.

    python -m benchmarks.truth_few [--work DIR] [--groups NUMBER]

NIRCam exposures of one, two and three groups, and averaged ones of a sky that is several times
brighter than a detector can bear, are calibrated with `ramp_fit.reset_prior` 0 and NUMBER. Rows are the groups
that a ramp has; 0 is the first read alone. Scatter is given over the bound: the error of the best fit
that knows reset noise, read noise, gain and flux.
"""

import argparse
import itertools
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.truth_bound import FloatArray
from benchmarks.truth_exposure import ExposureTruth, read_calibrated
from benchmarks.truth_rates import grown, robust_scatter
from benchmarks.truth_visits import Observed, Visit, calibrate, instrument_of, observe

from calcore.simulate import VisitOptions

WORK = Path(__file__).parents[1] / ".cache" / "truth"
EDGES = (0.01, 1.0, 10.0, 100.0, 1e3, 1e4, 1e6)
FEW = 100
EXPOSURES = {
    "one group": {"n_groups": 1},
    "two groups": {"n_groups": 2},
    "three groups": {"n_groups": 3},
    "SHALLOW4, two groups": {"n_groups": 2, "pattern": "SHALLOW4"},
    "RAPID, 6 groups": {"n_groups": 6},
}


@dataclass(frozen=True)
class Row:
    """Scores of ramps of one kind in one flux bin."""

    groups: int
    low: float
    number: int
    found: float
    bias: float
    scatter: float
    error: float


def bounds(
    truth: ExposureTruth, groups: int, reset: float, places: tuple[FloatArray, ...]
) -> FloatArray:
    """Return the error of the best fit [DN/s] of pixels with a number of good groups."""
    sampling = truth.sampling
    frames = sampling.frame_time_s * np.arange(1, sampling.frames + 1)
    reads = [k * sampling.group_time_s + frames for k in range(groups)]
    if sampling.frames > 1:
        reads = [frames[:1], *([frames[1:]] if groups else []), *reads[1:]]
    mean = np.array([read.mean() for read in reads])
    early = np.array([[np.minimum.outer(a, b).mean() for b in reads] for a in reads])
    noise = np.array([1 / read.size for read in reads])
    photons = truth.photon_variance(False)[places]
    read_variance, level = truth.read_noise[places] ** 2, (reset / truth.gain[places]) ** 2
    covariance = (
        photons[:, None, None] * early
        + read_variance[:, None, None] * np.diag(noise)
        + level[:, None, None]
    )
    return 1 / np.sqrt(np.einsum("i,nij,j->n", mean, np.linalg.inv(covariance), mean))


def score(truth: ExposureTruth, products: Path, reset: float) -> list[Row]:
    """Score one exposure."""
    found = read_calibrated(products, truth.root, "dark_current")
    electrons, _ = truth.charges()
    calm = truth.active & ~grown((electrons > 0).any(axis=(0, 1))) & ~truth.halos().any(axis=(0, 1))
    usable = found.usable[0]
    run = np.cumprod(usable, axis=0).sum(axis=0)
    rates, rows = truth.true_rate(False), []
    flux = truth.shared * truth.gain
    for groups in range(7):
        if groups == 0 and truth.sampling.frames == 1:
            continue
        for low, high in itertools.pairwise(EDGES):
            chosen = calm & (run == groups) & (usable.sum(axis=0) == groups)
            chosen &= (flux >= low) & (flux < high) & (found.dq & ~np.uint32(7) == 0)
            if groups == 0:  # where the first read is saturated, too, nothing can be known
                chosen &= (
                    truth.light * truth.gain * truth.sampling.frame_time_s < truth.full_well * 0.7
                )
            here = chosen & np.isfinite(found.rate)
            if chosen.sum() < FEW:
                continue
            part = float(here.sum() / chosen.sum())
            if here.sum() < FEW:
                rows.append(Row(groups, low, int(chosen.sum()), part, np.nan, np.nan, np.nan))
                continue
            places = np.nonzero(here)
            pull = (found.rate - rates)[places] / bounds(truth, groups, reset, places)
            error = found.error[places] / bounds(truth, groups, reset, places)
            scatter = robust_scatter(pull)
            rows.append(
                Row(groups, low, int(chosen.sum()), part, float(np.mean(np.clip(pull, -8, 8))), scatter,
                    float(np.sqrt(np.mean(error**2)) / scatter))
            )  # fmt: skip
    return rows


def calibrated(observed: Observed, prior: int) -> Path:
    """Calibrate an exposure taking the level at the reset for ramps of up to so many groups."""
    wished = {"ramp_fit": {"reset_prior": prior}}
    return calibrate(observed, "default", name=f"prior_{prior}", parameters=wished)


HEAD = """## Short ramps

NIRCam's SUB640 under a sky that is several times brighter than the detector can bear, without and with the level that a
reset leaves (`ramp_fit.reset_prior` 0 and 3, idea b). *groups* are those a ramp has left; 0 is the first read alone. *rated* is
the part of the pixels without a hit that has a rate. Scatter and ERR are those of the tables above, over the bound that knows
the noise of the reset.

| exposure | groups | flux from [e⁻/s] | pixels | rated | bias | scatter | ERR |
|---|---|---|---|---|---|---|---|
"""


def section(work: Path, prior: int = 3) -> str:
    """Return the section of the page."""
    lines = []
    for number, (name, options) in enumerate(EXPOSURES.items()):
        visit = Visit(
            name=f"nircam_few_{number}",
            instrument="nircam",
            options=VisitOptions(seed=70 + number, n_dithers=1, subarray="SUB640", **options),
            ladder=0.1,
            saved=("dark_current",),
            brightest=8.0 if "pattern" in options else 4.0,
        )
        observed = observe(visit, work)
        (truth,) = observed.truths()
        detector = truth.root.split("_")[3].upper()
        reset = instrument_of(visit).physics(detector).pixels.reset_noise_electron
        before, after = (score(truth, calibrated(observed, groups), reset) for groups in (0, prior))
        for old, new in zip(before, after, strict=True):
            if new.groups > prior:
                continue
            pairs = (
                f"{getattr(old, what):.3f} → {getattr(new, what):.3f}".replace("nan", "-")
                for what in ("found", "bias", "scatter", "error")
            )
            lines.append(
                f"| {name} | {new.groups} | {new.low:g} | {new.number} | {' | '.join(pairs)} |"
            )
    return HEAD + "\n".join(lines) + "\n\n"


def main() -> None:
    """Read the command line, and print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=WORK)
    parser.add_argument("--groups", type=int, default=3)
    arguments = parser.parse_args()
    print(section(arguments.work.resolve(), arguments.groups))


if __name__ == "__main__":
    main()
