"""Reference pixels against the reference pipeline."""

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import SirsKernel
from calcore.steps.detector.refpix import RefPix

NONE = {"refpix": "N/A", "sirskernel": "N/A"}


def border(rng, shape, start, bad=0.02):
    """Flags of a sub-array of a 2048² detector: reference pixels, some of them bad."""
    full = np.zeros((2048, 2048), np.uint32)
    reference = np.uint32(DQ.REFERENCE_PIXEL)
    for edge in (np.s_[:4], np.s_[-4:], np.s_[:, :4], np.s_[:, -4:]):
        full[edge] |= reference
    rows, columns = slice(start[1] - 1, None), slice(start[0] - 1, None)
    flags = full[rows, columns][: shape[0], : shape[1]].copy()
    flags[rng.random(shape) < bad] |= np.uint32(1)
    return flags


def drifting(rng, shape):
    """Noise with outliers, an offset for each column and drifts along both axes."""
    data = rng.normal(100, 5, shape) + rng.normal(0, 3, shape[-1])
    data += np.cumsum(rng.normal(0, 1, (*shape[:2], shape[2], 1)), axis=2)
    data += np.cumsum(rng.normal(0, 0.1, (*shape[:2], 1, shape[3])), axis=3)
    data[rng.random(shape) < 1e-3] += 200
    return data.astype(np.float32)


@pytest.mark.parametrize("detector", ["NRCA1", "NRCA2", "NIS", "NRS1", "GUIDER2"])
def test_full_frame(reference_pipeline, compare, make_ramp, detector):
    rng = np.random.default_rng(1)
    shape = (1, 2, 2048, 2048)
    flags = border(rng, shape[2:], (1, 1))
    flags[600:630, :4] |= np.uint32(1)
    flags[900:930, :4] |= np.uint32(1)
    flags[900:930, -4:] |= np.uint32(1)
    flags[:4, 512:1024] |= np.uint32(1)
    ramp = make_ramp(detector, shape=shape, data=drifting(rng, shape), pixeldq=flags)
    theirs = reference_pipeline.step("RefPixStep", ramp, NONE)
    assert theirs.meta["cal_step.refpix"] == "COMPLETE"
    compare.ramps(RefPix()(ramp), theirs, ulp=0)


