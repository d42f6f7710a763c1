"""The whole of stage 2 on a simulated exposure: files of both pipelines, header by header."""

import numpy as np
import pytest
from astropy.io import fits

from calcore import io
from calcore.model import Image, Ramp, Rate

# Names of references that no step of imaging uses; the reference pipeline notes N/A for them.
UNUSED = {
    "R_CAMERA", "R_CHRCOR", "R_COLLIM", "R_DISPER", "R_DFLAT", "R_FFLAT", "R_SFLAT", "R_FORE",
    "R_FPA", "R_IFUFOR", "R_IFUPOS", "R_IFUSLI", "R_MSA", "R_OTE", "R_REGION", "R_SPCWCS",
    "R_WAVRAN",
}  # fmt: skip
# What is written at another time, by another program, or for an association that is not there.
OTHERWISE = {"DATE", "CAL_VER", "CAL_VCS", "ASNPOOL", "ASNTABLE"}
# An instrument, and what its exposure says besides.
CASES = {
    "miri": ("miri", {}),
    "nircam": ("nircam", {}),
    "niriss": ("niriss", {}),
    "fgs": ("fgs", {}),
    "target acquisition": ("niriss", {"exposure.type": "NIS_TACQ"}),
    "coronagraph": ("miri", {"exposure.type": "MIR_4QPM", "exposure.nints": 2}),
    "time series": (
        "nircam", {"exposure.type": "NRC_TSIMAGE", "exposure.nints": 2, "visit.tsovisit": True}
    ),
    "interferometer": ("niriss", {"exposure.type": "NIS_AMI", "exposure.nints": 2}),
    "guider, integrations": ("fgs", {"exposure.nints": 2}),
}  # fmt: skip


# A step that is skipped attaches nothing.
LACKING = {"interferometer": {"AREA", "PIXAR_A2", "PIXAR_SR", "R_AREA", "R_PHOTOM"}}


def rate_of(raw, folder, **changes):
    """Write a rough count rate of a raw exposure: its last minus its first group.

    Of several integrations there is one each, and they differ.
    """
    ramp = io.open(raw, Ramp)
    time = ramp.meta["exposure.group_time"] * (ramp.meta["exposure.ngroups"] - 1)
    first, last = (ramp.data[0, group].astype(np.float32) for group in (0, -1))
    data = (last - first) / np.float32(time)
    rng = np.random.default_rng(8)
    integrations = changes.get("exposure.nints", 0)
    if integrations:
        data = np.stack([data * np.float32(1 + 0.1 * k) for k in range(integrations)])
    dq = (rng.random(data.shape) < 0.01).astype(np.uint32)
    data[rng.random(data.shape) < 0.01] = np.nan
    var_poisson = np.abs(data) / np.float32(time) + np.float32(1e-3)
    var_rnoise = rng.gamma(4, 1e-3, data.shape).astype(np.float32)
    rate = Rate(
        meta=ramp.meta.set({"bunit_data": "DN/s", "bunit_err": "DN/s", **changes}),
        carried=ramp.carried,
        data=data,
        err=np.sqrt(var_poisson + var_rnoise),
        dq=dq,
        var_poisson=var_poisson,
        var_rnoise=var_rnoise,
    )
    path = folder / raw.name.replace("_uncal", "_rateints" if integrations else "_rate")
    io.write(rate, path)
    return path


def differences(ours, theirs):
    """Return the header cards of `theirs` that `ours` lacks or has otherwise."""
    found = {}
    for hdu in theirs:
        if hdu.name == "ASDF" or hdu.name not in ours:
            continue
        own = ours[hdu.name].header
        for card in hdu.header.cards:
            if card.keyword in {"", "COMMENT", "HISTORY", *UNUSED, *OTHERWISE}:
                continue
            value = own.get(card.keyword)
            same = value == card.value
            if isinstance(card.value, float) and isinstance(value, int | float):
                same = np.isclose(value, card.value, rtol=1e-6, atol=0)
            if not same:
                found[hdu.name, card.keyword] = (value, card.value)
    return found


@pytest.mark.parametrize("case", CASES)
def test_same_rate_gives_the_same_image(reference_pipeline, own_batch, request, tmp_path, case):
    reference_pipeline.require()
    instrument, changes = CASES[case]
    visit = request.getfixturevalue(f"{instrument}_visit")
    rate, cache = rate_of(visit.raw[0], tmp_path, **changes), visit.folder / "crds_cache"
    made = reference_pipeline.pipeline(
        "Image2Pipeline", rate, tmp_path / "theirs", cache=cache, steps={"resample": {"skip": True}}
    )
    product = "_calints.fits" if "exposure.nints" in changes else "_cal.fits"
    theirs = next(path for path in made if path.name.endswith(product))
    job = {
        "inputs": str(rate), "output": str(tmp_path / "ours"), "stage": "2",
        "settings": {"resample.skip": True},
    }  # fmt: skip
    own_batch([job], tmp_path / "ours", cache).finish()
    ours = tmp_path / "ours" / theirs.name
    with fits.open(ours) as mine, fits.open(theirs) as reference:
        lacking = LACKING.get(case, set())
        wrong = differences(mine, reference)
        assert {item: pair for item, pair in wrong.items() if item[1] not in lacking} == {}
        held = {hdu.name for hdu in mine}
        assert held == {hdu.name for hdu in reference} - lacking
        planes = {"SCI", "ERR", "VAR_POISSON", "VAR_RNOISE", "VAR_FLAT", "AREA"}
        for name in planes & held:
            np.testing.assert_allclose(
                mine[name].data, reference[name].data, rtol=1e-6, atol=0, err_msg=name
            )
        np.testing.assert_array_equal(mine["DQ"].data, reference["DQ"].data)
    one, other = io.open(ours, Image), io.open(theirs, Image)
    ny, nx = one.data.shape[-2:]
    y, x = np.meshgrid(np.linspace(0, ny - 1, 9), np.linspace(0, nx - 1, 9), indexing="ij")
    sky = other.wcs(x, y, with_bounding_box=False)
    straight = np.stack(one.wcs.invert(*one.wcs(x, y, with_bounding_box=False)))
    assert np.abs(np.stack(one.wcs.invert(*sky)) - straight).max() < 1e-6
