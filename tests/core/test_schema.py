"""The JSON schema of configuration files says of a file what a run would say."""

import json
import tomllib

import pytest
from click.testing import CliRunner
from jsonschema import Draft202012Validator

from calcore.cli.app import commands
from calcore.cli.schema import schema
from calcore.parameters import parameters_of
from calcore.registry import discovery


@pytest.fixture(scope="module")
def validator():
    made = schema()
    Draft202012Validator.check_schema(made)
    return Draft202012Validator(made)


GOOD = """
profile = "reference"
references.dark = "my_dark.fits"
[set.jump]
rejection_threshold = 4.5
skip = false
override_gain = "gain.fits"
[[edit]]
replace = "jump"
use = "acme.jump"
[[pipeline.image3.edit]]
drop = "skymatch"
[pipeline.image3.set.resample]
pixfrac = 0.8
"""


def test_a_right_file_is_right(validator):
    assert list(validator.iter_errors(tomllib.loads(GOOD))) == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 1", "'colour' was unexpected"),
        ("set.jump.rejection_treshold = 4.0", "'rejection_treshold' does not match"),
        ("set.jump.rejection_threshold = 'high'", "'high' is not of type 'number'"),
        ("set.jump.rejection_threshold = -1.0", "-1.0 is less than the minimum of 0"),
        ("set.jump.skip = 'no'", "'no' is not of type 'boolean'"),
        ("pipeline.imag3.set.resample.pixfrac = 0.8", "'imag3' was unexpected"),
        ("set.refpix.refpix_algorithm = 'mean'", "'mean' is not one of ['median', 'sirs']"),
        ("edit = [{use = 'acme.jump'}]", "is not valid under any of the given schemas"),
    ],
)
def test_what_a_run_would_refuse_is_marked(validator, text, said):
    messages = [error.message for error in validator.iter_errors(tomllib.loads(text))]
    assert any(said in message for message in messages), messages


def test_defaults_of_all_steps_fit_their_own_schema(validator):
    """None has no spelling in TOML but the text."""
    for item in discovery.names("calcore.steps"):
        step = discovery.load("calcore.steps", item.name)
        values = {name: known.default for name, known in parameters_of(step).items()}
        plain = json.loads(json.dumps({k: "None" if v is None else v for k, v in values.items()}))
        content = {"set": {item.name.rpartition(".")[2]: plain}}
        assert [error.message for error in validator.iter_errors(content)] == [], item.name


def test_the_command_prints_it():
    printed = CliRunner().invoke(commands, ["steps", "--schema"]).output
    assert json.loads(printed)["title"] == "Configuration of calcore"


@pytest.mark.parametrize("name", ["cube_build", "miri.cube_build"])
def test_a_step_is_known_by_its_name_in_pipelines_too(name):
    shown = CliRunner().invoke(commands, ["steps", name])
    assert shown.exit_code == 0
    assert shown.output.startswith("miri.cube_build  (calcore-miri")
