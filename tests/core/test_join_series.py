"""Segments of a time series put together."""

import numpy as np
import pytest

from calcore.errors import ShapesDisagree
from calcore.model import Group, Meta
from calcore.model.spectrum import SeriesSpectrum, SpectrumSeries, table_of
from calcore.steps.combination.join_series import JoinSeries
from calcore.testing import Case, StepContract

TIMES = np.dtype([("integration_number", "i4"), ("int_mid_MJD_UTC", "f8")])


def segment(number, integrations, length=5, names=("A",)):
    wavelength = np.tile(np.linspace(5, 6, length), (len(integrations), 1))
    table = table_of({
        "INT_NUM": integrations, "WAVELENGTH": wavelength, "FLUX": wavelength * number,
        "DQ": np.zeros(wavelength.shape), "N_ALONGDISP": np.full(len(integrations), length),
        "SEGMENT": np.zeros(len(integrations)),
    })  # fmt: skip
    told = {"exposure.start_time": 60000.0 + number, "exposure.segment_number": number,
            "exposure.integration_start": integrations[0],
            "exposure.integration_end": integrations[-1],
            "exposure.exposure_time": 10.0 * len(integrations)}  # fmt: skip
    spectra = tuple(SeriesSpectrum(meta=Meta({"spectrum.name": n}), table=table) for n in names)
    times = np.array([(i, 60000 + i) for i in integrations], TIMES)
    return SpectrumSeries(meta=Meta(told), spectra=spectra, int_times=times)


def joined(*segments):
    return JoinSeries()(Group("a", segments))


def test_segments_follow_each_other_in_time():
    (one,) = joined(segment(2, [4, 5]), segment(1, [1, 2, 3])).spectra
    assert one.table["INT_NUM"].tolist() == [1, 2, 3, 4, 5]
    assert one.table["SEGMENT"].tolist() == [1, 1, 1, 2, 2]
    np.testing.assert_allclose(one.table["FLUX"][:, 0], [5, 5, 5, 10, 10])
    assert joined(segment(2, [4]), segment(1, [3])).int_times["integration_number"].tolist() == [
        3,
        4,
    ]


def test_times_are_those_of_all_segments():
    meta = joined(segment(2, [4, 5]), segment(1, [1, 2, 3])).meta
    assert (meta["exposure.integration_start"], meta["exposure.integration_end"]) == (1, 5)
    assert meta["exposure.exposure_time"] == 50.0
    assert "exposure.segment_number" not in meta
    assert "group_id" not in meta


def test_shorter_spectra_are_filled():
    (one,) = joined(segment(1, [1]), segment(2, [2], length=7)).spectra
    assert one.table["N_ALONGDISP"].tolist() == [5, 7]
    assert np.isnan(one.table["FLUX"][0, 5:]).all()
    assert np.isfinite(one.table["FLUX"][1]).all()
    assert one.table["DQ"][0].tolist() == [0] * 7


def test_apertures_stay_apart():
    series = joined(segment(1, [1], names=("A", "B")), segment(2, [2], names=("A", "B")))
    assert [one.meta["spectrum.name"] for one in series.spectra] == ["A", "B"]
    assert [len(one.table) for one in series.spectra] == [2, 2]


def test_tables_of_other_columns_are_refused():
    other = segment(2, [2])
    (one,) = other.spectra
    bare = one.replace(table=one.table[["INT_NUM", "WAVELENGTH", "FLUX"]])
    with pytest.raises(ShapesDisagree, match="segments have spectra of other columns"):
        joined(segment(1, [1]), other.replace(spectra=(bare,)))


class TestJoinSeriesContract(StepContract):
    def case(self):
        return Case(JoinSeries(), Group("a", (segment(1, [1, 2]), segment(2, [3]))))
