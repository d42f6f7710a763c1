"""Hits found and false flags of jump, on small ramps whose hits are known.

    python -m benchmarks.truth_hits [--work DIR]

prints a section for docs/accuracy.md: by group count and read-out pattern, for calcore's profiles and,
where CALCORE_JWST_PYTHON names its interpreter, the reference pipeline. Ramps are photons, read noise
and single hits between two groups; they are drawn here, and nothing but jump is run.
"""

import argparse
import json
import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits
from benchmarks.truth_bound import Sampling
from benchmarks.truth_exposure import JUMP_DET
from benchmarks.truth_visits import jwst_python
from numpy.typing import NDArray

from calcore.run import step

HERE = Path(__file__).parent
SIDE = 480
"""Width and height of the frames [pixel]; 3 fluxes by 12 columns, of which 3 are hit."""
GAIN, READ, FRAME_S = 1.8, 10.0, 10.737
"""Gain [electron/DN], noise of a read [electron], time of a frame [s]."""
FLUXES = (0.05, 5.0, 500.0)
SIZES = (5.0, 6.0, 8.0)
ALONE = {"flag_4_neighbors": False}
"""Pixels beside hits are not flagged: this is about the search itself."""
PROGRAMS = ("default", "reference")
INTRODUCTION = """
Ramps of {fluxes} e⁻/s, read noise {read:g} e⁻, frames of {frame:.1f} s; a quarter of the pixels is hit
once, between two groups. Neighbours are not flagged: this is the search itself. **false**: part of the
differences of pixels without a hit that is flagged; limit 1e-4. **5 σ** and so on: hits found [%], by size
over the noise of one difference. Each cell has the three fluxes. A short ramp with a hit looks like a
steeper one: what finds more there flags more than the limit at some flux.
"""


@dataclass(frozen=True)
class Case:
    """How ramps are sampled: integrations, groups, frames averaged and frames dropped."""

    name: str
    groups: int
    integrations: int = 1
    frames: int = 1
    skip: int = 0
    pattern: str = "RAPID"


CASES = (
    *(Case(f"{groups} groups", groups) for groups in (3, 4, 5, 6, 10, 20, 40)),
    Case("4 integrations of 3 groups", 3, integrations=4),
    Case("4 integrations of 5 groups", 5, integrations=4),
    Case("BRIGHT2, 10 groups of 2 frames", 10, frames=2, pattern="BRIGHT2"),
    Case("SHALLOW4, 10 groups of 4 frames of 5", 10, frames=4, skip=1, pattern="SHALLOW4"),
    Case("MEDIUM8, 10 groups of 8 frames of 10", 10, frames=8, skip=2, pattern="MEDIUM8"),
    Case("DEEP8, 5 groups of 8 frames of 20", 5, frames=8, skip=12, pattern="DEEP8"),
)


@dataclass(frozen=True, eq=False)
class Ramps:
    """Ramps with known hits.

    Attributes
    ----------
    data
        Signal [DN], float32 (n_int, n_group, SIDE, SIDE).
    group, size
        The group before which a hit came in the first integration, and its size over the noise of
        a difference; 0 where there was none, (SIDE, SIDE).
    flux
        Number of each pixel's flux in `FLUXES`, (SIDE, SIDE).
    """

    data: NDArray[np.float32]
    group: NDArray[np.int64]
    size: NDArray[np.float64]
    flux: NDArray[np.int64]


def draw(case: Case, seed: int) -> Ramps:
    """Draw the ramps of a case."""
    rng = np.random.default_rng([seed, 20])
    y, x = np.mgrid[:SIDE, :SIDE]
    flux = y * len(FLUXES) // SIDE
    size = np.select([x % 12 == 4 * k for k in range(len(SIZES))], SIZES, 0.0)
    group = np.where(size > 0, rng.integers(1, case.groups, size.shape), 0)
    rate = np.array(FLUXES)[flux]
    sampling = Sampling(frames=case.frames, skip=case.skip, frame_time_s=FRAME_S)
    within = sampling.covariance(2, 1.0) - np.eye(2)
    gathered = within[0, 0] + within[1, 1] - 2 * within[0, 1]
    variance = rate * sampling.group_time_s * gathered + 2 * READ**2 / case.frames
    electrons = size * np.sqrt(variance)
    data = np.empty((case.integrations, case.groups, SIDE, SIDE), np.float32)
    for n in range(case.integrations):
        charge = np.zeros((SIDE, SIDE))
        for g in range(case.groups):
            if n == 0:
                charge += np.where((group == g) & (size > 0), electrons, 0.0)
            total = np.zeros((SIDE, SIDE))
            for _ in range(case.frames):
                charge += rng.poisson(rate * FRAME_S)
                total += charge + rng.normal(0, READ, charge.shape)
            charge += rng.poisson(rate * FRAME_S * case.skip)
            data[n, g] = total / case.frames / GAIN
    return Ramps(data, group, size, flux)


