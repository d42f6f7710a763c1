"""Catalogues of where stars are on the sky: files of the user, and Gaia's from the network.

Gaia's archive is asked by the Table Access Protocol (Dowler et al. 2019, IVOA Recommendation TAP 1.1;
https://gea.esac.esa.int/archive); answers are kept, so that a run is repeated without the network.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np
from astropy.table import Table
from numpy.typing import NDArray

from calcore.errors import CatalogueMissing, FileInvalid
from calcore.userfiles import numbers

F8 = NDArray[np.float64]
GAIA: Mapping[str, str] = {
    "GAIADR3": "gaiadr3.gaia_source",
    "GAIADR2": "gaiadr2.gaia_source",
    "GAIADR1": "gaiadr1.gaia_source",
    "GAIAREFCAT": "gaiadr3.gaia_source",
}
"""Tables of Gaia's archive, by the names that settings know them by."""
_SERVICE = "https://gea.esac.esa.int/tap-server/tap"
_SERVICE_NAME = "CALCORE_GAIA_TAP"
_CACHE_NAME = "CALCORE_CACHE"
_MOST = 50_000
_FAINTEST = 21.0
_COLUMNS = (
    ("ra", ("ra", "radeg", "ra_deg", "raj2000", "ra_icrs")),
    ("dec", ("dec", "dedeg", "dec_deg", "dej2000", "de_icrs")),
)
_MOTIONS = (("pmra",), ("pmdec", "pmde"))
_EPOCHS = ("ref_epoch", "epoch")


@dataclass(frozen=True, eq=False)
class SkyCatalogue:
    """Right ascension and declination at the time of the exposures, float64 (n,) [deg].

    `name` is what the catalogue is called in messages, `weight` how much each star counts, if a
    file says so.
    """

    name: str
    ra: F8
    dec: F8
    weight: F8 | None = None

    @property
    def columns(self) -> tuple[F8, ...]:
        """Right ascension, declination and, if there are any, weights."""
        return (self.ra, self.dec) if self.weight is None else (self.ra, self.dec, self.weight)

    def table(self) -> Table:
        """Return the catalogue with the columns that a file of one needs."""
        return Table(dict(zip(("RA", "DEC", "weight"), self.columns, strict=False)))


def sky_catalogue(
    name: str, *, epoch_year: float | None = None, outline: tuple[F8, F8] | None = None
) -> SkyCatalogue:
    """Return a catalogue by its file or by its name.

    Parameters
    ----------
    name : str
        A table in any format that astropy recognises, of columns ``RA`` and ``DEC`` [deg], and, if
        they are there, ``pmra`` (times cos DEC), ``pmdec`` [mas/yr] and ``ref_epoch`` [yr], and
        ``weight``; or one
        of `GAIA`, in upper or lower case. Rows without a position are left out; stars without
        proper motions stay where they are.
    epoch_year : float, optional
        When the stars were seen [Julian year]; without it they stay where they are.
    outline : (float64 (n,), float64 (n,)), optional
        Points around, or all over, what was seen [deg]; only for names.

    Raises
    ------
    CatalogueMissing
        Gaia's archive does not answer, or pyvo is not installed.
    FileInvalid
        The file cannot be read, or lacks a column.
    """
    known = name.upper()
    if known in GAIA and outline is not None:
        path = _kept(known, *outline)
        table = Table.read(path)
    else:
        path = Path(name)
        try:
            table = Table.read(path)
        except Exception as error:  # astropy's readers raise all kinds
            names = ", ".join(GAIA)
            raise FileInvalid(
                path, f"cannot be read as a table, and is none of {names}: {error}"
            ) from error
    ra, dec = (_column(table, accepted, path) for _, accepted in _COLUMNS)
    if epoch_year is not None:
        ra, dec = _moved(table, ra, dec, epoch_year, path)
    weight = _optional(table, ("weight",), path)
    usable = np.isfinite(ra) & np.isfinite(dec)
    if weight is not None:
        usable &= weight > 0
        weight = weight[usable]
    if not usable.any() and known not in GAIA:
        raise FileInvalid(path, "has no star with a position")
    return SkyCatalogue(name, ra[usable], dec[usable], weight)


def mean_year(times: Iterable[float | None]) -> float | None:
    """Return the mean of modified Julian dates [day] as a Julian year, or None if none is known."""
    known = [float(time) for time in times if time is not None]
    return 2000 + (float(np.mean(known)) - 51544.5) / 365.25 if known else None


