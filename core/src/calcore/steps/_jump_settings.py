"""Parameters of jump, by what they are about."""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray

from calcore.kernels.jump_showers import Showers
from calcore.kernels.snowballs import Snowballs
from calcore.model import Meta
from calcore.model.reference import Gain
from calcore.model.usable_groups import UsableGroups
from calcore.parameters import Doc, Range, Unit


@dataclass(frozen=True, kw_only=True)
class TwoPoint:
    """How differences of successive groups are judged."""

    test: Annotated[
        Literal["two-point", "likelihood"],
        Doc("Compare differences with their median, or leave each out and see how the rest fit."),
    ] = "two-point"
    min_diffs_likelihood: Annotated[
        int, Range(2), Doc("With fewer differences, two-point takes the place of likelihood.")
    ] = 5
    rate_change: Annotated[
        float | None,
        Range(0),
        Doc("Likelihood: by what part of themselves a pixel's rates in its integrations scatter."),
    ] = None
    rejection_threshold: Annotated[
        float, Range(0), Unit("sigma"), Doc("Largest deviation that is no jump.")
    ] = 4.0
    four_group_rejection_threshold: Annotated[
        float, Range(0), Unit("sigma"), Doc("The same where three differences are left.")
    ] = 5.0
    three_group_rejection_threshold: Annotated[
        float, Range(0), Unit("sigma"), Doc("The same where two differences are left.")
    ] = 6.0
    costly_false_jumps: Annotated[
        float | None,
        Range(0, 1),
        Doc("Likelihood: part of the ramps that may lose, for nothing, what their rate rests on."),
    ] = None
    falling_rejection_threshold: Annotated[
        float | None,
        Range(0),
        Unit("sigma"),
        Doc("Likelihood: the same for too small a difference; hits add charge."),
    ] = None
    min_diffs_single_pass: Annotated[
        int, Range(1), Doc("With so many differences in every integration, one pass does.")
    ] = 10
    minimum_groups: Annotated[
        int, Range(3), Doc("With fewer usable groups in an integration, nothing is flagged.")
    ] = 3

    def heavy(self, differences: int) -> float:
        """Return the threshold of differences that a ramp's rate rests on [sigma]."""
        if not self.costly_false_jumps:
            return 0.0
        return -NormalDist().inv_cdf(self.costly_false_jumps / differences)

    @property
    def thresholds(self) -> tuple[float, float, float]:
        """Thresholds with at least four, three and two differences left [sigma]."""
        return (
            self.rejection_threshold,
            self.four_group_rejection_threshold,
            self.three_group_rejection_threshold,
        )


@dataclass(frozen=True, kw_only=True)
class AcrossIntegrations:
    """When integrations are so many that their scatter tells the noise."""

    minimum_sigclip_groups: Annotated[
        int, Range(1), Doc("With so many integrations, compare them instead of groups.")
    ] = 100
    only_use_ints: Annotated[
        bool,
        Doc("False: with so many groups in all integrations, compare all differences at once."),
    ] = True

    def across(self, groups: UsableGroups) -> bool:
        """Tell whether to compare integrations."""
        number = groups.n_int if self.only_use_ints else groups.total
        return number >= self.minimum_sigclip_groups


