"""Ready exposures of a slit of the imaginary detector; its light is dispersed along columns."""

from dataclasses import fields
from typing import Any

import numpy as np

from calcore.model import Group, Image
from calcore.model.reference import Distortion
from calcore.model.slit import Slit
from calcore.testing.samples import a_reference as made_up
from calcore.testing.samples import an_image, sky

SHAPE = (48, 30)
MARGIN = 4
"""Rows and columns around the slit's light."""


def a_slit(shape: tuple[int, ...] = SHAPE, *, seed: int = 1, nod: float = 0.0, **more: Any) -> Slit:
    """Return a calibrated exposure ([n_int,] ny, nx) [MJy/sr] of a point source in a slit, with a WCS.

    Its trace leans a little; wavelengths fall from 14 um in the lowest rows to 5 um. One pixel is NaN,
    one is flagged.

    Parameters
    ----------
    shape : tuple of int
        Integrations, if there are any, rows and columns.
    seed : int
        The same gives the same noise.
    nod : float
        By how many pixels the source lies right of the middle, and the slit left of where it is without.
    **more
        Further metadata; see `calcore.testing.samples.metadata`.
    """
    from calcore.wcs.dispersed_slit import (  # noqa: PLC0415 - heavy
        Entrance,
        Trace,
        dispersed_slit_wcs,
    )
    from calcore.wcs.pointing import Pointing  # noqa: PLC0415 - heavy
    from calcore.wcs.within import within_box  # noqa: PLC0415 - heavy

    known = {
        "target__source_type": "POINT", "wcsinfo__dispersion_direction": 2,
        "instrument__filter": "PRISM", "exposure__mid_time": 60000.0, **more,
    }  # fmt: skip
    image = an_image(shape, seed=seed, **known)
    rows, columns = shape[-2:]
    table = np.arange(MARGIN, rows - MARGIN, dtype=np.float64)
    run = (table - table[0]) / (table[-1] - table[0])
    trace = Trace(
        rows=table - rows // 2, columns=1.5 * run**2, wavelengths=14 - 6 * run - 3 * run**2
    )
    middle = (columns - 1) / 2
    wcs = dispersed_slit_wcs(
        trace,
        Entrance(
            origin=(middle, float(rows // 2)), corner=(0, 0),
            distortion=made_up(Distortion, image).model,
        ),
        Pointing(ra_deg=10.0, dec_deg=20.0, roll_deg=30.0, v2_arcsec=100.0 + 0.1 * nod, v3_arcsec=-50.0),
        box=((MARGIN - 0.5, columns - MARGIN - 0.5), (float(table[0]), float(table[-1]))),
    )  # fmt: skip
    x = np.arange(columns) - middle - nod
    profile = np.zeros((rows, columns), np.float32)
    for row, shift, brightness in zip(table.astype(int), trace.columns, 1 + run, strict=True):
        profile[row] = 20 * brightness * np.exp(-(((x - shift) / 2.0) ** 2))
    planes: dict[str, Any] = {item.name: getattr(image, item.name) for item in fields(Image)}
    alike = image.data - sky(rows, columns, seed=seed) + 1  # without the sources of an image
    planes |= {"data": alike + profile, "wcs": wcs}
    return Slit(**planes, wavelength=within_box(wcs, (rows, columns))[2].astype(np.float32))


def a_nod(count: int = 3) -> Group[Slit]:
    """Return exposures of a source that was moved along the slit from one to the next."""
    members = [
        a_slit(
            seed=1 + n, nod=4.0 * n, filename=f"exposure{n}.fits",
            exposure__start_time=60000.0 + n, exposure__end_time=60000.5 + n,
        )
        for n in range(count)
    ]  # fmt: skip
    return Group("product", tuple(members))