def _column(table: Table, accepted: tuple[str, ...], path: Path) -> F8:
    found = _optional(table, accepted, path)
    if found is None:
        raise FileInvalid(
            path,
            f"has no column {' or '.join(accepted[:2])}; it has {', '.join(table.colnames)}",
        )
    return found


def _optional(table: Table, accepted: tuple[str, ...], path: str | Path) -> F8 | None:
    """Return a column as numbers without a unit, NaN where there is none, or None."""
    names = {name.lower(): name for name in table.colnames}
    found = next((names[name] for name in accepted if name in names), None)
    if found is None:
        return None
    column: F8 = numbers(table[found], path)
    return column


def _moved(table: Table, ra: F8, dec: F8, epoch_year: float, path: Path) -> tuple[F8, F8]:
    """Return where stars are at another time, by their proper motions where they are known."""
    along, up = (_optional(table, accepted, path) for accepted in _MOTIONS)
    epoch = _optional(table, _EPOCHS, path)
    if along is None or up is None or epoch is None:
        return ra, dec
    known = np.isfinite(along) & np.isfinite(up) & np.isfinite(epoch)
    years = np.where(known, epoch_year - epoch, 0.0)
    along, up = np.where(known, along, 0.0), np.where(known, up, 0.0)
    degrees = years / 3.6e6
    return (ra + along * degrees / np.cos(np.radians(dec))) % 360, dec + up * degrees


def _kept(name: str, ra: F8, dec: F8) -> Path:
    """Return the file that holds Gaia's answer, which is asked for if there is none."""
    middle_ra, middle_dec, radius = _circle(ra, dec)
    query = (  # of numbers and of names that are written here
        f"SELECT TOP {_MOST} source_id, ra, dec, pmra, pmdec, ref_epoch, phot_g_mean_mag "  # noqa: S608
        f"FROM {GAIA[name]} WHERE 1 = CONTAINS(POINT('ICRS', ra, dec), "
        f"CIRCLE('ICRS', {middle_ra:.5f}, {middle_dec:.5f}, {radius:.5f})) "
        f"AND phot_g_mean_mag < {_FAINTEST:g} ORDER BY phot_g_mean_mag"
    )
    service = os.environ.get(_SERVICE_NAME, _SERVICE)
    folder = _cache()
    path = folder / f"{name.lower()}_{sha256(f'{service} {query}'.encode()).hexdigest()[:16]}.ecsv"
    if path.is_file():
        return path
    table = _asked(name, service, query)
    folder.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(f".{os.getpid()}.part")
    table.write(temporary, format="ascii.ecsv")
    temporary.replace(path)
    return path


def _asked(name: str, service: str, query: str) -> Table:
    try:
        from pyvo.dal import TAPService  # noqa: PLC0415 - not all have it, and few need it
    except ImportError as error:
        raise CatalogueMissing(
            f"{name} is asked from the network by pyvo, which is not installed: pip install "
            "calcore[gaia], or give a file as tweakreg.abs_refcat"
        ) from error
    try:
        found = TAPService(service).run_sync(query).to_table()
    except Exception as error:  # pyvo and requests raise all kinds
        reason = " ".join(str(error).split())[:200]
        raise CatalogueMissing(
            f"{name} could not be asked from {service} ({reason}); go on with a network, or give a "
            "file as tweakreg.abs_refcat"
        ) from error
    names = ("ra", "dec", "pmra", "pmdec", "ref_epoch", "phot_g_mean_mag")
    columns = {column: _optional(found, (column,), service) for column in names}
    return Table({column: values for column, values in columns.items() if values is not None})


def _circle(ra: F8, dec: F8) -> tuple[float, float, float]:
    """Return middle and radius of a circle around points [deg], a tenth and 6 arcsec wider."""
    phi, theta = np.radians(ra), np.radians(dec)
    points = np.stack([np.cos(theta) * np.cos(phi), np.cos(theta) * np.sin(phi), np.sin(theta)])
    middle = points.mean(axis=1)
    middle /= np.linalg.norm(middle)
    away = 2 * np.arcsin(np.linalg.norm(points - middle[:, None], axis=0).max() / 2)
    middle_ra = float(np.degrees(np.arctan2(middle[1], middle[0])) % 360)
    radius = 1.1 * float(np.degrees(away)) + 6 / 3600
    return middle_ra, float(np.degrees(np.arcsin(middle[2]))), radius


def _cache() -> Path:
    from platformdirs import user_cache_path  # noqa: PLC0415 - few runs need it

    given = os.environ.get(_CACHE_NAME)
    return (Path(given) if given else user_cache_path("calcore")) / "catalogues"
