"""Spectra as records and in files."""

import numpy as np
import pytest

from calcore import io
from calcore.errors import FileInvalid
from calcore.model import Meta
from calcore.model.spectrum import (
    COLUMNS,
    CombinedSpectra,
    CombinedSpectrum,
    SeriesSpectrum,
    Spectra,
    Spectrum,
    SpectrumSeries,
    ascending,
    table_of,
    units_of,
)

META = Meta({"instrument.name": "ACME", "exposure.type": "ACM_SLIT"})


def _spectrum(number: int, rows: int = 4, **more: object) -> Spectrum:
    told = {"spectrum.name": f"S{number}", "spectrum.source_id": number}
    wavelength = np.linspace(5, 6, rows)
    return Spectrum.of(Meta(told), WAVELENGTH=wavelength, FLUX=wavelength * number, **more)


def test_columns_that_are_left_out_are_unknown_or_none() -> None:
    table = _spectrum(1, DQ=[0, 1, 0, 2]).table
    assert table.dtype.names == COLUMNS
    assert np.isnan(table["SURF_BRIGHT"]).all()
    assert table["NPIXELS"].tolist() == [0, 0, 0, 0]
    assert table["DQ"].dtype == np.uint32
    assert table["DQ"].tolist() == [0, 1, 0, 2]


def test_columns_are_changed_and_added() -> None:
    before = _spectrum(1)
    after = before.with_columns(FLUX=np.ones(4), RF_FLUX=np.zeros(4))
    assert after.table["FLUX"].tolist() == [1, 1, 1, 1]
    assert after.table.dtype.names == (*COLUMNS, "RF_FLUX")
    assert before.table["FLUX"][0] == 5


def test_spectra_of_many_sources_are_told_apart_in_a_file(tmp_path) -> None:
    counts = units_of("DN/s", "DN/s")
    spectra = (_spectrum(1), _spectrum(2, 6).replace(units=counts), _spectrum(3, 5))
    path = io.write(Spectra(meta=META, spectra=spectra), tmp_path / "many_x1d.fits")
    found = io.open(path)
    assert type(found) is Spectra
    assert [one.meta["spectrum.name"] for one in found.spectra] == ["S1", "S2", "S3"]
    assert [len(one.table) for one in found.spectra] == [4, 6, 5]
    assert found.spectra[0].units["FLUX"] == "Jy"
    assert found.spectra[1].units["FLUX"] == "DN/s"
    assert found.spectra[0].units["FLUX_VAR_FLAT"] == "Jy^2"
    assert found.meta["exposure.type"] == "ACM_SLIT"
    assert not any(name.startswith("spectrum.") for name in found.meta)
    assert found.spectra[2].table.tobytes() == spectra[2].table.tobytes()


def test_spectra_of_a_file_are_written_as_they_were(tmp_path) -> None:
    first = io.write(
        Spectra(meta=META, spectra=(_spectrum(1), _spectrum(2))), tmp_path / "a_x1d.fits"
    )
    again = io.open(io.write(io.open(first), tmp_path / "b_x1d.fits"))
    assert len(again.spectra) == 2
    assert again.carried.extensions == ()
    assert again.spectra[1].meta == io.open(first).spectra[1].meta


def test_a_time_series_has_a_row_for_each_integration(tmp_path) -> None:
    wavelength = np.tile(np.linspace(5, 6, 7), (3, 1))
    table = table_of({"WAVELENGTH": wavelength, "FLUX": wavelength, "INT_NUM": [1, 2, 3]})
    one = SeriesSpectrum(meta=Meta({"spectrum.spectral_order": 1}), table=table)
    path = io.write(SpectrumSeries(meta=META, spectra=(one,)), tmp_path / "series_x1dints.fits")
    found = io.open(path)
    assert type(found) is SpectrumSeries
    assert found.spectra[0].table["FLUX"].shape == (3, 7)
    np.testing.assert_array_equal(found.spectra[0].table["INT_NUM"], [1, 2, 3])


def test_combined_spectra(tmp_path) -> None:
    one = CombinedSpectrum.of(
        Meta({"combined.spectral_order": 2}), WAVELENGTH=[5.0, 6.0], N_INPUT=[3, 4]
    )
    path = io.write(CombinedSpectra(meta=META, spectra=(one,)), tmp_path / "sum_c1d.fits")
    found = io.open(path)
    assert type(found) is CombinedSpectra
    assert found.spectra[0].meta["combined.spectral_order"] == 2
    assert found.spectra[0].table["N_INPUT"].tolist() == [3, 4]
    assert found.spectra[0].table["WEIGHT"].tolist() == [0, 0]


def test_wavelengths_ascend() -> None:
    table = _spectrum(1).table
    assert ascending(table[::-1]).tobytes() == table.tobytes()


def test_a_file_with_neither_image_nor_spectrum_is_refused(tmp_path) -> None:
    from astropy.io import fits

    path = tmp_path / "odd_x1d.fits"
    column = fits.Column("A", "D", array=[1.0])
    table = fits.BinTableHDU.from_columns([column], name="OTHER")
    fits.HDUList([fits.PrimaryHDU(), table]).writeto(path)
    with pytest.raises(FileInvalid, match="has no extension SCI, so it is no exposure"):
        io.open(path)
