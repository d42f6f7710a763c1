"""What a fit of ramps gives: records made of its arrays."""

from dataclasses import dataclass, replace

from calcore.kernels.ramp_fit_ols import RampFit
from calcore.model import Meta, Ramp, Rate
from calcore.model.exposure import Flags, Float, Layer
from calcore.model.layout import TableExtension, fields_of


@dataclass(frozen=True, eq=False)
class RampFitResult:
    """Count rates of the exposure and of each integration, and what is only saved."""

    rate: Rate
    rateints: Rate
    likely_chisq: Layer | None = None

    @property
    def meta(self) -> Meta:
        """Metadata of the products."""
        return self.rate.meta

    def replace(self, *, meta: Meta) -> "RampFitResult":
        """Return the same products with other metadata."""
        return replace(
            self, rate=self.rate.replace(meta=meta), rateints=self.rateints.replace(meta=meta)
        )


def products(ramp: Ramp, fit: RampFit, chi_square: Float | None = None) -> RampFitResult:
    """Make records of the arrays."""
    meta = ramp.meta.set({"bunit_data": "DN/s", "bunit_err": "DN/s"})

    def record(data: Float, err: Float, photons: Float, read: Float, dq: Flags) -> Rate:
        return Rate(
            meta=meta, carried=ramp.carried, window=ramp.window,
            data=data, err=err, dq=dq, var_poisson=photons, var_rnoise=read,
        )  # fmt: skip

    rate = record(fit.rate, fit.err, fit.var_poisson, fit.var_rnoise, fit.dq)
    data, err, photons, read = fit.integrations
    rateints = record(data, err, photons, read, fit.integrations_dq)
    likely_chisq = (
        None if chi_square is None else Layer(meta=ramp.meta, window=ramp.window, data=chi_square)
    )
    tables = {name: getattr(ramp, name) for name in fields_of(Rate, TableExtension)}
    return RampFitResult(rate, rateints.replace(**tables), likely_chisq)
