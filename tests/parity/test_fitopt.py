"""What each part of a ramp gave, and chi square: optional products against the reference pipeline's."""

import numpy as np
import pytest
from astropy.io import fits

from calcore.simulate import VisitOptions, simulate
from calcore.simulate.sky_options import SkyOptions
from calcore_nircam.simulate import SIMULATION


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Return folders of raw exposures of a crowded field, each with a cache of references."""
    found = []
    for pattern, groups in (("RAPID", 6), ("SHALLOW4", 4)):
        folder = tmp_path_factory.mktemp(pattern.lower())
        options = VisitOptions(
            seed=5, subarray="SUB160", pattern=pattern, n_groups=groups, n_ints=2, n_dithers=1,
            sky=SkyOptions.crowded(),
        )  # fmt: skip
        simulate(SIMULATION, folder, options)
        found.append(folder)
    return found


def products(reference_pipeline, own_batch, folder, suffix, **settings):
    """Return ours, theirs, and which integrations of pixels have a rate in theirs."""
    (raw,) = folder.glob("*_uncal.fits")
    which = f"{suffix}_{len(settings)}"
    cache, theirs, ours = (folder / x for x in ("crds_cache", f"theirs_{which}", f"ours_{which}"))
    reference_pipeline.pipeline(
        "Detector1Pipeline", raw, theirs, cache=cache, steps={"ramp_fit": settings}
    )
    job = {
        "inputs": str(raw), "output": str(ours), "stage": "1",
        "settings": {f"ramp_fit.{name}": value for name, value in settings.items()},
    }  # fmt: skip
    own_batch([job], ours, cache).finish()
    found = [planes(next(place.glob(f"*_{suffix}.fits"))) for place in (ours, theirs)]
    rated = np.isfinite(planes(next(theirs.glob("*_rateints.fits")))[1]["SCI"])
    return *found, rated


def planes(path):
    """Return the model's name and the images of a file."""
    with fits.open(path) as file:
        images = {item.name: np.array(item.data) for item in file if item.is_image and item.size}
        return file[0].header["DATAMODL"], images


@pytest.mark.parametrize("suppress", [True, False])
@pytest.mark.parametrize("number", [0, 1])
def test_parts_of_ramps(reference_pipeline, own_batch, exposures, number, suppress):
    reference_pipeline.require()
    settings = {"save_opt": True} if suppress else {"save_opt": True, "suppress_one_group": False}
    (model, ours), (named, theirs), rated = products(
        reference_pipeline, own_batch, exposures[number], "fitopt", **settings
    )
    assert model == named
    assert set(ours) == set(theirs)
    for name, other in theirs.items():
        assert ours[name].shape == other.shape, name
        # What pixels that are not used have there is nobody's business.
        known = rated if other.ndim == 3 else np.repeat(rated[:, None], other.shape[1], axis=1)
        scale = float(np.nanmax(np.abs(other), initial=0))
        np.testing.assert_allclose(
            ours[name][known], other[known], rtol=1e-4, atol=1e-6 * scale, err_msg=name
        )


def test_chi_square(reference_pipeline, own_batch, exposures):
    reference_pipeline.require()
    (model, ours), (named, theirs), _ = products(
        reference_pipeline, own_batch, exposures[0], "likely_chisq",
        save_opt=True, algorithm="LIKELY",
    )  # fmt: skip
    assert model == named
    mine, other = ours["SCI"], theirs["SCI"]
    # Ramps of two differences are left alone by us; jwst looks for jumps in them.
    same = np.isclose(mine, other, rtol=1e-4, equal_nan=True)
    assert same.mean() > 0.98
