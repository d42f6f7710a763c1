"""How many hits that stage 1 missed are flagged in stage 3, and how many pixels of stars.

Hits are put into calibrated exposures of a field of stars: single pixels and short tracks, 8 to 300
times the noise of their pixel, as many at any factor.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.truth_fields import Job, keywords, profile, star_field, theirs
from scipy.ndimage import binary_dilation
from scipy.special import erf
from scipy.stats import binom, poisson

from calcore.flags import DQ
from calcore.model import Group, Image
from calcore.steps.combination.outlier_detection import OutlierDetection

FOUND, CORES = 0.95, 1e-3
"""Limits: the least part of the hits, and the largest of the pixels of stars' cores."""
SIZES = (8.0, 300.0)
SHAPE = (400, 420)
CORE = 1.0
"""How far from a star its core reaches [pixel]."""
MARGIN = 35
"""All exposures see what is farther from an edge than this [pixel]."""
_EVENTS = 0.004


@dataclass(frozen=True, kw_only=True, eq=False)
class Struck:
    """A field with hits.

    Attributes
    ----------
    group
        The exposures.
    hits, cores, flanks
        Masks of their pixels: with a hit, within `CORE` of a star, beside those with more light of
        stars than half their noise; (n, ny, nx).
    """

    group: Group[Image]
    hits: Any
    cores: Any
    flanks: Any


@dataclass(frozen=True, kw_only=True)
class OutlierScore:
    """What was flagged; pairs are how many, and of how many.

    Attributes
    ----------
    exposures, fwhm, program
        How many exposures of what, and who did it.
    hits, away
        Hits that were found, all and those away from stars.
    cores, flanks, sky
        Pixels without a hit, there or beside, that are flagged.
    """

    exposures: int
    fwhm: float
    program: str
    hits: tuple[int, int]
    away: tuple[int, int]
    cores: tuple[int, int]
    flanks: tuple[int, int]
    sky: tuple[int, int]

    def __add__(self, other: "OutlierScore") -> "OutlierScore":
        """Put two fields together."""

        def both(one: tuple[int, int], two: tuple[int, int]) -> tuple[int, int]:
            return one[0] + two[0], one[1] + two[1]

        return replace(
            self, hits=both(self.hits, other.hits), away=both(self.away, other.away),
            cores=both(self.cores, other.cores), flanks=both(self.flanks, other.flanks),
            sky=both(self.sky, other.sky),
        )  # fmt: skip

    @property
    def misses(self) -> list[str]:
        """Which limits it breaks, by more than few pixels can be off by chance."""
        broken = []
        if self.hits[0] < binom.ppf(0.001, self.hits[1], FOUND):
            broken.append("hits")
        if self.cores[0] > poisson.ppf(0.99, CORES * self.cores[1]):
            broken.append("cores")
        return broken


def field_of(n: int, fwhm: float, seed: int = 3, shape: tuple[int, int] = SHAPE) -> Struck:
    """Return 200 stars in exposures that are aligned to 0.005 pixel, with hits."""
    field = star_field(
        n=n, shape=shape, stars=200, fwhm=fwhm, seed=seed, astray=0.005, more=keywords
    )
    rng = np.random.default_rng([seed, 5])
    members, hits, cores, flanks = [], [], [], []
    for k, member in enumerate(field.group.members):
        noise = np.sqrt(member.var_poisson + member.var_rnoise)
        data, struck = _struck(rng, member.data, noise)
        members.append(member.replace(data=data))
        hits.append(struck)
        light, near = _stars(field.x[k], field.y[k], field.flux, fwhm, shape)
        cores.append(near)
        flanks.append((light > 0.5 * noise) & ~near)
    group = field.group.with_members(members)
    return Struck(group=group, hits=np.array(hits), cores=np.array(cores), flanks=np.array(flanks))


def _struck(rng: np.random.Generator, data: Any, noise: Any) -> tuple[Any, Any]:
    """Return an image with hits, and which pixels have one."""
    ny, nx = data.shape
    data, struck = data.copy(), np.zeros(data.shape, bool)
    for _ in range(rng.poisson(_EVENTS * data.size)):
        y, x = rng.integers(0, ny), rng.integers(0, nx)
        size = np.exp(rng.uniform(*np.log(SIZES)))
        length = 1 if rng.random() < 0.6 else rng.integers(2, 5)
        angle = rng.uniform(0, 2 * np.pi)
        for step in range(length):
            j, i = round(y + step * np.sin(angle)), round(x + step * np.cos(angle))
            if 0 <= j < ny and 0 <= i < nx and np.isfinite(data[j, i]) and not struck[j, i]:
                data[j, i] += size * noise[j, i]
                struck[j, i] = True
    return data, struck


def _stars(x: Any, y: Any, flux: Any, fwhm: float, shape: tuple[int, int]) -> tuple[Any, Any]:
    """Return the light of stars, and the pixels of their cores."""
    wide = fwhm / 2.3548 * np.sqrt(2)
    rows, columns = np.arange(shape[0]), np.arange(shape[1])
    parts = [
        erf((axis + 0.5 - at[:, None]) / wide) - erf((axis - 0.5 - at[:, None]) / wide)
        for axis, at in ((rows, y), (columns, x))
    ]
    light = (parts[0] * flux[:, None] / 4).T @ parts[1]
    near = np.zeros(shape, bool)
    for j, i in zip(y, x, strict=True):
        near |= np.hypot(rows[:, None] - j, columns - i) <= CORE
    return light, near


def score(field: Struck, members: Sequence[Image], fwhm: float, program: str) -> OutlierScore:
    """Hold what was flagged against the truth, where all exposures see."""
    inner = np.s_[:, MARGIN:-MARGIN, MARGIN:-MARGIN]
    flagged = np.array([(one.dq & DQ.OUTLIER) != 0 for one in members])[inner]
    usable = np.array([np.isfinite(one.data) for one in field.group.members])[inner]
    hits, cores, flanks = (mask[inner] for mask in (field.hits, field.cores, field.flanks))
    beside = binary_dilation(field.hits, np.ones((1, 3, 3)))[inner]
    clean = usable & ~beside

    def of(mask: Any) -> tuple[int, int]:
        return int((flagged & mask).sum()), int(mask.sum())

    return OutlierScore(
        exposures=len(members), fwhm=fwhm, program=program, hits=of(hits & usable),
        away=of(hits & usable & ~cores & ~flanks), cores=of(cores & clean),
        flanks=of(flanks & clean), sky=of(clean & ~cores & ~flanks),
    )  # fmt: skip


def ours(field: Struck, fwhm: float, name: str = "default") -> OutlierScore:
    """Flag outliers with a profile of calcore."""
    found = OutlierDetection(**profile(name, "outlier_detection"))(field.group)
    return score(field, found.members, fwhm, "calcore" if name == "default" else name)


def peer(field: Struck, fwhm: float, work: Path) -> OutlierScore | None:
    """Flag outliers with the reference pipeline; None if there is none."""
    answers = theirs(field.group, [Job(name="flagged", step="OutlierDetectionStep")], work)
    if answers is None or not answers.files("flagged"):
        return None
    return score(field, answers.images("flagged"), fwhm, "jwst")
