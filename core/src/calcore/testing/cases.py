"""What those of core's steps are checked with that find nothing to do in exposures as they come."""

import numpy as np

from calcore.model.reference import Gain
from calcore.model.superstripes import taken_together
from calcore.steps.combination.assign_mtwcs import AssignMTWcs
from calcore.steps.combination.tweakreg import TweakReg
from calcore.steps.detector.collate_stripes import CollateStripes
from calcore.steps.detector.gain_scale import GainScale
from calcore.steps.detector.group_scale import GroupScale
from calcore.steps.detector.persistence import Persistence
from calcore.testing.contract import Case
from calcore.testing.samples import a_group, a_ramp, a_rate, a_reference, metadata


def assign_mtwcs() -> Case:
    """Exposures of a target that has moved by some pixels between them."""
    group = a_group(2)
    members = [
        own.replace(meta=own.meta.set({"wcsinfo.mt_ra": 10 + 1e-4 * k, "wcsinfo.mt_dec": 20.0}))
        for k, own in enumerate(group.members)
    ]
    return Case(AssignMTWcs(), group.with_members(members))


def collate_stripes() -> Case:
    """Three positions of a stripe, of six rows and two that are read each time."""
    stripes = {
        "multistripe_reads1": 2, "multistripe_skips1": 0, "multistripe_reads2": 6,
        "multistripe_skips2": 4, "repeat_stripe": 1, "interleave_reads1": 1,
        "superstripe_step": 6, "num_superstripe": 3,
    }  # fmt: skip
    ramp = a_ramp((3, 2, 8, 64), hits=0)
    told = {f"subarray__{name}": value for name, value in stripes.items()}
    numbers = {"exposure__nints": 3, "exposure__ngroups": 2, "subarray__ysize": 8}
    ramp = ramp.replace(meta=metadata(64, 64, **numbers, **told))
    return Case(CollateStripes(), taken_together(ramp).loaded())


def gain_scale() -> Case:
    """Count rates taken with half the usual gain."""
    rate = a_rate(exposure__gain_factor=2.0)
    return Case(GainScale(), rate, {"gain": a_reference(Gain, rate)})


def group_scale() -> Case:
    """Ramps whose frames were divided by two, of which each group has one."""
    return Case(GroupScale(), a_ramp(exposure__frame_divisor=2))


def persistence() -> Case:
    """Ramps with a saturated pixel, which glows for some groups."""
    return Case(
        Persistence(persistence_time=35.0),
        a_ramp(exposure__integration_time=80.0),
        {"windows": None},
    )


def tweakreg() -> Case:
    """Exposures of one field, whose stars are some pixels apart."""
    rows, columns = shape = (96, 120)
    y, x = np.mgrid[9:rows:18, 9:columns:18] + np.random.default_rng(1).uniform(-3, 3, (2, 5, 7))
    down, along = (np.arange(size)[:, None, None] for size in shape)
    light = np.einsum(
        "aij,bij->ab", np.exp(-((down - y) ** 2) / 2), np.exp(-((along - x) ** 2) / 2)
    )
    group = a_group(2, shape)
    members = [own.replace(data=own.data + (300 * light).astype("f4")) for own in group.members]
    return Case(TweakReg(), group.with_members(members))
