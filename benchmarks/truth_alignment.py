"""How well exposures are aligned whose pointings err: fields of stars, held against the truth."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.truth_fields import SCALE, Job, keywords, profile, star_field, theirs
from benchmarks.truth_rates import robust_scatter

from calcore.errors import StepSkipped
from calcore.model import Image
from calcore.steps.combination.tweakreg import TweakReg

SHIFT, ROTATION = 0.005, 0.1
"""Limits: of shifts [pixel], and of what a rotation does anywhere in the field [arcsec]."""
SHAPE = (512, 512)
MOVED = {1: (0.3, -0.4), 2: (-0.5, 0.0), 3: (0.1, 0.49)}
"""How far pointings are off to the east and north [arcsec]."""
TURNED = {1: 0.05, 2: -0.05, 3: 0.05}
"""How far they are rolled [deg]."""


@dataclass(frozen=True, kw_only=True)
class AlignmentScore:
    """How well the exposures of a field were aligned.

    Attributes
    ----------
    fwhm
        Of the stars [pixel].
    program
        Who did it.
    stars
        Stars found per exposure, on average.
    shift, rotation
        Largest errors of an exposure: mean over the field [pixel], and what its rotation does at
        the corner [arcsec]; NaN if it was not aligned.
    """

    fwhm: float
    program: str
    stars: float
    shift: float
    rotation: float

    @property
    def misses(self) -> list[str]:
        """Which limits it breaks."""
        kept = {"shift": self.shift <= SHIFT, "rotation": self.rotation <= ROTATION}
        return [name for name, is_kept in kept.items() if not is_kept]


@dataclass(frozen=True, kw_only=True, eq=False)
class Residuals:
    """How far stars were found from where they are [pixel], arrays (n,)."""

    fwhm: float
    program: str
    x: Any
    y: Any
    snr: Any
    phase: Any


def field_of(fwhm: float, seed: int = 1, shape: tuple[int, int] = SHAPE, n: int = 4) -> Any:
    """Return 200 stars in four exposures whose pointings err."""
    moved, turned = ({k: v for k, v in off.items() if k < n} for off in (MOVED, TURNED))
    return star_field(
        n=n, shape=shape, stars=200, fwhm=fwhm, flux=(0.5, 3.3), moved=moved, turned=turned,
        more=keywords, seed=seed,
    )  # fmt: skip


def errors(found: Image, true: Any) -> tuple[float, float]:
    """Return how far an exposure's coordinates are off: shift [pixel] and rotation [arcsec]."""
    ny, nx = found.data.shape
    x, y = (v.ravel() for v in np.meshgrid(np.linspace(0, nx - 1, 9), np.linspace(0, ny - 1, 9)))
    sky = true(x, y, with_bounding_box=False)
    at = found.wcs.invert(*sky, with_bounding_box=False)
    away = (at[0] - x) + 1j * (at[1] - y)
    around = (x - x.mean()) + 1j * (y - y.mean())
    turn = np.angle(np.sum(np.conj(around) * (around + away - away.mean())))
    return float(abs(away.mean())), float(abs(turn) * np.abs(around).max() * SCALE)


def _score(
    fwhm: float, program: str, field: Any, members: Sequence[Image], stars: float
) -> AlignmentScore:
    worst = [errors(one, true) for one, true in zip(members, field.true, strict=True)][1:]
    shift, rotation = np.max(worst, axis=0).tolist()
    return AlignmentScore(fwhm=fwhm, program=program, stars=stars, shift=shift, rotation=rotation)


def _lost(fwhm: float, program: str) -> AlignmentScore:
    return AlignmentScore(fwhm=fwhm, program=program, stars=0, shift=np.nan, rotation=np.nan)


def ours(fwhm: float, field: Any, name: str = "default") -> tuple[AlignmentScore, Residuals | None]:
    """Align a field with a profile of calcore."""
    program = "calcore" if name == "default" else name
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = TweakReg(**profile(name, "tweakreg"))(field.group)
    except StepSkipped:
        return _lost(fwhm, program), None
    table = found.tweakreg.table
    number, x, y = (np.asarray(table[n]) for n in ("exposure", "x", "y"))
    parts = []
    for k in range(len(field.x)):
        here = number == k + 1
        gap = np.hypot(x[here, None] - field.x[k], y[here, None] - field.y[k])
        star, near = gap.argmin(axis=1), gap.min(axis=1) < 0.5
        true = np.stack([field.x[k][star], field.y[k][star]])
        off = np.stack([x[here], y[here]]) - true
        # Of the phase of each axis, the error along it.
        phase = true - np.rint(true)
        parts.append(np.stack([*off, np.asarray(table["snr"])[here], *phase])[:, near])
    dx, dy, snr, px, py = np.concatenate(parts, axis=1)
    left = Residuals(fwhm=fwhm, program=program, x=dx, y=dy, snr=snr, phase=np.stack([px, py]))
    stars = len(dx) / len(field.x)
    return _score(fwhm, program, field, found.group.members, stars), left


def peer(fwhm: float, field: Any, work: Path) -> AlignmentScore | None:
    """Align a field with the reference pipeline; None if there is none."""
    answers = theirs(field.group, [Job(name="aligned", step="TweakRegStep")], work)
    if answers is None:
        return None
    members = answers.images("aligned")
    if not members or any("v2v3corr" not in one.wcs.available_frames for one in members[1:]):
        return _lost(fwhm, "jwst")
    return _score(fwhm, "jwst", field, members, np.nan)


def by_phase(left: Residuals, bins: int = 5) -> list[tuple[float, float]]:
    """Return mean errors along an axis by the phase along it: middle of the bin, error [pixel]."""
    phase, off = left.phase.ravel(), np.concatenate([left.x, left.y])
    edges = np.linspace(-0.5, 0.5, bins + 1)
    bright = np.tile(left.snr > 100, 2)
    return [
        (float((low + high) / 2), float(np.mean(off[(phase >= low) & (phase < high) & bright])))
        for low, high in pairwise(edges)
    ]


def by_snr(left: Residuals, limits: Sequence[float]) -> list[tuple[float, float, int, float]]:
    """Return the scatter of errors along an axis by signal-to-noise: range, number, pixel."""
    rows = []
    for low, high in pairwise(limits):
        here = (left.snr >= low) & (left.snr < high)
        off = np.concatenate([left.x[here], left.y[here]])
        rows.append((low, high, int(here.sum()), robust_scatter(off) if off.size > 9 else np.nan))
    return rows
