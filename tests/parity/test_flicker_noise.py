"""Noise that flickers, against the reference pipeline.

Masks of background are given: to make them, the reference pipeline would fit ramps with references
from CRDS. That its masks are ours is seen where whole pipelines are compared.
"""

import dataclasses
import tomllib
from importlib.resources import files

import numpy as np
import pytest

from calcore.flags import DQ
from calcore.model import ExposureType, Facts, Meta, Rate
from calcore.model.reference import Flat, Gain, ReadNoise, UserMask
from calcore.steps.detector.clean_flicker_noise import CleanFlickerNoise

EMPTY = Meta({})
SIZE = (48, 64)


@pytest.fixture(scope="session")
def written_mask(tmp_path_factory):
    """A mask as a file that stays where it is, so that answers are found again."""
    from astropy.io import fits

    folder = (tmp_path_factory.getbasetemp().parents[0] / "calcore-parity-masks").resolve()
    folder.mkdir(exist_ok=True)

    def write(pixels):
        path = folder / f"mask_{'x'.join(map(str, pixels.shape))}_{int(pixels.sum())}.fits"
        header = fits.Header({"DATAMODL": "CubeModel" if pixels.ndim == 3 else "ImageModel"})
        planes = [fits.PrimaryHDU(header=header), fits.ImageHDU(pixels.astype("f4"), name="SCI")]
        fits.HDUList(planes).writeto(path, overwrite=True)
        return path

    return write


def given(shape):
    ones = np.ones(shape, np.float32)
    return {"gain": Gain(meta=EMPTY, data=ones), "readnoise": ReadNoise(meta=EMPTY, data=ones)}


def striped(make_ramp, detector, shape, *, seed=1, **more):
    rng = np.random.default_rng(seed)
    along_y = detector in ("NIS", "NRS1", "NRS2", "MIRIMAGE")
    stripes = rng.normal(0, 4, (*shape[:2], 1, shape[3]) if along_y else (*shape[:3], 1))
    rises = rng.normal(40, 6, shape)
    rises[..., 10:14, 20:25] += 700
    data = (np.cumsum(rises, axis=1) + stripes).astype(np.float32)
    groupdq = rng.choice([0] * 40 + [1, 4, 2, 32], shape).astype(np.uint8)
    groupdq[0, 2, 7] = int(DQ.JUMP_DET)
    ramp = make_ramp(detector, shape, data=data, groupdq=groupdq, **more)
    if detector == "MIRIMAGE":
        facts = ramp.meta.facts
        turned = dataclasses.replace(facts.detector, flicker_axis=2)
        ramp = ramp.replace(meta=ramp.meta.with_facts(Facts(turned, facts.exposure_type)))
    return ramp


def masked(shape, seed=3):
    rng = np.random.default_rng(seed)
    pixels = rng.random(shape) > 0.2
    pixels[..., 5, :] = False
    pixels[..., 5, 9] = True
    pixels[..., 8, :] = False
    return pixels


@pytest.mark.parametrize("detector", ["NRCA1", "NIS", "NRS1", "MIRIMAGE"])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"n_sigma": 3.0},
        {"n_sigma": 0.0},
        {"background_method": None},
        {"background_method": "model"},
        {"background_method": "model", "background_box_size": [16, 9]},
    ],
)
def test_medians(reference_pipeline, compare, make_ramp, written_mask, detector, settings):
    shape = (2, 5, *SIZE)
    ramp = striped(
        make_ramp, detector, shape, subarray="SUB64P" if detector == "NRCA1" else "SUB64"
    )
    pixels = masked(SIZE)
    theirs = reference_pipeline.step(
        "CleanFlickerNoiseStep", ramp, user_mask=str(written_mask(pixels)), **settings
    )
    own = {
        key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()
    }
    user = UserMask(meta=EMPTY, data=pixels.astype(np.float32))
    ours = CleanFlickerNoise(**own)(ramp, mask=user, **given(SIZE))
    assert np.abs(ours.data - ramp.data).max() > 5
    scale = np.abs(ramp.data).max(axis=1, keepdims=True)
    compare.ramps(ours, theirs, ulp=2, groupdq=0, scale=scale)


def test_masks_of_each_integration(reference_pipeline, compare, make_ramp, written_mask):
    ramp = striped(make_ramp, "NRCA1", (2, 4, *SIZE), subarray="SUB64P")
    pixels = masked((2, *SIZE))
    theirs = reference_pipeline.step(
        "CleanFlickerNoiseStep", ramp, user_mask=str(written_mask(pixels)), single_mask=False
    )
    user = UserMask(meta=EMPTY, data=pixels.astype(np.float32))
    ours = CleanFlickerNoise(single_mask=False)(ramp, mask=user, **given(SIZE))
    compare.ramps(ours, theirs, ulp=2, groupdq=0, scale=np.abs(ramp.data).max())


