"""Divide by the fringes that an evenly lit field shows."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from calcore.kernels.multiplicative import multiply
from calcore.model import Image, Meta, Reference
from calcore.parameters import Doc
from calcore.step import Rows, Step
from calcore_miri.kernels.transmission import correction
from calcore_miri.references import Fringe as FringeReference


@dataclass(frozen=True, kw_only=True)
class Fringe(Step):
    """Divide an image by the fringes of the detector, as an evenly lit field shows them.

    Layers of the detector interfere like an etalon (Argyriou et al. 2020, A&A 641, A150). What a
    source's own fringes differ by is left for `residual_fringe`. No pixel is flagged.
    """

    cites = ("Argyriou et al. 2020, A&A 641, A150",)

    unknown: Annotated[
        Literal["keep", "divide"],
        Doc(
            "Where the reference is 0, negative or infinite: keep the signal, or divide all the "
            "same. Where it is NaN, signals are kept."
        ),
    ] = "keep"

    def rows(self, meta: Meta, references: Mapping[str, Reference]) -> Rows:
        """Every pixel is on its own."""
        del meta, references
        return Rows()

    def apply(self, image: Image, *, fringe: FringeReference) -> Image:
        """Divide signal and errors, and variances by the square."""
        by = correction(fringe.data, keep_unknown=self.unknown == "keep")
        planes: dict[str, Any] = {
            name: multiply(plane, by, variance=name.startswith("var"))
            for name in ("data", "err", "var_poisson", "var_rnoise", "var_flat")
            if (plane := getattr(image, name)) is not None
        }
        return image.replace(**planes)
