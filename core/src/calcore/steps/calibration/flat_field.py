"""Divide by the response of pixels relative to each other."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np

from calcore.kernels.flat_field import factor, total_error, variance
from calcore.kernels.invalid import reconcile
from calcore.kernels.multiplicative import multiply
from calcore.model import Image, Meta, Reference
from calcore.model.reference import Flat
from calcore.parameters import Doc
from calcore.step import Rows, Step


@dataclass(frozen=True, kw_only=True)
class FlatField(Step):
    """Divide an image by the flat field, and add the flat field's noise to the image's.

    Pixels whose response is unknown (not finite, 0, or flagged NO_FLAT_FIELD or DO_NOT_USE) are
    flagged DO_NOT_USE. Afterwards pixels that are NaN in any plane, or flagged so, are NaN in all.
    """

    inverse: Annotated[bool, Doc("Undo the correction: multiply by the flat field.")] = False

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, image: Image, *, flat: Flat) -> Image:
        """Correct signal, errors and variances, and make `var_flat`."""
        by, flags = factor(flat.data, flat.dq)
        data = multiply(image.data, by, inverse=self.inverse)
        variances = {
            name: None
            if plane is None
            else multiply(plane, by, variance=True, inverse=self.inverse)
            for name in ("var_poisson", "var_rnoise")
            if (plane := getattr(image, name)) is not None
        }
        var_flat = np.zeros_like(data) if self.inverse else variance(data, by, flat.err)
        parts: list[Any] = list(variances.values())
        if not parts:
            scaled = multiply(image.err, by, inverse=self.inverse)
            parts = [scaled * scaled]
        err = total_error([*parts, var_flat])
        planes = {"data": data, "err": err, **variances, "var_flat": var_flat}
        return image.replace(**reconcile(image.dq | flags, planes))