def test_flat_field(reference_pipeline, compare, make_ramp, written_mask):
    rng = np.random.default_rng(4)
    ramp = striped(make_ramp, "NRCA1", (1, 5, *SIZE), subarray="SUB64P")
    response = rng.normal(1, 0.05, SIZE).astype(np.float32)
    response[3, 3], response[9, 9] = np.nan, 0
    dq = (rng.random(SIZE) < 0.05).astype(np.uint32)
    flat = Flat(meta=EMPTY, data=response, err=np.zeros(SIZE, np.float32), dq=dq)
    pixels = masked(SIZE)
    theirs = reference_pipeline.step(
        "CleanFlickerNoiseStep", ramp, {"flat": flat}, user_mask=str(written_mask(pixels)),
        apply_flat_field=True,
    )  # fmt: skip
    user = UserMask(meta=EMPTY, data=pixels.astype(np.float32))
    step = CleanFlickerNoise(apply_flat_field=True)
    ours = step(ramp, flat=flat, mask=user, **given(SIZE))
    compare.ramps(ours, theirs, ulp=2, groupdq=0, scale=np.abs(ramp.data).max())


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
def test_frequencies_of_full_frames(reference_pipeline, make_ramp, written_mask, detector):
    size = (2048, 2048)
    rng = np.random.default_rng(5)
    data = np.zeros((1, 2, *size), np.float32)
    wave = np.sin(2 * np.pi * np.arange(2048) / 1500)[:, None] * np.sin(np.arange(2048) / 9)
    data[0, 1] = 40 + rng.normal(0, 5, size) + 4 * wave
    pixels = np.ones(size, bool)
    pixels[300:420], pixels[900:1100, 100:900] = False, False
    pixels[rng.random(size) < 0.2] = False
    pixels[:4] = pixels[-4:] = pixels[:, :4] = pixels[:, -4:] = False
    ramp = make_ramp(detector, data.shape, data=data)
    theirs = reference_pipeline.step(
        "CleanFlickerNoiseStep", ramp, user_mask=str(written_mask(pixels)), fit_method="fft"
    )
    user = UserMask(meta=EMPTY, data=pixels.astype(np.float32))
    step = CleanFlickerNoise(fit_method="fft", displaced_smoothing=True)
    ours = step(ramp, mask=user, **given(size))
    # Lines beside those without a pixel have weights that rounding decides there.
    off = np.abs(ours.data - theirs.data)[0, 1][:, 14:-14]
    assert off.max() < 0.05  # [DN], a hundredth of the noise


def series(flicker, gaps, *, lines=32, width=512, seed=2):
    """Differences of a sub-array's groups (line, pixel), their flicker noise, and unlit pixels."""
    rng = np.random.default_rng(seed)
    count = lines * (width + 12)
    frequency = np.fft.rfftfreq(2 * count)
    amplitude = np.append(0, frequency[1:] ** -0.5)
    waves = amplitude * (rng.normal(size=count + 1) + 1j * rng.normal(size=count + 1))
    noise = np.fft.irfft(waves)[:count].reshape(lines, -1)[:, :width]
    noise *= flicker / noise.std()
    pixels = rng.random(noise.shape) > 0.1
    if gaps:
        pixels[:] = np.arange(width) % 64 >= 16
    return 40 + rng.normal(0, 5, noise.shape) + noise, noise, pixels


def cleaned_by_both(reference_pipeline, make_ramp, written_mask, detector, image, pixels):
    """What each takes out of a difference, in read-out order turned: ours with a prior, in pieces; theirs."""
    data = np.zeros((1, 2, *image.T.shape), np.float32)
    data[0, 1] = image.T
    ramp = make_ramp(detector, data.shape, data=data, subarray="SUB512")
    theirs = reference_pipeline.step(
        "CleanFlickerNoiseStep", ramp, user_mask=str(written_mask(pixels.T)), fit_method="fft"
    )
    user = UserMask(meta=EMPTY, data=pixels.T.astype(np.float32))
    ours = [
        CleanFlickerNoise(fit_method="fft", subarray_fit=fit)(
            ramp, mask=user, **given(data.shape[2:])
        )
        for fit in ("prior", "pieces")
    ]
    return [(data[0, 1] - one.data[0, 1]).T for one in (*ours, theirs)]


@pytest.mark.parametrize("flicker", [0.0, 2.0])
@pytest.mark.parametrize("gaps", [False, True])
def test_frequencies_of_sub_arrays(reference_pipeline, make_ramp, written_mask, gaps, flicker):
    image, noise, pixels = series(flicker, gaps)
    prior, pieces, theirs = cleaned_by_both(
        reference_pipeline, make_ramp, written_mask, "NRS1", image, pixels
    )
    np.testing.assert_allclose(pieces, theirs, atol=2e-5)  # [DN], rounding of the ramp
    assert np.std(prior - noise) < np.std(theirs - noise)


