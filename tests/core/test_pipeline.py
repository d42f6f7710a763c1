"""Pipelines: slots, edits, layers of settings and their origins."""

import re

import pytest

from calcore.errors import BadParameter, BadPipeline, UnknownName
from calcore.pipeline import build, edited, parse, with_settings

BASE = """
name = "detector1"
stage = "1"
[[slot]]
name = "saturation"
[[slot]]
name = "superbias"
[[slot]]
name = "jump"
[set.jump]
rejection_threshold = 4.0
"""


def pipeline(*layers: str, exposure_type: str = "IMAGE", profile: str = "default"):
    definitions = [parse(text, f"layer {i}") for i, text in enumerate(layers)]
    return build(parse(BASE, "core"), definitions, exposure_type=exposure_type, profile=profile)


def names(made):
    return [slot.name for slot in made.slots]


def test_what_a_profile_says_of_a_slot_that_a_layer_drops_is_dropped_with_it():
    first = '[[when]]\nprofile = "default"\nset.superbias.skip = true\nset.jump.skip = true'
    made = pipeline(first, '[[edit]]\ndrop = "superbias"')
    assert names(made) == ["saturation", "jump"]
    assert made.slot("jump").runs("skip") is True
    with pytest.raises(UnknownName, match="Did you mean 'jump'"):
        pipeline('[[when]]\nprofile = "default"\nset.jmp.skip = true')


def test_what_was_said_of_another_implementation_of_a_slot_is_marked():
    first = '[[when]]\nprofile = "default"\nset.jump.warp = 1\nset.saturation.warp = 1'
    own = "set.jump.own = 2\n[[when]]\nprofile = 'default'\nset.jump.weft = 3\n"
    made = pipeline(first, f'edit = [{{replace = "jump", use = "x.jump"}}]\n{own}')
    made = with_settings(made, {"jump": {"mine": 4}}, "the user", given=True)
    marked = {name: setting.elsewhere for name, setting in made.slot("jump").settings.items()}
    assert marked == {
        "rejection_threshold": True, "warp": True, "own": False, "weft": False, "mine": False,
    }  # fmt: skip
    assert not made.slot("saturation").settings["warp"].elsewhere


def test_slots_keep_their_order_and_their_own_name_as_implementation():
    made = pipeline()
    assert names(made) == ["saturation", "superbias", "jump"]
    assert made.slot("jump").use == "jump"
    assert made.slot("jump").settings["rejection_threshold"].origin == "core"


def test_edits_insert_drop_replace_and_move():
    made = pipeline(
        """
        extends = "detector1"
        [[edit]]
        insert = "rscd"
        use = "x.rscd"
        after = "saturation"
        [[edit]]
        drop = "superbias"
        [[edit]]
        replace = "jump"
        use = "x.jump"
        """
    )
    assert names(made) == ["saturation", "rscd", "jump"]
    assert made.slot("rscd").use == "x.rscd"
    assert made.slot("jump").use == "x.jump"
    assert made.slot("jump").settings["rejection_threshold"].value == 4.0
    moved = pipeline('[[edit]]\nmove = "jump"\nbefore = "superbias"')
    assert names(moved) == ["saturation", "jump", "superbias"]


def test_later_layers_win_and_the_profile_comes_after_all_of_them():
    layer = """
    [[when]]
    profile = "default"
    set.jump.rejection_threshold = 6.0
    [set.jump]
    rejection_threshold = 5.0
    """
    assert pipeline(layer).slot("jump").settings["rejection_threshold"].value == 6.0
    setting = pipeline(layer, profile="reference").slot("jump").settings["rejection_threshold"]
    assert (setting.value, setting.origin) == (5.0, "layer 0")


def test_conditions_on_the_exposure_type():
    layer = """
    [[when]]
    exposure_type = ["SPECTRUM"]
    set.jump.skip = true
    header."cal_step.ipc" = "SKIPPED"
    """
    assert pipeline(layer, exposure_type="SPECTRUM").slot("jump").runs("skip") is True
    assert pipeline(layer, exposure_type="SPECTRUM").header == {"cal_step.ipc": "SKIPPED"}
    assert pipeline(layer).slot("jump").runs("skip") is None
    assert not pipeline(layer).header


