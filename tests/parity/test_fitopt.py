"""What each part of a ramp gave, and chi square: optional products against the reference pipeline's."""

import os
import subprocess
import sys

import numpy as np
import pytest
from astropy.io import fits

from calcore.simulate.sky_options import SkyOptions
from calcore.simulate.visit import VisitOptions, simulate
from calcore_nircam.simulate import SIMULATION


@pytest.fixture(scope="module")
def exposures(tmp_path_factory):
    """Return folders of raw exposures of a crowded field, with the variables that tell CRDS."""
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


def variables(folder):
    return {
        "CRDS_PATH": str(folder / "crds_cache"),
        "CRDS_SERVER_URL": "https://crds-serverless-mode.stsci.edu",
        "CRDS_OBSERVATORY": "jwst",
        "CRDS_READONLY_CACHE": "1",
        "STPIPE_DISABLE_CRDS_STEPPARS": "True",
    }


def products(reference_pipeline, folder, suffix, **settings):
    """Return ours, theirs, and which integrations of pixels have a rate in theirs."""
    (raw,) = folder.glob("*_uncal.fits")
    which = f"{suffix}_{len(settings)}"
    theirs = folder / f"theirs_{which}"
    reference_pipeline.pipeline(
        "Detector1Pipeline", raw, theirs, environment=variables(folder),
        steps={"ramp_fit": settings},
    )  # fmt: skip
    ours = folder / f"ours_{which}"
    command = [
        sys.executable, "-m", "calcore.cli", "run", str(raw), "-o", str(ours), "--stage", "1",
        "--profile", "reference", "-q",
    ]  # fmt: skip
    for name, value in settings.items():
        command += [
            "--set",
            f"ramp_fit.{name}={str(value).lower() if isinstance(value, bool) else value}",
        ]
    subprocess.run(command, env={**os.environ, **variables(folder)}, check=True)
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
def test_parts_of_ramps(reference_pipeline, exposures, number, suppress):
    reference_pipeline.require()
    settings = {"save_opt": True} if suppress else {"save_opt": True, "suppress_one_group": False}
    (model, ours), (named, theirs), rated = products(
        reference_pipeline, exposures[number], "fitopt", **settings
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


def test_chi_square(reference_pipeline, exposures):
    reference_pipeline.require()
    (model, ours), (named, theirs), _ = products(
        reference_pipeline, exposures[0], "likely_chisq", save_opt=True, algorithm="LIKELY"
    )
    assert model == named
    mine, other = ours["SCI"], theirs["SCI"]
    # Ramps of two differences are left alone by us; jwst looks for jumps in them.
    same = np.isclose(mine, other, rtol=1e-4, equal_nan=True)
    assert same.mean() > 0.98
