"""New packages: which names will do, and what is written."""

import tomllib

import pytest
from click.testing import CliRunner

from calcore.cli.app import commands
from calcore.errors import UsageError
from calcore.testing.newpackage import write_package


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("Spike Finder", "is no name for a package: use small letters, digits and hyphens"),
        ("calcore-mine", "looks like one of calcore's own packages"),
        ("calcore_mine", "looks like one of calcore's own packages"),
        ("class", "'class' is a word of the language Python"),
        ("os", "Python would import something else under the name 'os'"),
        ("src", "something else under the name 'src'"),
        ("test", "something else under the name 'test'"),
        ("numpy", "'numpy' is the name of a package that is installed here"),
        ("pyyaml", "'pyyaml' is the name of a package that is installed here"),
        ("a" * 65, "a name of 65 characters is too long; use at most 64"),
    ],
)
def test_a_name_that_cannot_work_is_refused(tmp_path, name, sentence):
    with pytest.raises(UsageError, match=sentence):
        write_package(name, tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_there_already_stays(tmp_path):
    write_package("spike-finder", tmp_path)
    with pytest.raises(UsageError, match="spike-finder is there already"):
        write_package("spike-finder", tmp_path)


def test_the_licence_that_is_claimed_is_there(tmp_path):
    write_package("spike-finder", tmp_path)
    project = tomllib.loads((tmp_path / "spike-finder" / "pyproject.toml").read_text())["project"]
    (name,) = project["license-files"]
    text = (tmp_path / "spike-finder" / name).read_text()
    assert project["license"] == "BSD-3-Clause"
    assert text.startswith("BSD 3-Clause License\n")
    assert ", the authors of spike-finder\n" in text


def test_what_is_to_be_tried_can_be_pasted_in_a_shell(tmp_path):
    folder = tmp_path / "my steps"
    done = CliRunner().invoke(commands, ["plugins", "new", "spike-finder", "-o", str(folder)])
    assert done.exit_code == 0
    assert f"Try it: cd '{folder}/spike-finder' && pip install -e . && pytest" in done.output
