"""Charged particles: tracks, large round events with haloes, faint wide showers.

Tracks cross the collecting layer at isotropic angles and leave charge along their path, which
wanders before it is collected (Robberto 2009, JWST-STScI-001928; Giardino et al. 2019, PASP 131,
094503). Snowballs have a saturated core and a halo (Regan & Bergeron 2020, JWST-STScI-007174).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from calcore.simulate.physics import Effects, Radiation

TRACK, CORE, HALO, SHOWER = 1, 2, 3, 4
KINDS = {TRACK: "track", CORE: "snowball core", HALO: "snowball halo", SHOWER: "shower"}
SAMPLES = 48
"""Points along a track; more for long ones, so that a pixel holds at least eight."""
LONGEST_TRACK_PIXEL = 200.0
LARGEST_FACTOR = 300.0
"""Charge of the heaviest particles relative to common ones."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Hits:
    """Charge deposited during one frame; arrays with the axis (deposit,).

    Attributes
    ----------
    y, x
        Pixel, in science orientation of the sub-array.
    electrons
        Charge [electron].
    kind
        `TRACK`, `CORE`, `HALO` or `SHOWER`.
    event
        Number of the event within the frame; one event has many deposits.
    """

    y: NDArray[np.int32]
    x: NDArray[np.int32]
    electrons: NDArray[np.float32]
    kind: NDArray[np.uint8]
    event: NDArray[np.int32]

    def __len__(self) -> int:
        """Return the number of deposits."""
        return len(self.y)


def no_hits() -> Hits:
    """Return an empty list of deposits."""
    return _hits([], [], [], [], [])


def _hits(y: object, x: object, electrons: object, kind: object, event: object) -> Hits:
    return Hits(
        y=np.asarray(y, np.int32),
        x=np.asarray(x, np.int32),
        electrons=np.asarray(electrons, np.float32),
        kind=np.asarray(kind, np.uint8),
        event=np.asarray(event, np.int32),
    )


def join(parts: Iterable[Hits]) -> Hits:
    """Put lists of deposits together, numbering their events on."""
    parts = list(parts)
    offset = 0
    events = []
    for part in parts:
        events.append(part.event + offset)
        offset += int(part.event.max()) + 1 if len(part) else 0
    if not parts:
        return no_hits()
    return _hits(
        np.concatenate([part.y for part in parts]),
        np.concatenate([part.x for part in parts]),
        np.concatenate([part.electrons for part in parts]),
        np.concatenate([part.kind for part in parts]),
        np.concatenate(events),
    )


def draw(
    random: Callable[[str], np.random.Generator],
    *,
    shape: tuple[int, int],
    seconds: float,
    radiation: Radiation,
    full_well_electron: float,
    frame_pixels: int,
    effects: Effects,
) -> Hits:
    """Draw what arrives during one frame.

    Parameters
    ----------
    random
        Gives the stream of each kind of event.
    shape
        Of the sub-array, (ny, nx).
    seconds
        Duration of the frame.
    radiation
        What to expect.
    full_well_electron
        Charge that fills a pixel [electron]; a snowball's core has more.
    frame_pixels
        Pixels of a full frame, to which the rates of snowballs and showers refer.
    effects
        Which kinds are switched on.
    """
    parts = []
    if effects.particles:
        parts.append(tracks(random("particles"), shape, seconds, radiation))
    share = shape[0] * shape[1] / frame_pixels * seconds
    if effects.snowballs and radiation.snowballs_s > 0:
        rng = random("snowballs")
        parts += [
            snowball(rng, shape, radiation, full_well_electron)
            for _ in range(rng.poisson(radiation.snowballs_s * share))
        ]
    if effects.showers and radiation.showers_s > 0:
        rng = random("showers")
        parts += [
            shower(rng, shape, radiation) for _ in range(rng.poisson(radiation.showers_s * share))
        ]
    return join(parts)


