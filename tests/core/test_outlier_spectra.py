"""Outliers of spectra, found among exposures of a slit."""

import numpy as np
import pytest

from calcore.errors import StepSkipped
from calcore.flags import DQ
from calcore.model import Group
from calcore.steps.combination.outlier_spectra import OutlierSpectra
from calcore.testing import Case, StepContract
from calcore.testing.spectra import a_nod, a_slit


def nod(count=4, hits=()):
    members = []
    for number, member in enumerate(a_nod(count).members):
        data = member.data.copy()
        for which, row, column in hits:
            if which == number:
                data[row, column] += 40 * member.err[row, column]
        clean = np.where(np.isnan(data), np.float32(1), data)
        members.append(member.replace(data=clean, dq=np.zeros_like(member.dq)))
    return Group("product", tuple(members))


class TestOutlierSpectra(StepContract):
    def case(self):
        return Case(OutlierSpectra(), nod(3, [(1, 20, 8)]))


@pytest.mark.parametrize("along", ["slit", "axis"])
def test_hits_are_found_and_the_source_is_kept(along):
    hits = [(0, 20, 9), (1, 30, 8), (3, 12, 10)]
    result = OutlierSpectra(along=along)(nod(hits=hits))
    found = [
        (number, *place)
        for number, member in enumerate(result.members)
        for place in np.argwhere(member.dq & DQ.OUTLIER).tolist()
    ]
    assert set(hits) <= set(found)
    assert len(found) <= len(hits) + 4
    first = result.members[0]
    assert np.isnan(first.data[20, 9])
    assert first.dq[20, 9] == DQ.OUTLIER | DQ.DO_NOT_USE


def test_nan_and_flags_are_made_alike():
    group = nod(3)
    data, dq = group.members[0].data.copy(), group.members[0].dq.copy()
    data[15, 15] = np.nan
    dq[16, 16] |= np.uint32(DQ.DO_NOT_USE)
    first = group.members[0].replace(data=data, dq=dq)
    result = OutlierSpectra()(Group("a", (first, *group.members[1:]))).members[0]
    assert result.dq[15, 15] & DQ.DO_NOT_USE
    assert np.isnan(result.data[16, 16])
    assert np.isnan(result.var_poisson[16, 16])


def test_a_single_exposure_cannot_be_compared():
    with pytest.raises(StepSkipped, match="at least two exposures"):
        OutlierSpectra()(Group("a", (a_slit(),)))