@dataclass(frozen=True, kw_only=True)
class Consequences:
    """What a jump takes with it."""

    flag_4_neighbors: Annotated[bool, Doc("Flag the four pixels beside a jump as well.")] = True
    min_jump_to_flag_neighbors: Annotated[
        float, Unit("sigma"), Doc("Only where the jump is larger than this.")
    ] = 10.0
    max_jump_to_flag_neighbors: Annotated[
        float, Unit("sigma"), Doc("Only where the jump is smaller than this.")
    ] = 1000.0
    min_jump_to_flag_corners: Annotated[
        float | None, Range(0), Unit("sigma"), Doc("A larger one flags those at its corners, too.")
    ] = None
    min_share_to_flag_neighbors: Annotated[
        float,
        Range(0, 1),
        Doc("Only where it is more than this part of a jump beside it: less is a share of that."),
    ] = 0.0
    after_jump_flag_dn1: Annotated[
        float, Unit("DN"), Doc("After a jump of this size, flag the groups that follow.")
    ] = 0.0
    after_jump_flag_time1: Annotated[float, Range(0), Unit("s"), Doc("For so long.")] = 0.0
    after_jump_flag_dn2: Annotated[
        float, Unit("DN"), Doc("After a jump of this size, flag the groups that follow.")
    ] = 0.0
    after_jump_flag_time2: Annotated[float, Range(0), Unit("s"), Doc("For so long.")] = 0.0

    @property
    def neighbours(self) -> dict[str, Any]:
        """What jumps flag the pixels beside them, as the kernel wants it; empty if none do."""
        if not self.flag_4_neighbors:
            return {}
        corners = self.min_jump_to_flag_corners
        return {
            "neighbours": (self.min_jump_to_flag_neighbors, self.max_jump_to_flag_neighbors),
            "corners": np.inf if corners is None else corners,
            "share": self.min_share_to_flag_neighbors,
        }

    @property
    def reach(self) -> int:
        """How many rows away pixels decide what a jump flags."""
        return (2 if self.min_share_to_flag_neighbors else 1) if self.flag_4_neighbors else 0

    def after(self, meta: Meta, gain: float) -> tuple[tuple[float, int], ...]:
        """Return sizes of jumps [electron] and how many groups after them are flagged."""
        pairs = (
            (self.after_jump_flag_dn1, self.after_jump_flag_time1),
            (self.after_jump_flag_dn2, self.after_jump_flag_time2),
        )
        longest = meta.n_groups * meta.group_time_s  # more groups than there are make no difference
        groups = (
            (size * gain, int(min(time, longest) // meta.group_time_s)) for size, time in pairs
        )
        return tuple((size, number) for size, number in groups if number > 0)


@dataclass(frozen=True, kw_only=True)
class LargeEvents:
    """What a snowball is, and how far it reaches."""

    expand_large_events: Annotated[bool, Doc("Find snowballs, and flag their halos.")] = False
    min_jump_area: Annotated[
        float, Range(1), Unit("pixel"), Doc("Smallest area of connected jumps.")
    ] = 5.0
    min_sat_area: Annotated[
        float, Range(1), Unit("pixel"), Doc("Smallest area of a saturated core.")
    ] = 1.0
    expand_factor: Annotated[float, Range(1), Doc("How much wider the halo is than the jumps.")] = (
        2.0
    )
    halo_limit: Annotated[
        float | None,
        Range(0.01),
        Unit("sigma"),
        Doc("Fit each halo; it ends where its charge falls below this. None: by expand_factor."),
    ] = None
    max_extended_radius: Annotated[
        int, Range(1), Unit("pixel"), Doc("Nothing grows beyond this radius; nor do showers.")
    ] = 200
    sat_required_snowball: Annotated[
        bool, Doc("A snowball has a saturated core, unless it is near an edge.")
    ] = True
    edge_size: Annotated[int, Range(0), Unit("pixel"), Doc("How near an edge that is.")] = 25
    min_edge_radius: Annotated[
        float,
        Range(0),
        Unit("pixel"),
        Doc("Near an edge without a core: least half minor axis of jumps; tracks are thinner."),
    ] = 0.0
    min_sat_radius_extend: Annotated[
        float, Range(0), Unit("pixel"), Doc("Cores whose minor axis is longer than this grow.")
    ] = 2.5
    sat_expand: Annotated[int, Range(0), Unit("pixel"), Doc("How much they grow all around.")] = 2
    mask_snowball_core_next_int: Annotated[
        bool, Doc("Flag the core in the next integration as well.")
    ] = True
    snowball_time_masked_next_int: Annotated[int, Range(0), Unit("s"), Doc("For so long.")] = 4000
    exact_snowballs: Annotated[
        bool,
        Doc("Compare cores with ellipses as they lie; the reference pipeline mirrors them."),
    ] = False

    def snowballs(self, meta: Meta) -> Snowballs:
        """Return the settings as the kernel wants them."""
        groups = int(self.snowball_time_masked_next_int / meta.group_time_s)
        return Snowballs(
            min_jump_area=self.min_jump_area,
            min_sat_area=self.min_sat_area,
            expand_factor=self.expand_factor,
            max_extended_radius=self.max_extended_radius,
            sat_required=self.sat_required_snowball,
            min_sat_diameter_extend=self.min_sat_radius_extend,
            sat_expand=self.sat_expand,
            edge_size=self.edge_size,
            min_edge_radius=self.min_edge_radius,
            next_groups=groups if self.mask_snowball_core_next_int else 0,
            exact=self.exact_snowballs,
            halo_limit=self.halo_limit,
        )


@dataclass(frozen=True, kw_only=True)
class FaintEvents:
    """What a shower is, how far it reaches and how long it lasts."""

    find_showers: Annotated[bool, Doc("Find showers: faint glows about hits.")] = False
    extend_snr_threshold: Annotated[
        float, Range(0), Unit("sigma"), Doc("Least average of deviations over a ring.")
    ] = 1.2
    extend_min_area: Annotated[
        int, Range(1), Unit("pixel"), Doc("Smallest area of connected pixels above it.")
    ] = 90
    extend_inner_radius: Annotated[
        float, Range(0), Unit("pixel"), Doc("Where the ring begins.")
    ] = 1.0
    extend_outer_radius: Annotated[float, Range(0), Unit("pixel"), Doc("How wide the ring is.")] = (
        2.6
    )
    extend_ellipse_expand_ratio: Annotated[
        float, Range(1), Doc("How much wider the shower is than what is seen of it.")
    ] = 1.1
    time_masked_after_shower: Annotated[
        float, Range(0), Unit("s"), Doc("Flag so much of what follows.")
    ] = 15.0
    max_shower_amplitude: Annotated[
        float, Range(0), Unit("DN/s"), Doc("Flags that change a rate by more are given up.")
    ] = 4.0
    exact_showers: Annotated[
        bool,
        Doc("Do so; the reference pipeline takes 6 electron/s, whatever max_shower_amplitude is."),
    ] = False

    def largest_change(self, meta: Meta, gain: Gain) -> NDArray[np.float32] | float:
        """Return by how much flags may change the mean of differences [electron]."""
        if self.exact_showers:
            return gain.data * np.float32(self.max_shower_amplitude * meta.group_time_s)
        return 6.0 * meta.group_time_s

    def showers(self, meta: Meta, max_radius: float) -> Showers:
        """Return the settings as the kernel wants them."""
        return Showers(
            min_ratio=self.extend_snr_threshold,
            min_area=self.extend_min_area,
            inner_radius=self.extend_inner_radius,
            ring_width=self.extend_outer_radius,
            expand_factor=self.extend_ellipse_expand_ratio,
            max_extended_radius=max_radius,
            next_groups=int(self.time_masked_after_shower / meta.group_time_s),
        )
