"""Windows of persistence through runs: in time order, by every executor, into and out of files."""

import shutil

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.run import Status, plan, run
from calcore.simulate.sky_options import SkyOptions
from calcore_nircam.simulate import SIMULATION

BRIGHT = SkyOptions(
    stars=3000.0, galaxies=0.0, brightest=50.0, faintest=0.01, slope=0.02, grid=False
)
SETTINGS = {"persistence.skip": False, "persistence.persistence_time": 1000}


@pytest.fixture(scope="module")
def visit(module_folder):
    """Three exposures of a small sub-array, and one of a larger after them."""
    from calcore.simulate import VisitOptions, simulate

    folder = module_folder
    common = {"n_groups": 4, "sky": BRIGHT, "seed": 3, "truth": False}
    simulate(SIMULATION, folder, VisitOptions(subarray="SUB160", n_dithers=3, **common))
    with fits.open(max(folder.glob("*_uncal.fits"))) as last:
        start = last[0].header["EXPSTART"] + 0.002
    more = VisitOptions(subarray="SUB320", n_dithers=1, observation=2, start_mjd=start, **common)
    simulate(SIMULATION, folder, more)
    return folder


@pytest.fixture
def references(visit, monkeypatch):
    monkeypatch.setenv("CRDS_SERVER_URL", "https://crds-serverless-mode.stsci.edu")
    monkeypatch.setenv("CRDS_OBSERVATORY", "jwst")
    monkeypatch.setenv("CRDS_READONLY_CACHE", "1")
    monkeypatch.setenv("CRDS_PATH", str(visit / "crds_cache"))
    monkeypatch.delenv("CRDS_CONTEXT", raising=False)


def raw_of(visit):
    return sorted(visit.glob("*_uncal.fits"))


def products(folder):
    """Return pixels and flags of count rates, and windows, by name."""
    found = {}
    for path in sorted(folder.glob("*_rate.fits")):
        with fits.open(path) as file:
            found[path.name] = [np.array(file[name].data) for name in ("SCI", "ERR", "DQ")]
    for path in sorted(folder.glob("*_persistence.asdf")):
        found[path.name] = path.read_bytes()
    return found


def flagged(folder, number):
    """Return how many pixels of an exposure have the flag."""
    with fits.open(sorted(folder.glob("*_rate.fits"))[number]) as file:
        return int((file["DQ"].data & 32 != 0).sum())


def test_order_and_executors_change_nothing(visit, references, tmp_path):
    raw = raw_of(visit)
    given = {
        "serial": raw,
        "processes": [raw[2], raw[0], raw[3], raw[1]],
        "dask": [raw[3], raw[2], raw[1], raw[0]],
    }
    for executor, paths in given.items():
        result = run(
            paths, stage="1", output=tmp_path / executor, executor=executor, jobs=2,
            settings=SETTINGS,
        )  # fmt: skip
        assert result.exit_status == 0, [made.reason for made in result.products]
    serial, *others = (products(tmp_path / executor) for executor in given)
    assert len(serial) == 8
    for other in others:
        assert serial.keys() == other.keys()
        for name, content in serial.items():
            if isinstance(content, bytes):
                assert content == other[name]
            else:
                for one, two in zip(content, other[name], strict=True):
                    np.testing.assert_array_equal(one, two)
    for number, path in enumerate(sorted((tmp_path / "serial").glob("*_rate.fits"))):
        slots = io.read_node(path, "calcore")["detector1"]["slots"]
        (slot,) = [slot for slot in slots if slot["name"] == "persistence"]
        before = f"{raw[number - 1].name.removesuffix('_uncal.fits')}_persistence.asdf"
        assert slot.get("state") == (before if number else None)
    alone = run(raw[1], stage="1", output=tmp_path / "alone", settings=SETTINGS)
    assert alone.exit_status == 0
    assert flagged(tmp_path / "serial", 1) > flagged(tmp_path / "alone", 0) > 0


