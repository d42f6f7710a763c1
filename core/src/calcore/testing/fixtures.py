"""Fixtures that pytest finds wherever calcore is installed; nothing else is imported until they are used."""

from collections.abc import Callable
from typing import Any

import pytest


@pytest.fixture
def calcore_ramp() -> Callable[..., Any]:
    """Make ramps of an imaginary detector: `calcore.testing.a_ramp`."""
    from calcore.testing import a_ramp  # noqa: PLC0415 - heavy

    return a_ramp


@pytest.fixture
def calcore_rate() -> Callable[..., Any]:
    """Make count rates of an imaginary detector: `calcore.testing.a_rate`."""
    from calcore.testing import a_rate  # noqa: PLC0415 - heavy

    return a_rate


@pytest.fixture
def calcore_image() -> Callable[..., Any]:
    """Make calibrated exposures of an imaginary detector: `calcore.testing.an_image`."""
    from calcore.testing import an_image  # noqa: PLC0415 - heavy

    return an_image


@pytest.fixture
def calcore_reference() -> Callable[..., Any]:
    """Make references for an exposure: `calcore.testing.a_reference`."""
    from calcore.testing import a_reference  # noqa: PLC0415 - heavy

    return a_reference