def write(case: Case, ramps: Ramps, folder: Path) -> Path:
    """Write ramps as jump takes them, and the two references beside them; return the file."""
    group_time = (case.frames + case.skip) * FRAME_S
    window = {"SUBARRAY": "GENERIC", "SUBSTRT1": 1, "SUBSTRT2": 1, "SUBSIZE1": SIDE, "SUBSIZE2": SIDE,
              "FASTAXIS": 1, "SLOWAXIS": -2}  # fmt: skip
    who = {"TELESCOP": "JWST", "INSTRUME": "NIRCAM", "DETECTOR": "NRCB1"}
    facts = {
        **who, **window, "FILENAME": "jw01234001001_02101_00001_nrcb1_uncal.fits", "DATAMODL": "RampModel",
        "EXP_TYPE": "NRC_IMAGE", "CHANNEL": "SHORT", "MODULE": "B", "FILTER": "F200W",
        "PUPIL": "CLEAR", "READPATT": case.pattern, "NINTS": case.integrations,
        "NGROUPS": case.groups, "NFRAMES": case.frames, "GROUPGAP": case.skip, "TFRAME": FRAME_S,
        "TGROUP": group_time, "DATE-OBS": "2026-02-03", "TIME-OBS": "06:00:00.000",
    }  # fmt: skip
    pixels = np.zeros((SIDE, SIDE), np.uint32)
    path = folder / "jw01234001001_02101_00001_nrcb1_uncal.fits"
    fits.HDUList(
        [
            fits.PrimaryHDU(header=fits.Header(facts)),
            fits.ImageHDU(ramps.data, name="SCI"),
            fits.ImageHDU(pixels, name="PIXELDQ"),
            fits.ImageHDU(np.zeros(ramps.data.shape, np.uint8), name="GROUPDQ"),
        ]
    ).writeto(path)
    levels = {"gain": GAIN, "readnoise": READ / GAIN * np.sqrt(2)}
    for kind, level in levels.items():
        header = fits.Header(who | window | {"REFTYPE": kind.upper()})
        image = fits.ImageHDU(np.full((SIDE, SIDE), level, np.float32), name="SCI")
        fits.HDUList([fits.PrimaryHDU(header=header), image]).writeto(folder / f"{kind}.fits")
    return path


def searched(path: Path, program: str) -> NDArray[np.bool_]:
    """Return what a profile of calcore flags as jumps."""
    folder = path.parent
    result = step(
        "jump", path, output=folder / program, profile=program, overwrite=True,
        settings={f"jump.{name}": value for name, value in ALONE.items()}
        | {"jump.expand_large_events": False},
        references={kind: str(folder / f"{kind}.fits") for kind in ("gain", "readnoise")},
    )  # fmt: skip
    if result.exit_status:
        raise RuntimeError("; ".join(outcome.reason for outcome in result.products))
    return _flags(folder / program)


def searched_by_jwst(paths: Sequence[Path]) -> list[NDArray[np.bool_]]:
    """Return what the reference pipeline flags as jumps, in several files."""
    jobs = [[str(path), str(path.parent / "jwst")] for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        listed = Path(folder) / "jobs.json"
        listed.write_text(json.dumps({"jobs": jobs, "settings": ALONE}))
        environment = {**os.environ, "STPIPE_DISABLE_CRDS_STEPPARS": "True"}
        subprocess.run(
            [str(jwst_python()), str(HERE / "truth_hits_jwst.py"), str(listed)],
            check=True, env=environment, capture_output=True,
        )  # fmt: skip
    return [_flags(path.parent / "jwst") for path in paths]


def _flags(folder: Path) -> NDArray[np.bool_]:
    """Return the jumps in the only product of a folder."""
    (product,) = folder.glob("*.fits")
    with fits.open(product) as file:
        found: NDArray[np.bool_] = np.asarray(file["GROUPDQ"].data) & JUMP_DET != 0
    return found


def row(ramps: Ramps, jumps: NDArray[np.bool_]) -> list[str]:
    """Return false flags per difference and the part of the hits that are found, by flux."""
    seen = np.take_along_axis(jumps[0], ramps.group[None], axis=0)[0]
    cells = [
        [f"{jumps[:, 1:][..., (ramps.size == 0) & (ramps.flux == k)].mean():.0e}" for k in range(3)]
    ]
    for size in SIZES:
        here = [seen[(ramps.size == size) & (ramps.flux == k)].mean() for k in range(3)]
        cells.append([f"{100 * share:.1f}" for share in here])
    return [", ".join(cell) for cell in cells]


def section(work: Path) -> str:
    """Return the section of the page; files are kept below `work` while it is made."""
    work.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=work) as name:
        drawn, paths = [], []
        for number, case in enumerate(CASES):
            folder = Path(name) / f"{number}"
            folder.mkdir()
            drawn.append(draw(case, number))
            paths.append(write(case, drawn[-1], folder))
        found: dict[str, list[NDArray[np.bool_]]] = {
            program: [searched(path, program) for path in paths] for program in PROGRAMS
        }
        if jwst_python() is not None:
            found["jwst"] = searched_by_jwst(paths)
    return _text(drawn, found)


def _text(drawn: Sequence[Ramps], found: Mapping[str, Sequence[NDArray[np.bool_]]]) -> str:
    fluxes = ", ".join(f"{flux:g}" for flux in FLUXES)
    lines = [
        "## Hits by group count and read-out pattern",
        INTRODUCTION.format(fluxes=fluxes, read=READ, frame=FRAME_S),
        "| ramp | program | false | 5 σ | 6 σ | 8 σ |",
        "|---|---|---|---|---|---|",
    ]
    for number, (case, ramps) in enumerate(zip(CASES, drawn, strict=True)):
        rows: dict[tuple[str, ...], list[str]] = {}
        for program, jumps in found.items():
            label = "calcore" if program == "default" else program
            rows.setdefault(tuple(row(ramps, jumps[number])), []).append(label)
        for cells, programs in rows.items():
            lines.append(" | ".join(["| " + case.name, ", ".join(programs), *cells]) + " |")
    return "\n".join(lines) + "\n\n"


def main() -> None:
    """Read the command line and print the section."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--work", type=Path, default=HERE.parent / ".cache" / "truth")
    print(section(parser.parse_args().work.resolve()))


if __name__ == "__main__":
    main()
