"""References that only NIRSpec's steps ask for."""

from dataclasses import dataclass
from typing import Annotated, Any, ClassVar

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
            The table is for frames of another size, lacks the output, or has what is no number.
        """
        if len(self.table) != 2 * n_sample:
            raise ReferenceInvalid(
                f"the IRS2 table has {len(self.table)} rows where {2 * n_sample} are needed, two for "
                "each pixel time of a frame; give one of this read-out"
            )
        column = np.ascontiguousarray(_column(self.table, f"{name}_{output}"), np.float32)
        if not np.isfinite(column).all():
            raise ReferenceInvalid(
                f"the column {name}_{output} of the IRS2 table holds what is no number; give another "
                "file"
            )
        return column.view(np.complex64)

    def bad_pairs(self, n_output: int, n_jump: int) -> NDArray[np.bool_]:
        """Return which pairs (n_output, n_jump, 2) are bad; jumps in ascending order of rows.

        Pairs are in the order of time; the reference output, the first one, has none.

        Raises
        ------
        ReferenceInvalid
            The table names outputs or pairs that there are not.
        """
        bad = np.zeros((n_output, n_jump, 2), np.bool_)
        if self.bad is None:
            return bad
        names = "output", "odd_even", "mask"
        for output, pair, mask in zip(*(_column(self.bad, name) for name in names), strict=True):
            if not mask:
                continue
            if not (1 <= output < n_output and pair in (1, 2)):
                raise ReferenceInvalid(
                    f"the table DQ of IRS2 weights names output {output}, pair {pair}, where outputs "
                    f"1 to {n_output - 1} have pairs 1 and 2; give another file"
                )
            bits = (int(mask) >> np.arange(n_jump)) & 1
            bad[int(output), :, int(pair) - 1] |= bits.astype(np.bool_)
        return bad


def _column(table: Table, name: str) -> Any:
    """Return a column of a table.

    Raises
    ------
    ReferenceInvalid
        It is not there, or holds no numbers.
    """
    names = table.dtype.names or ()
    if name not in names or table.dtype[name].kind not in "iuf":
        raise ReferenceInvalid(
            f"the IRS2 weights have no column {name} of numbers, but {', '.join(names) or 'none'}; "
            "give another file"
        )
    return table[name]
