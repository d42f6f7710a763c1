"""Nods along the slit of the low-resolution spectrometer take away each other's sky."""

from dataclasses import fields

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Group, Rate
from calcore.model.slit import Slit
from calcore.steps.calibration.bkg_subtract import BkgSubtract
from calcore.steps.combination.outlier_spectra import OutlierSpectra
from calcore.steps.combination.resample_spec import ResampleSpec
from calcore.testing.spectra import a_slit
from calcore_miri import INSTRUMENT

NAMES = {
    "instrument.name": "MIRI", "instrument.detector": "MIRIMAGE", "instrument.filter": "P750L",
    "exposure.type": "MIR_LRS-FIXEDSLIT", "dither.primary_type": "ALONG-SLIT-NOD",
}  # fmt: skip
NOD = 8.0


@pytest.fixture(scope="module")
def nods():
    """Return two exposures of a source in front of a sky that grows along the dispersion."""
    found = []
    for number, nod in enumerate((-NOD / 2, NOD / 2)):
        slit = a_slit(seed=number + 1, nod=nod, filename=f"nod{number}_rate.fits",
                      exposure__start_time=60000.0 + number, bunit_data="DN/s")  # fmt: skip
        sky = np.linspace(5, 50, slit.data.shape[0], dtype=np.float32)[:, None]
        meta = slit.meta.set(NAMES)
        found.append(
            slit.replace(
                data=np.nan_to_num(slit.data, nan=1.0) + sky, dq=np.zeros_like(slit.dq),
                meta=meta.with_facts(INSTRUMENT.facts(meta)),
            )
        )  # fmt: skip
    return found


def rate(slit):
    return Rate(**{item.name: getattr(slit, item.name) for item in fields(Rate)})


@pytest.fixture(scope="module")
def subtracted(nods):
    first, second = nods
    pairs = ((first, second), (second, first))
    return [BkgSubtract()(own, backgrounds=(rate(other),)) for own, other in pairs]


def test_sky_goes_and_the_other_source_is_negative(nods, subtracted):
    first = subtracted[0]
    assert type(first) is Slit
    np.testing.assert_array_equal(first.wavelength, nods[0].wavelength)
    row = first.data[8:40].mean(axis=0)
    assert int(np.argmax(row)) < int(np.argmin(row))
    assert row.max() == pytest.approx(-row.min(), rel=0.1)
    assert abs(np.median(row)) < 0.3


def test_both_together_show_the_source_once(subtracted):
    group = Group("product", tuple(subtracted))
    kept = OutlierSpectra()(group)
    for member, nod in zip(kept.members, (-NOD / 2, NOD / 2), strict=True):
        columns = np.argwhere(member.dq & DQ.OUTLIER)[:, 1]
        assert (np.abs(columns - 15.2 - nod) > 3).mean() > 0.9, columns
    result = ResampleSpec(along="slit")(kept)
    row = np.nan_to_num(result.data[8:32]).mean(axis=0)
    alone = np.nan_to_num(ResampleSpec(along="slit")(Group("a", (subtracted[0],))).data[8:32])
    assert row.max() == pytest.approx(alone.mean(axis=0).max(), rel=0.15)
    # Each exposure's negative source is seen by itself.
    lows = np.sort(np.argsort(row)[:2])
    assert lows[1] - lows[0] == pytest.approx(2 * NOD, abs=2)
