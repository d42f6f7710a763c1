"""What CRDS cannot answer is one sentence that says what would help."""

import pytest

from calcore.errors import ReferenceMissing
from calcore.model import Meta
from calcore.model.reference import AdcNonlinearity
from calcore.references import crds_store
from calcore.references.resolve import choose
from calcore.registry.manager import manager
from calcore.registry.questions import References

META = Meta({"instrument.name": "X", "exposure.type": "X_IMAGE"})


@pytest.fixture
def client(monkeypatch):
    """Return a function that puts a client in CRDS's place."""
    monkeypatch.setenv("CRDS_SERVER_URL", "https://server")
    monkeypatch.setenv("CRDS_PATH", "/cache")

    class Client:
        answer = None
        asked = ()

        def getreferences(self, parameters, reftypes, **_more):
            self.asked = (parameters, reftypes)
            if isinstance(self.answer, BaseException):
                raise self.answer
            return {reftypes[0]: self.answer}

    made = Client()
    monkeypatch.setattr(crds_store, "_client", lambda: made)
    return made


def test_it_is_asked_with_the_data_model_s_names(client):
    client.answer = "/cache/x_dark.fits"
    assert crds_store.Crds().calcore_find_reference("dark", META) == "/cache/x_dark.fits"
    assert client.asked == (
        {"META.INSTRUMENT.NAME": "X", "META.EXPOSURE.TYPE": "X_IMAGE"}, ["dark"],
    )  # fmt: skip


@pytest.mark.parametrize("answer", ["N/A", "NOT FOUND n/a"])
def test_no_reference_is_an_answer(client, answer):
    client.answer = answer
    assert crds_store.Crds().calcore_find_reference("dark", META) == "N/A"


def test_a_context_need_not_know_the_parameters_of_a_step_and_young_types(client):
    client.answer = ValueError("Unknown reference type 'pars-jumpstep'")
    assert crds_store.Crds().calcore_find_reference("pars-jumpstep", META) == "N/A"
    assert crds_store.Crds().calcore_find_reference("sirskernel", META) == "N/A"
    with pytest.raises(ReferenceMissing, match="Unknown reference type"):
        crds_store.Crds().calcore_find_reference("drak", META)


def test_it_is_not_asked_for_types_that_it_does_not_have(client):
    client.answer = RuntimeError("asked")
    for kind in ("adcinl", "usermask", "scenemask"):
        assert crds_store.Crds().calcore_find_reference(kind, META) is None


def test_what_nobody_has_is_said_to_be_so():
    find = References(manager())
    choice = choose(AdcNonlinearity.type, META, {}, find)
    assert (choice.applies, choice.name, choice.absence) == (False, "N/A", "nobody gives one")
    given = choose("dark", META, {"dark": ("N/A", "command line")}, find)
    assert given.absence == "N/A by command line"


def test_an_exposure_asks_once(client):
    client.answer = "/cache/x_dark.fits"
    store = crds_store.Crds()
    store.calcore_find_reference("dark", META)
    client.answer = RuntimeError("asked again")
    assert store.calcore_find_reference("dark", META) == "/cache/x_dark.fits"


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (SystemExit(-1), "https://server does not answer, and /cache holds no copy of its rules"),
        (
            OSError("no\n  such   file"),
            "CRDS has no dark reference for this exposure: no such file;",
        ),
    ],
)
def test_the_sentence_says_what_helps(client, answer, message):
    client.answer = answer
    with pytest.raises(ReferenceMissing) as caught:
        crds_store.Crds().calcore_find_reference("dark", META)
    assert message in str(caught.value)
    assert "--ref dark=FILE" in str(caught.value)