@pytest.mark.parametrize("detector", ["NRS1", "NRS2"])
@pytest.mark.parametrize(("lines", "width"), [(64, 33), (17, 200), (8, 1024), (80, 32)])
def test_pieces_of_sub_arrays(
    reference_pipeline, make_ramp, written_mask, detector, lines, width
):  # fmt: skip
    image, _, pixels = series(2.0, False, lines=lines, width=width, seed=lines)
    image[3, 7:20:4] += np.array([18, 21, 40, -300])  # outliers and their neighbours do not count
    pixels[: lines // 8] &= np.arange(width) % 3 > 0
    _, pieces, theirs = cleaned_by_both(
        reference_pipeline, make_ramp, written_mask, detector, image, pixels
    )
    np.testing.assert_allclose(pieces, theirs, atol=1e-4)


@pytest.mark.parametrize("part", [0.03, 0.06])
def test_sub_arrays_with_few_unlit_pixels(reference_pipeline, make_ramp, written_mask, part):
    image, _, _ = series(2.0, False, lines=33, width=64)
    pixels = np.random.default_rng(4).random(image.shape) < part
    _, pieces, theirs = cleaned_by_both(
        reference_pipeline, make_ramp, written_mask, "NRS1", image, pixels
    )
    np.testing.assert_allclose(pieces, theirs, atol=1e-4)
    assert (np.abs(theirs).max() < 1e-5) == (part < 0.05)


def scene(along_y, shape, *, slope=0.0, offset=0.0, scatter=0.0, bright=0):
    """An image of a sky that is even, inclined or crowded, or of amplifiers that differ."""
    rng = np.random.default_rng(8)
    lines, length = shape
    place = np.arange(length)
    own = 0.15 if max(offset, scatter) else 0.02
    image = 5 + rng.uniform(-own, own, shape) + slope * (place - length / 2)
    image += offset / 2 * np.repeat([1, -1, -1, 1], length // 4)
    image += rng.normal(0, 0.01, (lines, 1))
    if along_y:
        wave = np.resize([1, -1, -1, 1], lines)[:, None]
        image[:, -length // 4 :] += scatter * wave
    else:
        image += scatter * np.resize([1, -1, -1, 1], length)
    image[: bright * lines // 100] += rng.uniform(1, 4, length)
    return np.ascontiguousarray(image.T if along_y else image, np.float32)


SCENES = {
    "even": {},
    "inclined": {"slope": 2e-4},
    "little inclined": {"slope": 5e-5},
    "crowded": {"bright": 20},
    "crowded and inclined": {"bright": 20, "slope": 5e-5},
}
AMPLIFIERS = {"amplifiers apart": {"offset": 0.1}, "amplifiers noisy": {"scatter": 0.08}}


@pytest.mark.parametrize("detector", ["NRCA1", "NIS"])
@pytest.mark.parametrize("name", [*SCENES, *AMPLIFIERS])
def test_settings_that_suit_the_data(reference_pipeline, make_ramp, written_mask, detector, name):
    whole = name in AMPLIFIERS
    size = (2048, 2048) if whole else (256, 256)
    image = scene(detector == "NIS", size, **(AMPLIFIERS if whole else SCENES)[name])
    subarray = "FULL" if whole else "SUB256"
    kind = "NIS_IMAGE" if detector == "NIS" else "NRC_IMAGE"
    # Of two groups the rate is their difference, so that the one is cleaned as the other is.
    data = np.stack([np.zeros_like(image), image * np.float32(10)])[None]
    ramp = make_ramp(detector, data.shape, data=data, subarray=subarray, exposure__type=kind)
    none = np.zeros(size, np.uint32)
    flat = Flat(meta=EMPTY, data=np.ones(size, np.float32), err=none.astype(np.float32), dq=none)
    rate = Rate(meta=ramp.meta, data=image, err=np.zeros_like(image), dq=none)
    pixels = written_mask(np.ones(size, bool))
    theirs = reference_pipeline.step(
        "CleanFlickerNoiseStep", rate, {"flat": flat}, autoparam=True, user_mask=str(pixels)
    )
    table = files(f"calcore_{'niriss' if detector == 'NIS' else 'nircam'}") / "tables"
    row = tomllib.loads((table / "exposure_types.toml").read_text())[kind]
    facts = Facts(ramp.meta.facts.detector, ExposureType(name=kind, data=row))
    ramp = ramp.replace(meta=ramp.meta.with_facts(facts))
    user = UserMask(meta=EMPTY, data=np.ones(size, np.float32))
    step = CleanFlickerNoise(autoparam=True)
    ours = step(ramp, flat=flat, mask=user, **given(size)).data[0, 1] / 10
    assert np.abs(ours - image).max() > 0.005
    # Rounding decides of a pixel at the limit of clipping: less than a hundredth of the noise.
    assert np.abs(ours - theirs.data).max() < 1e-4
