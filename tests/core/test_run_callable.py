"""`calcore.run` is a package and a function."""

import pytest

import calcore
from calcore.errors import FileInvalid


def test_it_can_be_called_again_and_again(tmp_path):
    for _ in range(2):
        with pytest.raises(FileInvalid, match="is not there"):
            calcore.run(tmp_path / "none.fits")
