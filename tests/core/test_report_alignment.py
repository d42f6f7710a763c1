"""The picture of what is left between the stars of aligned exposures."""

from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units as u
from astropy.table import QTable
from matplotlib.image import imread

from calcore.cli.pictures import draw
from calcore.cli.report import _looks
from calcore.errors import DataUnusable, OutputProblem
from calcore.report import alignment_figure, save_figure
from calcore.report.pictures import looks


def residuals(*, against="exposures", spread=2.0, stars=60, seed=3):
    rng = np.random.default_rng(seed)
    table = QTable({"image": ["a_cal.fits"] * stars, "exposure": 1 + np.arange(stars) % 3})
    table["against"] = [against] * stars
    for name in ("x", "y"):
        table[name] = rng.uniform(0, 300, stars) * u.pix
        table[f"residual_{name}"] = rng.normal(0, spread / 100, stars) * u.pix
    for name in ("east", "north"):
        table[f"residual_{name}"] = rng.normal(0, spread, stars) * u.mas
    table["snr"] = 10 ** rng.uniform(1, 3, stars)
    table["used"] = rng.uniform(size=stars) > 0.1
    table["residual_x"][:5] = np.nan * u.pix
    table["used"][:5] = False
    table.meta["exposures"] = [
        {"exposure": 1, "status": "REFERENCE"}, {"exposure": 2, "status": "SUCCESS"},
        {"exposure": 3, "status": "FAILED: not enough matches"},
    ]  # fmt: skip
    return table


def test_a_picture_beside_the_table(tmp_path):
    file = tmp_path / "mosaic_tweakreg.ecsv"
    residuals().write(file)
    (tmp_path / "mosaic_cat.ecsv").write_text("no table")  # of which none is drawn
    drawn = draw([file, tmp_path / "mosaic_cat.ecsv"])
    assert drawn == {file: (tmp_path / "mosaic_tweakreg.png",)}
    image = imread(drawn[file][0])
    assert image.shape[0] > 800
    assert np.unique(image[..., :3].reshape(-1, 3), axis=0).shape[0] > 50
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".ecsv", ".ecsv", ".png"]
    (look,) = looks(file)
    assert look.is_broad
    assert look.uri.startswith("data:image/png")


def test_reports_show_what_alignment_left(tmp_path):
    file = tmp_path / "jw01-o001_t1_tweakreg.ecsv"
    residuals().write(file)
    product = SimpleNamespace(name="jw01-o001_t1", inputs=(), files=(file,))
    shown, _ = _looks([product], 9)
    assert [(look.stage, look.is_broad) for look in shown[product.name]] == [("residuals", True)]


def test_pictures_of_little(tmp_path):
    nothing = residuals()
    nothing["residual_x"] = np.nan * u.pix
    nothing["used"] = False
    assert save_figure(alignment_figure(nothing), tmp_path / "none.png").is_file()
    users = residuals(against="catalogue")
    users["snr"] = np.nan
    assert save_figure(alignment_figure(users), tmp_path / "catalogue.png").is_file()


def test_what_is_refused(tmp_path):
    table = residuals()
    del table["snr"]
    with pytest.raises(DataUnusable, match="has no snr; give what tweakreg wrote"):
        save_figure(alignment_figure(table), tmp_path / "x.png")
    with pytest.raises(OutputProblem, match="the picture cannot be written"):
        save_figure(alignment_figure(residuals()), tmp_path / "none" / "x.png")
