"""An environment with core and one instrument does that instrument, and names what is missing."""

import json

import pytest
from astropy.io import fits

INSTALLED = """
import json, sys
from importlib.metadata import distributions
print(json.dumps(sorted({d.metadata["Name"] for d in distributions() if d.metadata["Name"]})))
"""


def exposure(path, instrument, detector, exposure_type):
    """Write a file with the headers of an exposure."""
    primary = fits.PrimaryHDU()
    primary.header.update(
        {
            "TELESCOP": "JWST", "INSTRUME": instrument, "DETECTOR": detector,
            "EXP_TYPE": exposure_type, "NINTS": 1, "NGROUPS": 2, "NFRAMES": 1, "GROUPGAP": 0,
            "TFRAME": 10.0, "TGROUP": 10.0, "SUBARRAY": "FULL", "SUBSTRT1": 1, "SUBSTRT2": 1,
            "SUBSIZE1": 8, "SUBSIZE2": 8, "DATE-OBS": "2026-01-01", "TIME-OBS": "00:00:00.0",
        }
    )  # fmt: skip
    import numpy as np

    data = fits.ImageHDU(np.zeros((1, 2, 8, 8), np.uint16), name="SCI")
    fits.HDUList([primary, data]).writeto(path)
    return path


def test_only_core_and_one_instrument_are_there(clean, tmp_path):
    done = clean.python("-c", INSTALLED, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    ours = [name for name in json.loads(done.stdout) if name.startswith("calcore")]
    assert ours == ["calcore", "calcore-miri"]


@pytest.mark.parametrize("command", ["plan", "run"])
@pytest.mark.parametrize(
    ("instrument", "detector", "exposure_type"),
    [("NIRCAM", "NRCA1", "NRC_IMAGE"), ("NIRISS", "NIS", "NIS_IMAGE")],
)
def test_another_instrument_s_exposure_says_what_to_install(
    clean, tmp_path, command, instrument, detector, exposure_type
):
    exposure(tmp_path / "jw1_other_uncal.fits", instrument, detector, exposure_type)
    done = clean.calcore(command, "jw1_other_uncal.fits", cwd=tmp_path)
    assert done.returncode in {1, 2}
    assert f"pip install calcore-{instrument.lower()}" in done.stderr
    assert "jw1_other" in done.stderr
    assert "Traceback" not in done.stderr
    assert "since  of" not in done.stderr
    assert not list(tmp_path.glob("*rate*"))


def test_asking_for_another_instrument_says_what_to_install(clean, tmp_path):
    done = clean.calcore("run", "--instrument", "nircam", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install calcore-nircam" in done.stderr


def test_every_part_can_be_loaded(clean, tmp_path):
    done = clean.calcore("plugins", "list", "--check", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "calcore-miri" in done.stdout
    assert "nircam" not in done.stdout


def test_core_s_data_travels_in_the_wheel(clean, tmp_path):
    done = clean.calcore("steps", "dark_current", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "reference dark" in done.stdout


def test_core_alone_lists_itself_and_its_steps(alone, tmp_path):
    listed = alone.calcore("plugins", "list", cwd=tmp_path)
    assert (listed.returncode, listed.stderr) == (0, "")
    packages = [line for line in listed.stdout.splitlines() if not line.startswith(" ")]
    assert packages == ["calcore 0.1.0"]
    steps = alone.calcore("steps", cwd=tmp_path)
    assert (steps.returncode, steps.stderr) == (0, "")
    assert "ramp_fit" in steps.stdout