def tracks(
    rng: np.random.Generator, shape: tuple[int, int], seconds: float, radiation: Radiation
) -> Hits:
    """Draw particle tracks.

    Directions are isotropic, so the cosine of the angle to the normal of those that cross a plane
    is the square root of a uniform number. Charge per length is log-normal; some particles have a
    power law of larger ones.
    """
    ny, nx = shape
    area_cm2 = ny * nx * (radiation.pixel_micron * 1e-4) ** 2
    number = int(rng.poisson(radiation.particles_cm2_s * area_cm2 * seconds))
    if number == 0:
        return no_hits()
    x0, y0 = rng.uniform(-0.5, nx - 0.5, number), rng.uniform(-0.5, ny - 0.5, number)
    cosine = np.sqrt(np.maximum(rng.random(number), 1e-6))
    sine = np.sqrt(1 - cosine**2)
    angle = rng.uniform(0, 2 * np.pi, number)
    longest = LONGEST_TRACK_PIXEL * radiation.pixel_micron
    path = np.minimum(radiation.thickness_micron / cosine, longest)
    length = path * sine / radiation.pixel_micron
    density = radiation.electrons_micron * np.exp(
        radiation.electrons_scatter * rng.standard_normal(number)
    )
    heavy = rng.random(number) < radiation.heavy_fraction
    factor = rng.random(int(heavy.sum())) ** (1 / (radiation.heavy_slope + 1))
    density[heavy] *= np.minimum(factor, LARGEST_FACTOR)
    charge = path * density
    samples = np.maximum(SAMPLES, np.ceil(length * 8)).astype(np.int64)
    event = np.repeat(np.arange(number), samples)
    along = np.concatenate([(np.arange(n) + 0.5) / n for n in samples]) * length[event]
    spread = radiation.diffusion_pixel
    x = np.rint(x0[event] + along * np.cos(angle)[event] + spread * rng.standard_normal(len(event)))
    y = np.rint(y0[event] + along * np.sin(angle)[event] + spread * rng.standard_normal(len(event)))
    inside = (x >= 0) & (x < nx) & (y >= 0) & (y < ny)
    key = (event[inside] * ny + y[inside].astype(np.int64)) * nx + x[inside].astype(np.int64)
    key, place = np.unique(key, return_inverse=True)
    electrons = np.bincount(place, weights=(charge / samples)[event[inside]])
    return _hits(
        key // nx % ny, key % nx, np.rint(electrons), np.full(len(key), TRACK), key // (ny * nx)
    )


def snowball(
    rng: np.random.Generator,
    shape: tuple[int, int],
    radiation: Radiation,
    full_well_electron: float,
) -> Hits:
    """Draw one snowball: a core that fills its pixels, and a halo that fades outwards."""
    low, high = radiation.snowball_core_pixel
    power = radiation.snowball_slope + 1
    core = (low**power + rng.random() * (high**power - low**power)) ** (1 / power)
    ratio, tilt = rng.uniform(0.75, 1.0), rng.uniform(0, np.pi)
    x0, y0 = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
    fade = 0.5 * core + 1.5
    reach = int(core + 8 * fade) + 1
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    dx, dy = x + np.round(x0) - x0, y + np.round(y0) - y0
    major = dx * np.cos(tilt) + dy * np.sin(tilt)
    minor = (dy * np.cos(tilt) - dx * np.sin(tilt)) / ratio
    radius = np.hypot(major, minor)
    inner = radius <= core
    mean = np.where(
        inner,
        full_well_electron * 3.0,
        radiation.snowball_halo_electron * np.exp(-(radius - core) / fade),
    )
    electrons = rng.poisson(mean)
    y, x = y + int(np.round(y0)), x + int(np.round(x0))
    keep = (electrons > 0) & (y >= 0) & (y < shape[0]) & (x >= 0) & (x < shape[1])
    kind = np.where(inner, CORE, HALO)[keep]
    return _hits(y[keep], x[keep], electrons[keep], kind, np.zeros(int(keep.sum())))


def shower(rng: np.random.Generator, shape: tuple[int, int], radiation: Radiation) -> Hits:
    """Draw one shower: a faint patch many pixels wide."""
    width = radiation.shower_pixel * rng.uniform(0.5, 1.0)
    ratio, tilt = rng.uniform(0.3, 1.0), rng.uniform(0, np.pi)
    x0, y0 = rng.uniform(0, shape[1]), rng.uniform(0, shape[0])
    y, x = np.mgrid[0 : shape[0], 0 : shape[1]]
    major = (x - x0) * np.cos(tilt) + (y - y0) * np.sin(tilt)
    minor = ((y - y0) * np.cos(tilt) - (x - x0) * np.sin(tilt)) / ratio
    mean = radiation.shower_electron * rng.uniform(0.2, 1.0)
    electrons = rng.poisson(mean * np.exp(-0.5 * (major**2 + minor**2) / width**2))
    keep = electrons > 0
    number = int(keep.sum())
    return _hits(y[keep], x[keep], electrons[keep], np.full(number, SHOWER), np.zeros(number))
