"""What steps for exposures of image slicers are checked with."""

from dataclasses import replace

import numpy as np

from calcore.model import ExposureType, Facts, Group, Image
from calcore.steps.calibration.badpix_selfcal import BadpixSelfcal
from calcore.steps.combination.outlier_slices import OutlierSlices
from calcore.testing.contract import Case
from calcore.testing.samples import an_image

BAD = (12, 17)
"""A pixel that is too bright in all exposures."""


def sliced(*, seed: int = 1, dispersion_axis: int = 2) -> Image:
    """Return an exposure of which the dispersion axis is known, with a bad pixel; dithered by `seed`."""
    image = an_image(seed=seed)
    kind = ExposureType(name="SLICED", data={"dispersion_axis": dispersion_axis})
    facts: Facts = replace(image.meta.facts, exposure_type=kind)
    data = image.data.copy()
    data[BAD] = np.float32(500)
    dithered = image.meta.set({"wcsinfo.ra_ref": 10 + seed / 3600})
    return image.replace(data=data, meta=dithered.with_facts(facts))


def badpix_selfcal() -> Case:
    """Return an exposure, and one of the background, which have a bad pixel in common."""
    given = {"backgrounds": (sliced(seed=2),), "selfcals": ()}
    return Case(BadpixSelfcal(flagfrac_upper=0.002), sliced(), given)


def outlier_slices() -> Case:
    """Return exposures which have a bad pixel in common."""
    members = tuple(sliced(seed=seed) for seed in (1, 2, 3))
    return Case(OutlierSlices(), Group("product", members))
