"""References that only NIRSpec's steps ask for."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray

from calcore.errors import ReferenceInvalid
from calcore.model.exposure import Table
from calcore.model.layout import TableExtension
from calcore.model.reference import Reference


@dataclass(frozen=True, eq=False, kw_only=True)
class Irs2Weights(Reference):
    """Weights of the reference output and of interleaved reference pixels, for each frequency.

    `table` has columns ``alpha_0`` to ``alpha_3`` and ``beta_0`` to ``beta_3``, real and imaginary
    parts in turn; `bad` names reference pixels that are not to be used, one bit for each jump.
    """

    type: ClassVar[str] = "refpix"
    table: Annotated[Table, TableExtension("IRS2", required=True)]
    bad: Annotated[Table, TableExtension("DQ")] | None = None

    def weights(self, name: str, output: int, n_sample: int) -> NDArray[np.complex64]:
        """Return an output's weights (n_sample,) of a frame's frequencies, the negative ones last.

        Raises
        ------
        ReferenceInvalid
            The table is for frames of another size.
        """
        if len(self.table) != 2 * n_sample:
            raise ReferenceInvalid(
                f"the IRS2 table has {len(self.table)} rows where {2 * n_sample} are needed, two for "
                "each pixel time of a frame; give one of this read-out"
            )
        column = np.ascontiguousarray(self.table[f"{name}_{output}"], np.float32)
        return column.view(np.complex64)

    def bad_pairs(self, n_output: int, n_jump: int) -> NDArray[np.bool_]:
        """Return which pairs (n_output, n_jump, 2) are bad; jumps in ascending order of rows.

        Pairs are in the order of time; the reference output, the first one, has none.
        """
        bad = np.zeros((n_output, n_jump, 2), np.bool_)
        if self.bad is not None:
            for output, pair, mask in zip(
                self.bad["output"], self.bad["odd_even"], self.bad["mask"], strict=True
            ):
                bits = (int(mask) >> np.arange(n_jump)) & 1
                bad[int(output), :, int(pair) - 1] |= bits.astype(np.bool_)
        return bad
