"""Which exposures make one product, as data.

The rules are those of the reference pipeline (jwst-pipeline documentation, "Associations":
level-2 and level-3 rules).
"""

from dataclasses import dataclass

from calcore.associations.exposures import (
    BACKGROUND,
    IMPRINT,
    NOT_SCIENCE,
    PSF,
    TIME_SERIES,
    WAVEFRONT,
)


@dataclass(frozen=True)
class Rule:
    """A kind of association.

    Attributes
    ----------
    name : str
        What ``asn_rule`` ends with.
    type : str
        Its ``asn_type``.
    of : frozenset of str
        It takes exposures that have any of these marks; every one if there are none.
    subtracts : bool
        Exposures of the background are members, where there are any.
    """

    name: str
    type: str
    of: frozenset[str] = frozenset()
    subtracts: bool = False


RULES: dict[int, tuple[Rule, ...]] = {
    2: (
        Rule("Asn_Lv2ImageNonScience", "image2", frozenset({NOT_SCIENCE})),
        Rule("Asn_Lv2WFSC", "image2", frozenset({WAVEFRONT})),
        Rule("Asn_Lv2ImageSpecial", "image2", frozenset({BACKGROUND, PSF})),
        Rule("Asn_Lv2ImageTSO", "tso-image2", frozenset({TIME_SERIES})),
        Rule("Asn_Lv2Image", "image2", subtracts=True),
    ),
    3: (
        Rule("Asn_Lv3ImageBackground", "image3", frozenset({BACKGROUND})),
        Rule("Asn_Lv3Image", "image3"),
    ),
}
"""Rules by level; of those that would take an exposure, the first does."""

SPECTRA: dict[str, Rule] = {
    "background": Rule("Asn_Lv2SpecSpecial", "spec2"),
    "series": Rule("Asn_Lv2SpecTSO", "tso-spec2"),
    "combined series": Rule("Asn_Lv3TSO", "tso3"),
}
"""Rules that spectra of all exposure types have in common; the others are of the type."""

NOT_TAKEN: dict[int, dict[str, str]] = {
    2: {IMPRINT: "an imprint is no image of the sky"},
    3: {
        NOT_SCIENCE: "",
        IMPRINT: "an imprint is no image of the sky",
        WAVEFRONT: "images for wavefront sensing are combined in pairs by wfs-image3, which this "
        "version does not have",
        TIME_SERIES: "a time series is measured by tso3, which this version does not have",
    },
}
"""Marks of exposures that no rule of a level takes, and why; nothing is said where it is plain."""

BACKGROUND_ALIKE = ("program", "instrument", "detector", "elements", "subarray", "setting")
"""What a background has in common with the exposures that it is subtracted from."""

NOT_SUBTRACTED = frozenset({TIME_SERIES, WAVEFRONT, NOT_SCIENCE})
"""Marks of backgrounds that are subtracted from nothing."""

ALIKE = {
    "observation": ("program", "observation", "target", "instrument", "elements", "subarray"),
    "target": ("program", "target", "instrument", "elements", "subarray"),
}
"""What images that are combined have in common; detectors and modules need not be the same."""

IDENTITIES = {"observation": "o{observation}", "target": "a3001"}
"""What associations of one observation, or of a target, are called (``asn_id``)."""

NAMES = {"observation": "candidate_", "target": "discover_"}
"""What ``asn_rule`` begins with."""
