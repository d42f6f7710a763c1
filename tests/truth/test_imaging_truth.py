"""Alignment, hits that stage 1 missed and errors of mosaics against the truth, on small fields.

The long measurement, benchmarks/truth_imaging.py, has more of all and writes docs/accuracy.md.
"""

import numpy as np
import pytest
from benchmarks import truth_alignment as alignment
from benchmarks import truth_apertures as apertures
from benchmarks import truth_outliers as outliers
from benchmarks.truth_imaging import TITLE
from benchmarks.truth_page import replaced


@pytest.mark.parametrize("fwhm", [1.0, 2.0])
def test_pointing_errors_are_mended(fwhm):
    field = alignment.field_of(fwhm, shape=(400, 420), n=2)
    score, residuals = alignment.ours(fwhm, field)
    assert score.misses == []
    assert score.stars > 150
    assert max(abs(off) for _, off in alignment.by_phase(residuals)) < 0.005
    scatter = [scatter for *_, scatter in alignment.by_snr(residuals, (10, 100, 1000))]
    assert scatter[0] < 0.05
    assert scatter[1] < 0.01


def test_a_shift_that_is_not_mended_is_seen():
    field = alignment.field_of(2.0, shape=(200, 210), n=2)
    shift, rotation = alignment.errors(field.group.members[1], field.true[1])
    assert shift == pytest.approx(0.5 / 0.11, rel=0.05)
    # At a corner; the camera's distortion turns what is shifted a little, too.
    assert rotation == pytest.approx(np.radians(0.05) * 0.11 * np.hypot(99.5, 104.5), rel=0.1)


@pytest.mark.parametrize(("exposures", "fwhm"), [(2, 2.0), (3, 1.0)])
def test_hits_are_flagged_and_stars_are_not(exposures, fwhm):
    field = outliers.field_of(exposures, fwhm)
    score = outliers.ours(field, fwhm)
    assert score.misses == []
    assert score.flanks[0] == 0
    assert score.sky[0] < 1e-5 * score.sky[1]
    usual = outliers.ours(field, fwhm, "reference")
    assert ("hits" if exposures == 2 else "cores") in usual.misses


@pytest.mark.parametrize("grid", ["pixfrac 1, ratio 1", "pixfrac 0.6, ratio 0.5"])
def test_empty_apertures_scatter_by_their_errors(grid):
    group = apertures.field_of(shape=(300, 320))
    score = apertures.ours(group, grid)
    assert score.misses == []
    assert score.apertures > 300
    assert score.ratio > 1.1


def test_only_one_section_of_the_page_is_replaced():
    page = f"# A\n\n{TITLE}\n\nold\n\n### Part\n\nold\n\n## The profile `reference`\n\nrest\n"
    new = replaced(page, f"{TITLE}\n\nnew\n\n")
    assert new == f"# A\n\n{TITLE}\n\nnew\n\n## The profile `reference`\n\nrest\n"
    assert replaced("# A\n", f"{TITLE}\n\nnew\n\n") == f"# A\n\n{TITLE}\n\nnew\n"
