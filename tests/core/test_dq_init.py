"""Flags of pixels and samples at the start."""

import numpy as np

from calcore.flags import DQ
from calcore.model import Meta
from calcore.model.reference import Mask, UserFlags
from calcore.steps.detector.dq_init import DqInit


def test_mask_joins_the_flags_and_only_do_not_use_reaches_the_samples(detector_ramp):
    flags = np.zeros((8, 8), np.uint32)
    flags[1, 2] = DQ.DO_NOT_USE | DQ.DEAD
    flags[3, 4] = DQ.REFERENCE_PIXEL
    groupdq = np.full((2, 3, 8, 8), int(DQ.DROPOUT), np.uint8)
    pixeldq = np.full((8, 8), int(DQ.HOT), np.uint32)
    ramp = detector_ramp(np.ones((2, 3, 8, 8)), groupdq=groupdq, pixeldq=pixeldq)
    result = DqInit()(ramp, mask=Mask(meta=Meta({}), dq=flags))
    np.testing.assert_array_equal(result.pixeldq, flags | np.uint32(DQ.HOT))
    assert (result.groupdq[..., 1, 2] == DQ.DROPOUT | DQ.DO_NOT_USE).all()
    assert np.sum(result.groupdq != DQ.DROPOUT) == 6
    assert (ramp.groupdq == DQ.DROPOUT).all()


def test_flags_of_the_user_s_own_join_those_of_the_mask(detector_ramp):
    known, own = np.zeros((8, 8), np.uint32), np.zeros((8, 8), np.uint32)
    known[1, 1], own[1, 1] = DQ.HOT, DQ.DO_NOT_USE
    own[3, 4] = DQ.NO_SAT_CHECK
    given = {"mask": Mask(meta=Meta({}), dq=known), "userdq": UserFlags(meta=Meta({}), dq=own)}
    result = DqInit()(detector_ramp(np.ones((2, 3, 8, 8))), **given)
    np.testing.assert_array_equal(result.pixeldq, known | own)
    assert (result.groupdq[..., 1, 1] == DQ.DO_NOT_USE).all()
    assert np.count_nonzero(result.groupdq) == 6