def test_conditions_on_the_target():
    layer = '[[when]]\ntarget_type = "MOVING"\nedit = [{ drop = "superbias" }]'
    base, layers = parse(BASE, "core"), [parse(layer, "layer")]
    made = build(base, layers, exposure_type="IMAGE", target_type="MOVING")
    assert names(made) == ["saturation", "jump"]
    for other in ("FIXED", ""):
        made = build(base, layers, exposure_type="IMAGE", target_type=other)
        assert names(made) == ["saturation", "superbias", "jump"]


def test_overrides_and_runner_keys_are_the_runners():
    made = with_settings(
        pipeline(), {"jump": {"skip": True, "override": {"gain": "g.fits"}}}, "me", given=True
    )
    assert made.slot("jump").runs("override.gain") == "g.fits"
    assert "skip" not in made.slot("jump").settings


def test_two_layers_that_edit_one_slot_are_refused():
    drop = '[[edit]]\ndrop = "jump"'
    replaced = '[[edit]]\nreplace = "jump"\nuse = "b.jump"'
    with pytest.raises(BadPipeline, match="'jump' is edited by layer 0 and by layer 1"):
        pipeline(replaced, drop)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[[edit]]\ndrop = "jmp"', "Did you mean 'jump'"),
        ('[[edit]]\ninsert = "rscd"', "needs before = … or after = …"),
        ('[[edit]]\ninsert = "jump"\nafter = "superbias"', "has a slot 'jump' already"),
        ('[[edit]]\nreplace = "jump"', "needs use = …"),
        ("[[edit]]\nafter = 'jump'", "needs one of insert, drop, replace, move"),
        ("[set.jmp]\nx = 1", "Did you mean 'jump'"),
    ],
)
def test_mistakes_are_named(text, message):
    with pytest.raises((BadPipeline, UnknownName), match=message):
        pipeline(text)


def test_unknown_keys_of_files_are_refused_with_the_nearest_name():
    with pytest.raises(BadPipeline, match="Did you mean 'slot'"):
        parse("slots = 1", "mine")
    with pytest.raises(BadPipeline, match="mine is not TOML"):
        parse("= 1", "mine")


def test_a_users_edits_carry_their_origin():
    made = edited(pipeline(), {"set": {"jump": {"rejection_threshold": 7.0}}}, "my.toml")
    setting = made.slot("jump").settings["rejection_threshold"]
    assert (setting.value, setting.origin, setting.given) == (7.0, "my.toml", True)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"skip": "no"}, "jump.skip must be true or false, not 'no'"),
        ({"save": 1}, "jump.save must be true or false, not 1"),
        ({"suffix": 3}, "jump.suffix must be a text, not 3"),
        ({"override": "g.fits"}, "jump.override must be a table"),
        ({"override.gain": 5}, "jump.override.gain must be a file, not 5"),
    ],
)
def test_the_runner_s_own_keys_have_types(values, message):
    with pytest.raises(BadParameter, match=message):
        with_settings(pipeline(), {"jump": values}, "me", given=True)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (3, "me: an edit is a table of names, such as {drop = 'jump'}; found 3"),
        (["drop"], "me: an edit is a table of names"),
        ({"drop": 5}, "me: drop of an edit must be a name, not 5"),
        ({"insert": "x", "use": None}, "me: use of an edit must be a name, not None"),
        ({"insert": "x", "optional": "no"}, "me: optional of an edit must be true or false"),
        ({"insert": "x", "optinal": True}, "'x' takes no 'optinal'. Did you mean 'optional'?"),
        ({"drop": "a", "use": "b"}, "me: drop = 'a' takes no 'use'. None is known."),
    ],
)
def test_an_edit_says_what_it_can(edit, said):
    with pytest.raises(BadPipeline, match=re.escape(said)):
        edited(pipeline(), {"edit": [edit]}, "me")


def test_what_is_set_for_a_slot_is_a_table():
    with pytest.raises(BadPipeline, match="for jump must be a table of parameters, not 4"):
        edited(pipeline(), {"set": {"jump": 4}}, "me")
