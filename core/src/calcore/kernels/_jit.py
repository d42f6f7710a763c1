"""The one decorator that compiles kernels.

A kernel is a plain function of arrays and numbers, written as scalar loops. Its annotations are its
compiled signature: an array alias such as `F4x3` (float32, three axes, C-ordered) or ``float``,
``int``, ``bool``. Arrays are read-only unless the parameter is called ``out`` or begins with
``out_``. Compilation happens at the first call and is kept in a per-user cache folder; where that
cannot be written, as in a container without a home, each process compiles for itself.

Write loops, not array expressions: ``out[:] = a`` alone costs 5 s of compilation, a loop 0.05 s,
``x**2`` 0.1 s where ``x * x`` costs nothing, and each type of ``np.empty`` another 0.1 s.

numba is loaded with the first kernel that is called: it takes 100 MB and half a second, and what only
plans a run, or hands it to other processes, calls none.
"""

import gc
import inspect
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, update_wrapper
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Generic, ParamSpec, TypeVar, get_type_hints

import numpy as np
from numpy.typing import NDArray
from platformdirs import user_cache_path

if TYPE_CHECKING:
    from numba import types

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True)
class ArrayType:
    """Element type, by numba's name, and number of axes of a C-ordered array argument."""

    scalar: str
    axes: int


F4x1 = Annotated[NDArray[np.float32], ArrayType("float32", 1)]
F4x2 = Annotated[NDArray[np.float32], ArrayType("float32", 2)]
F4x3 = Annotated[NDArray[np.float32], ArrayType("float32", 3)]
F4x4 = Annotated[NDArray[np.float32], ArrayType("float32", 4)]
F8x1 = Annotated[NDArray[np.float64], ArrayType("float64", 1)]
F8x2 = Annotated[NDArray[np.float64], ArrayType("float64", 2)]
F8x3 = Annotated[NDArray[np.float64], ArrayType("float64", 3)]
F8x4 = Annotated[NDArray[np.float64], ArrayType("float64", 4)]
F8x5 = Annotated[NDArray[np.float64], ArrayType("float64", 5)]
U1x1 = Annotated[NDArray[np.uint8], ArrayType("uint8", 1)]
U1x2 = Annotated[NDArray[np.uint8], ArrayType("uint8", 2)]
U1x3 = Annotated[NDArray[np.uint8], ArrayType("uint8", 3)]
U1x4 = Annotated[NDArray[np.uint8], ArrayType("uint8", 4)]
U2x3 = Annotated[NDArray[np.uint16], ArrayType("uint16", 3)]
U2x4 = Annotated[NDArray[np.uint16], ArrayType("uint16", 4)]
U4x1 = Annotated[NDArray[np.uint32], ArrayType("uint32", 1)]
U4x2 = Annotated[NDArray[np.uint32], ArrayType("uint32", 2)]
U4x3 = Annotated[NDArray[np.uint32], ArrayType("uint32", 3)]
I4x1 = Annotated[NDArray[np.int32], ArrayType("int32", 1)]
I4x2 = Annotated[NDArray[np.int32], ArrayType("int32", 2)]
I4x3 = Annotated[NDArray[np.int32], ArrayType("int32", 3)]
I8x1 = Annotated[NDArray[np.int64], ArrayType("int64", 1)]
I8x2 = Annotated[NDArray[np.int64], ArrayType("int64", 2)]
I8x3 = Annotated[NDArray[np.int64], ArrayType("int64", 3)]
B1x1 = Annotated[NDArray[np.bool_], ArrayType("boolean", 1)]
B1x2 = Annotated[NDArray[np.bool_], ArrayType("boolean", 2)]
B1x3 = Annotated[NDArray[np.bool_], ArrayType("boolean", 3)]

# Nothing calls kernels from C, so the entry for that need not be compiled.
_OPTIONS: dict[str, Any] = {"error_model": "numpy", "no_cfunc_wrapper": True}
_COMPILING = threading.RLock()
_SCALARS = {float: "float64", int: "int64", bool: "boolean"}
_HELPERS: list[Callable[..., Any]] = []
"""Those that numba has not been told of."""

# Site-packages may be read-only, and a per-user folder survives a reinstallation.
_FOLDER = Path(os.environ.get("NUMBA_CACHE_DIR") or user_cache_path("calcore") / "kernels")


@cache
def _numba() -> Any:
    """Return numba, which keeps what it compiles in our folder."""
    import numba  # noqa: PLC0415 - see above

    numba.config.CACHE_DIR = str(_FOLDER)  # type: ignore[attr-defined] # declared at run time
    return numba


@cache
def _keeps() -> bool:
    """Return whether machine code can be kept; numba would refuse to compile at all."""
    try:
        _FOLDER.mkdir(parents=True, exist_ok=True)
    except OSError:
        return False
    return os.access(_FOLDER, os.W_OK | os.X_OK)


def _argument(name: str, hint: Any) -> "types.Type":
    """Return numba's type of one annotated parameter."""
    known: Any = _numba().types
    kinds = [extra for extra in getattr(hint, "__metadata__", ()) if isinstance(extra, ArrayType)]
    found: types.Type
    if hint in _SCALARS:
        found = getattr(known, _SCALARS[hint])
    elif kinds:
        written = name == "out" or name.startswith("out_")
        scalar = getattr(known, kinds[0].scalar)
        found = known.Array(scalar, kinds[0].axes, "C", readonly=not written)
    else:
        raise TypeError(
            f"kernel parameter {name!r}: {hint!r} is no array alias, float, int or bool"
        )
    return found


class Kernel(Generic[P, R]):
    """A compiled function; compiles itself when it is first called."""

    def __init__(self, function: Callable[P, R]) -> None:
        self.function = function
        self._compiled: Callable[P, R] | None = None
        update_wrapper(self, function)

    def signature(self) -> "tuple[types.Type, ...]":
        """Return the argument types the annotations declare."""
        hints = get_type_hints(self.function, include_extras=True)
        parameters = inspect.signature(self.function).parameters
        return tuple(_argument(name, hints[name]) for name in parameters)

    def compile(self) -> Callable[P, R]:
        """Return the machine code, compiling it or taking it from the cache if need be."""
        if self._compiled is None:
            with _COMPILING:
                self._compiled = self._compiled or self._decorated()
        return self._compiled

    def _decorated(self) -> Callable[P, R]:
        while _HELPERS:
            _numba().extending.register_jitable(**_OPTIONS)(_HELPERS.pop())
        decorate = _numba().njit([self.signature()], cache=_keeps(), nogil=True, **_OPTIONS)
        collecting = gc.isenabled()
        gc.disable()  # compiling makes many objects, and looking them over takes a tenth of the time
        try:
            compiled: Callable[P, R] = decorate(self.function)
        finally:
            if collecting:
                gc.enable()
        return compiled

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.compile()(*args, **kwargs)


def kernel(function: Callable[P, R]) -> Kernel[P, R]:
    """Compile a function of arrays and numbers by its annotations, at its first call."""
    return Kernel(function)


def helper(function: Callable[P, R]) -> Callable[P, R]:
    """Mark a scalar function that kernels of the same file call; it is compiled with them."""
    _HELPERS.append(function)
    return function


@helper
def unsigned(number: int) -> Any:
    """Return a number that is not negative as one that cannot be.

    Loops whose variable is ``range(unsigned(n))`` over ``plane[y, unsigned(left) + x]`` work on many
    elements at once; where an index might be negative, for all the compiler knows, each element is
    looked at for that first, and takes four times as long or more. Both must be unsigned: a signed and an
    unsigned integer make a floating-point number.
    """
    return np.uint64(number)
