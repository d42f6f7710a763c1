"""Fits of a ramp by all methods there are, and records made of what they give."""

from dataclasses import dataclass, replace
from typing import Annotated, Any

import numpy as np

from calcore.citing import Work
from calcore.flags import DQ
from calcore.kernels.ramp_fit_anchored import ResetLevel, anchor
from calcore.kernels.ramp_fit_differences import fit_each
from calcore.kernels.ramp_fit_likelihood import fit_likely
from calcore.kernels.ramp_fit_ols import RampFit, fit_ordinary
from calcore.kernels.ramp_fit_segments import Segments, describe_segments
from calcore.model import Meta, Ramp, Rate
from calcore.model.exposure import Flags, Float, Layer
from calcore.model.fit_segments import FitSegments
from calcore.model.layout import TableExtension, fields_of
from calcore.model.usable_groups import Span
from calcore.parameters import If

_SEGMENTS, _IMAGE = "RampFitOutputModel", "ImageModel"  # what jwst calls these products
_LEAST = 4  # groups that LIKELY needs to look for jumps
WORKS: tuple[Work | str, ...] = (
    Work("Fixsen et al. 2000, PASP 112, 1350", algorithm="OLS_C"),
    Work("Regan 2007, JWST-STScI-001212", algorithm="OLS_C"),
    Work("Brandt 2024, PASP 136, 045004", algorithm="LIKELY"),
)


@dataclass(frozen=True, eq=False)
class RampFitResult:
    """Count rates of the exposure and of each integration, and what is only saved."""

    rate: Rate
    rateints: Rate
    fitopt: Annotated[FitSegments | None, If("save_opt"), If("algorithm", "OLS_C")] = None
    likely_chisq: Annotated[Layer | None, If("save_opt"), If("algorithm", "LIKELY")] = None

    @property
    def meta(self) -> Meta:
        """Metadata of the products."""
        return self.rate.meta

    def replace(self, *, meta: Meta) -> "RampFitResult":
        """Return the same products with other metadata."""
        return replace(
            self, rate=self.rate.replace(meta=meta), rateints=self.rateints.replace(meta=meta)
        )


@dataclass(frozen=True)
class Known:
    """What is known of all ramps: the groups there are, and their level after a reset."""

    span: Span
    level: ResetLevel | None = None


@dataclass(frozen=True, kw_only=True)
class Method:
    """How ramps are fitted; see the parameters of the step."""

    likely: bool
    joint: bool
    suppress_one_group: bool
    used: tuple[int, int]
    trim_each: bool
    anchored: int
    kept: bool


def fitted(
    ramp: Ramp, gain: Float, readnoise: Float, known: Known, method: Method
) -> RampFitResult:
    """Return count rates [DN/s]."""
    data, groupdq, dark = ramp.data, ramp.groupdq, ramp.average_dark_current
    common: dict[str, Any] = {
        "group_time_s": ramp.meta.group_time_s,
        "frame_time_s": ramp.meta.frame_time_s,
        "n_frames": ramp.meta.frames_per_group,
        "used": method.used,
    }
    # The reference pipeline adds electrons to DN.
    dark_dn = None
    if dark is not None:
        dark_dn = np.divide(dark, gain, out=np.zeros_like(dark), where=gain > 0)
    together = method.likely and method.joint
    span = known.span.first, data.shape[1] if known.span.end is None else known.span.end
    ordinary: dict[str, Any] = {
        **common,
        "dark": dark_dn if together else dark,
        "zeroframe": ramp.zeroframe,
        "suppress_one_group": method.suppress_one_group,
        "span": span,
        "trim_each": method.trim_each,
    }
    arrays = data, groupdq, ramp.pixeldq, gain, readnoise
    segments = chi_square = None
    fit = (fit_likely if together else fit_ordinary)(*arrays, **ordinary)
    if not together and method.likely and data.shape[1] >= _LEAST:
        each = fit_each(fit, *arrays, **common, dark=dark, zeroframe=ramp.zeroframe, span=span)
        fit, chi_square = each.fit, each.chi_square
    elif not together and method.kept:
        segments = describe_segments(*arrays, **ordinary)
    if known.level is not None:
        fit = anchor(
            fit, *arrays, known.level, **common, dark=dark_dn, zeroframe=ramp.zeroframe,
            most=method.anchored,
        )  # fmt: skip
    return _products(ramp, fit, segments, chi_square if method.kept else None)


def _products(
    ramp: Ramp, fit: RampFit, segments: Segments | None, chi_square: Float | None
) -> RampFitResult:
    """Make records of the arrays."""
    meta = ramp.meta.set({"bunit_data": "DN/s", "bunit_err": "DN/s"})

    def record(data: Float, err: Float, photons: Float, read: Float, dq: Flags) -> Rate:
        beyond = np.isinf(data)
        if beyond.any():
            # Samples so large that single precision cannot tell their rate: there is none.
            data = np.where(beyond, np.float32(np.nan), data)
            err, photons, read = (np.where(beyond, np.float32(0), p) for p in (err, photons, read))
            dq = np.where(beyond, dq | np.uint32(DQ.DO_NOT_USE), dq)
        return Rate(
            meta=meta, carried=ramp.carried, window=ramp.window,
            data=data, err=err, dq=dq, var_poisson=photons, var_rnoise=read,
        )  # fmt: skip

    rate = record(fit.rate, fit.err, fit.var_poisson, fit.var_rnoise, fit.dq)
    data, err, photons, read = fit.integrations
    rateints = record(data, err, photons, read, fit.integrations_dq)
    tables = {name: getattr(ramp, name) for name in fields_of(Rate, TableExtension)}
    parts: dict[str, Any] = {}
    if segments is not None:
        parts = {name: plane for name, plane in vars(segments).items() if plane.size}
    return RampFitResult(
        rate,
        rateints.replace(**tables),
        FitSegments(meta=ramp.meta.set(model_type=_SEGMENTS), window=ramp.window, **parts)
        if parts
        else None,
        None
        if chi_square is None
        else Layer(meta=ramp.meta.set(model_type=_IMAGE), window=ramp.window, data=chi_square),
    )
