"""Pictures of cubes and spectra."""

import numpy as np
import pytest

from calcore import io
from calcore.cli.pictures import draw
from calcore.model import Meta
from calcore.model.cube import Cube
from calcore.model.spectrum import (
    CombinedSpectra,
    CombinedSpectrum,
    SeriesSpectrum,
    Spectra,
    Spectrum,
    SpectrumSeries,
    table_of,
)
from calcore.report.pictures import looks
from calcore.report.spectra import is_spectral, spectral_figure, white_light

WAVELENGTH = np.linspace(5, 6, 40)


def cube(**more):
    data = np.ones((40, 12, 10), np.float32)
    data[:, 7, 3] = 50 * WAVELENGTH
    data[:5, 0] = np.nan
    data[:, :, 0] = np.nan
    meta = Meta({"bunit_data": "MJy/sr", "instrument.name": "ACME"})
    return Cube(**{"meta": meta, "data": data, "err": data / 10,
                   "dq": np.zeros(data.shape, np.uint32), **more})  # fmt: skip


def spectra(number, kind="POINT"):
    one = Spectrum.of(
        Meta({"spectrum.name": "A", "spectrum.source_type": kind}),
        WAVELENGTH=WAVELENGTH, FLUX=WAVELENGTH**2, FLUX_ERROR=WAVELENGTH / 9,
        SURF_BRIGHT=3 * WAVELENGTH, SB_ERROR=WAVELENGTH / 9,
    )  # fmt: skip
    return Spectra(meta=Meta({"instrument.name": "ACME"}), spectra=(one,) * number)


def lines(figure):
    return [
        line.get_ydata() for axes in figure.axes for line in axes.lines if len(line.get_ydata()) > 1
    ]


def test_white_light_is_the_mean_of_what_is_there():
    light = white_light(cube())
    assert light[0, 4] == 1
    assert light[7, 3] == pytest.approx(50 * WAVELENGTH.mean())
    assert np.isnan(light[:, 0]).all()


def test_the_brightest_spaxel_of_a_cube_is_drawn():
    (drawn,) = lines(spectral_figure(cube()))
    np.testing.assert_allclose(drawn, 50 * WAVELENGTH, rtol=1e-6)


def test_an_empty_cube_has_a_picture():
    empty = cube(data=np.full((40, 12, 10), np.nan, np.float32), err=None)
    figure = spectral_figure(empty)
    assert lines(figure) == []
    assert any("nothing fell" in axes.get_title() for axes in figure.axes)


@pytest.mark.parametrize(
    ("kind", "power"), [("POINT", WAVELENGTH**2), ("EXTENDED", 3 * WAVELENGTH)]
)
def test_flux_of_points_and_brightness_of_fields(kind, power):
    figure = spectral_figure(spectra(2, kind))
    first, second = lines(figure)
    np.testing.assert_allclose(first, power)
    assert ("MJy/sr" in figure.axes[0].get_ylabel()) == (kind == "EXTENDED")
    assert second.size == 40


def test_a_line_beyond_the_panel_is_marked():
    record = spectra(1)
    record.spectra[0].table["FLUX"][20] = 1000.0
    (panel,) = spectral_figure(record).axes
    (mark,) = (line for line in panel.lines if line.get_marker() == "^")
    np.testing.assert_array_equal(mark.get_xdata(), WAVELENGTH[20:21])
    assert panel.get_ylim()[1] < 1000


def test_of_many_spectra_some_are_drawn_and_all_counted():
    figure = spectral_figure(spectra(9), "many")
    assert len(lines(figure)) == 6
    assert "the first 6 of 9" in figure.get_suptitle()


def test_time_series_and_combined_spectra():
    flux = np.outer([0.9, 1.0, 1.1], WAVELENGTH)
    flux[1, 3] = np.nan
    table = table_of(
        {"WAVELENGTH": np.tile(WAVELENGTH, (3, 1)), "FLUX": flux, "INT_NUM": [1, 2, 3]}
    )
    series = SpectrumSeries(meta=Meta({}), spectra=(SeriesSpectrum(meta=Meta({}), table=table),))
    drawn = lines(spectral_figure(series))[-1]
    assert drawn[10] == WAVELENGTH[10]
    assert drawn[3] == pytest.approx(WAVELENGTH[3])
    one = CombinedSpectrum.of(Meta({}), WAVELENGTH=WAVELENGTH, FLUX=WAVELENGTH, ERROR=WAVELENGTH)
    assert len(lines(spectral_figure(CombinedSpectra(meta=Meta({}), spectra=(one,))))) == 1


def test_pictures_lie_beside_products_and_on_the_page(tmp_path):
    file = io.write(cube(), tmp_path / "a_s3d.fits")
    other = io.write(spectra(1), tmp_path / "a_x1d.fits")
    assert draw([file, other]) == {
        file: (file.with_suffix(".png"),), other: (other.with_suffix(".png"),)
    }  # fmt: skip
    (look,) = looks(file)
    assert (look.stage, look.is_broad) == ("s3d", True)
    assert not is_spectral(Meta({}))
