"""What NIRSpec's steps are checked with that nothing can be made up for."""

from typing import Any

import numpy as np
from astropy.modeling.models import Mapping, Scale, Shift

from calcore.model import Meta
from calcore.model.reference import Gain, PictureFrame, ReadNoise
from calcore.testing import Case
from calcore.testing.samples import a_ramp, a_reference, an_image
from calcore_nirspec.optical_references import (
    Camera,
    Collimator,
    DisperserFile,
    Fore,
    Fpa,
    Ote,
    WavelengthRange,
)
from calcore_nirspec.steps.assign_wcs import AssignWcs
from calcore_nirspec.steps.picture_frame import PictureFrame as Step


def assign_wcs() -> Case:
    """An image through optics that do nothing but scale."""
    image = an_image(
        instrument__detector="NRS1", instrument__grating="MIRROR", instrument__filter="F110W"
    )

    def scaled(factor: float) -> Any:
        return Scale(factor) & Scale(factor)

    empty = Meta({})
    pixels = Shift(-19.5) & Shift(-15.5) | scaled(18e-6)
    fore: Any = Mapping((0, 1), n_inputs=3) | scaled(1.5)
    fore.inverse = Mapping((0, 1), n_inputs=3) | scaled(1 / 1.5)
    angles = dict.fromkeys(("theta_x", "theta_y", "theta_z", "tilt_y"), 0.0)
    sensors = {key: {"zeroreadings": [0.0]} for key in ("gwa_tiltx", "gwa_tilty")}
    given = {
        "fpa": Fpa(meta=empty, first=pixels, second=pixels),
        "camera": Camera(meta=empty, model=scaled(3.4)),
        "collimator": Collimator(meta=empty, model=scaled(0.6)),
        "disperser": DisperserFile(meta=empty, tree={"grating": "MIRROR", **angles, **sensors}),
        "fore": Fore(meta=empty, model=fore),
        "ote": Ote(meta=empty, model=scaled(1e3) | Shift(300.0) & Shift(-400.0)),
        "wavelengthrange": WavelengthRange(
            meta=empty, names=["F110W_MIRROR"], ranges=[[1e-6, 1.3e-6]], orders=[-1]
        ),
    }
    return Case(AssignWcs(), image, given)


def picture_frame() -> Case:
    """Ramps of a detector that is as high as NIRSpec's, with edges that glow."""
    ramp = a_ramp((1, 3, 2048, 160))
    away = np.abs(np.arange(2048) - 1023.5) / 1024
    glow = np.repeat(away[:, None] ** 8, 160, axis=1).astype(np.float32)
    glow[:, :75] = 1.0
    given = {
        "gain": a_reference(Gain, ramp),
        "readnoise": a_reference(ReadNoise, ramp),
        "glow": a_reference(PictureFrame, ramp, data=glow),
    }
    strength = np.array([0, 5, 9], np.float32)[:, None, None]
    step = Step(mask_science_regions=False)
    return Case(step, ramp.replace(data=ramp.data + strength * glow), given)