@pytest.mark.parametrize(
    "settings",
    [
        {"use_side_ref_pixels": False},
        {"odd_even_columns": False},
        {"side_smoothing_length": 20},
        {"side_gain": 0.8},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_settings(reference_pipeline, compare, make_ramp, settings):
    rng = np.random.default_rng(2)
    shape = (1, 1, 64, 2048)
    data, flags = drifting(rng, shape), border(rng, shape[2:], (1, 1))
    ramp = make_ramp("NRCA2", shape=shape, data=data, pixeldq=flags, subarray="SUBGRISM64")
    theirs = reference_pipeline.step("RefPixStep", ramp, NONE, **settings)
    compare.ramps(RefPix(**settings)(ramp), theirs, ulp=0)


@pytest.mark.parametrize("outputs", [1, 4])
@pytest.mark.parametrize(
    ("detector", "start", "size"),
    [
        ("NRCA1", (1, 1), (64, 2048)),
        ("NRCA1", (701, 1), (64, 600)),
        ("NRCA2", (1, 1985), (64, 2048)),
        ("NRCA1", (2, 1), (64, 101)),
        ("NRCA2", (1, 100), (64, 40)),
        ("NRCA2", (101, 100), (64, 40)),
        ("NRCA2", (1985, 1985), (64, 64)),
        ("NIS", (1, 1985), (64, 2048)),
        ("NIS", (1993, 1), (2048, 56)),
    ],
)
def test_sub_array(reference_pipeline, compare, make_ramp, detector, start, size, outputs):
    rng = np.random.default_rng(3)
    shape = (2, 2, *size)
    data, flags = drifting(rng, shape), border(rng, size, start)
    ramp = make_ramp(
        detector, shape=shape, data=data, pixeldq=flags, subarray="SUB", start=start,
        exposure__noutputs=outputs, zeroframe=np.where(rng.random((2, *size)) < 0.01, np.float32(0), data[:, 0]),
    )  # fmt: skip
    theirs = reference_pipeline.step("RefPixStep", ramp, NONE)
    assert theirs.meta["cal_step.refpix"] == "COMPLETE"
    compare.ramps(RefPix()(ramp), theirs, ulp=0)


def kernels(rng, detector):
    """Weights of all frequencies, different for each amplifier and side."""
    frequency = np.arange(2049) / 2048
    shape = np.exp(-((frequency / 0.03) ** 2)) * np.exp(
        2j * np.pi * np.arange(4)[:, None] * frequency
    )
    weights = {
        name: (shape * share + 0.01 * rng.standard_normal((4, 2049))).astype(np.complex64)
        for name, share in (("gamma", 0.5), ("zeta", 0.4))
    }
    return {detector.lower(): weights}


def described(weights):
    """Return the reference for ours and for theirs."""
    return (
        SirsKernel(meta=Meta({}), weights=weights),
        {"type": "SIRSKernelModel", "meta": {}, "attributes": weights},
    )


@pytest.mark.parametrize(
    ("detector", "settings"),
    [
        ("NRCA1", {}),
        ("NRCA2", {"sigreject": 2.0, "gaussmooth": 3.0, "halfwidth": 12}),
        ("NIS", {"siglimit": 2.0}),
        ("GUIDER2", {"odd_even_columns": False}),
        ("NRS1", {"use_side_ref_pixels": False}),
    ],
)
def test_kernels_of_full_frames(reference_pipeline, compare, make_ramp, detector, settings):
    """Kernels smooth with neighbours: what differs is the order of sums, by a unit or two."""
    rng = np.random.default_rng(4)
    shape = (1, 2, 2048, 2048)
    flags = border(rng, shape[2:], (1, 1))
    flags[600:630, :4] |= np.uint32(1)
    ramp = make_ramp(detector, shape=shape, data=drifting(rng, shape), pixeldq=flags)
    ours, theirs = described(kernels(rng, detector))
    settings = {"refpix_algorithm": "sirs", **settings}
    answer = reference_pipeline.step(
        "RefPixStep", ramp, {"refpix": "N/A", "sirskernel": theirs}, **settings
    )
    result = RefPix(flagged_sides=True, **settings)(ramp, sirskernel=ours)
    compare.ramps(result, answer, ulp=2, scale=ramp.data)
    median = RefPix(**{**settings, "refpix_algorithm": "median"})(ramp)
    assert np.any(median.data != result.data) == settings.get("use_side_ref_pixels", True)


@pytest.mark.parametrize("case", ["sub-array", "one output", "another detector", "none"])
def test_without_kernels_the_median_is_taken(reference_pipeline, compare, make_ramp, case):
    rng = np.random.default_rng(5)
    shape = (1, 1, 64 if case in {"sub-array", "one output"} else 2048, 2048)
    data, flags = drifting(rng, shape), border(rng, shape[2:], (1, 1))
    ramp = make_ramp(
        "NRCA2", shape=shape, data=data, pixeldq=flags,
        subarray="SUBGRISM64" if shape[2] == 64 else "FULL",
        exposure__noutputs=1 if case == "one output" else 4,
    )  # fmt: skip
    ours, theirs = described(kernels(rng, "NRCA4" if case == "another detector" else "NRCA2"))
    if case == "none":
        ours, theirs = None, "N/A"
    answer = reference_pipeline.step(
        "RefPixStep", ramp, {"refpix": "N/A", "sirskernel": theirs}, refpix_algorithm="sirs"
    )
    result = RefPix(refpix_algorithm="sirs", flagged_sides=True)(ramp, sirskernel=ours)
    compare.ramps(result, answer, ulp=0)