def test_windows_go_from_a_subarray_to_a_larger_one(visit, references, tmp_path):
    raw = raw_of(visit)
    result = run([raw[0], raw[3]], stage="1", output=tmp_path, settings=SETTINGS)
    assert result.exit_status == 0, [made.reason for made in result.products]
    left, later = (io.read_asdf_tree(path)["NRCB1"] for path in sorted(tmp_path.glob("*.asdf")))
    with fits.open(sorted(tmp_path.glob("*_rate.fits"))[1]) as file:
        flags = file["DQ"].data & 32 != 0
    inside = np.zeros(flags.shape, bool)
    rows = left["rows"] + left["origin"][0] - later["origin"][0]
    columns = left["cols"] + left["origin"][1] - later["origin"][1]
    read = (rows >= 0) & (rows < 320) & (columns >= 0) & (columns < 320)
    inside[rows[read], columns[read]] = True
    assert inside.sum() > 20
    assert flags[inside].all()
    assert len(later.get("beyond", {"rows": []})["rows"]) == (~read).sum()


def test_a_run_goes_on_from_a_file_as_if_it_had_made_all(visit, references, tmp_path):
    raw = raw_of(visit)[:3]
    whole, parts, left = tmp_path / "whole", tmp_path / "parts", tmp_path / "left.asdf"
    assert run(raw, stage="1", output=whole, settings=SETTINGS).exit_status == 0
    first = {**SETTINGS, "persistence.save_persistence": str(left)}
    assert run(raw[:2], stage="1", output=parts, settings=first).exit_status == 0
    second = {**SETTINGS, "persistence.persistence_array_file": str(left)}
    assert run(raw[2], stage="1", output=parts, settings=second).exit_status == 0
    for name, content in products(whole).items():
        if not isinstance(content, bytes):
            np.testing.assert_array_equal(content[2], products(parts)[name][2])
    assert flagged(whole, 2) > flagged(whole, 0)


def test_what_is_there_is_kept_and_what_is_missing_is_made_again(visit, references, tmp_path):
    raw = raw_of(visit)[:2]
    assert run(raw, stage="1", output=tmp_path, settings=SETTINGS).exit_status == 0
    before = products(tmp_path)
    again = run(raw, stage="1", output=tmp_path, settings=SETTINGS)
    assert [made.status for made in again.products] == [Status.KEPT, Status.KEPT]
    for path in sorted(tmp_path.glob("*00002*")):
        path.unlink()
    again = run(raw, stage="1", output=tmp_path, settings=SETTINGS)
    assert [made.status for made in again.products] == [Status.KEPT, Status.COMPLETE]
    assert products(tmp_path).keys() == before.keys()
    name = next(name for name in before if "00002" in name and name.endswith(".fits"))
    np.testing.assert_array_equal(products(tmp_path)[name][2], before[name][2])


def test_after_a_failure_the_next_exposure_is_not_made(visit, references, tmp_path):
    raw = [shutil.copy(path, tmp_path) for path in raw_of(visit)[:2]]
    with fits.open(raw[0], mode="update") as file:
        file[0].header["TGROUP"] = -1.0
    out = tmp_path / "out"
    first, second = run(raw, stage="1", output=out, settings=SETTINGS).products
    assert "TGROUP" in first.reason
    assert second.reason == f"not made, since detector1 of {first.name} failed"
    assert run(raw, stage="1", output=out).products[1].status is Status.COMPLETE


def test_what_is_wrong_is_said_before_the_first_pixel(visit, references, tmp_path):
    raw = raw_of(visit)[0]
    (nothing,) = plan(raw, stage="1", settings={"persistence.skip": False})
    assert "persistence_time is None, and there is no usual value" in nothing.error
    mine = {**SETTINGS, "persistence.state": str(tmp_path / "nowhere.asdf")}
    (absent,) = plan(raw, stage="1", settings=mine)
    assert "nowhere.asdf: is not there; name a file" in absent.error
    (skipped,) = plan(raw, stage="1")
    assert {slot.name: slot.skip for slot in skipped.slots}["persistence"].startswith(
        "switched off"
    )
