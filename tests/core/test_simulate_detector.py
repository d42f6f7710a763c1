"""The simulated detector: photons, charge, response, noise and hits, each by what it must conserve."""

from dataclasses import replace

import numpy as np
import pytest

from calcore.errors import BadParameter, UnknownName
from calcore.simulate.cosmic_rays import CORE, HALO, draw, join, no_hits, snowball, tracks
from calcore.simulate.coupling import couple
from calcore.simulate.detector import Camera
from calcore.simulate.detector_maps import detector_maps
from calcore.simulate.noise import pink_noise
from calcore.simulate.nonlinearity import coefficients, linearised, measured
from calcore.simulate.photons import arrivals
from calcore.simulate.physics import (
    Defects,
    Effects,
    Electronics,
    Persistence,
    Physics,
    Pixels,
    Radiation,
    Settling,
)
from calcore.simulate.readout import Clocking, Plan, ReadPattern, read_order
from calcore.simulate.streams import stream
from calcore.simulate.tables import Detector, Subarray
from calcore.simulate.traps import Traps

SHAPE = (48, 64)
GAIN = 2.0
PHYSICS = Physics(
    pixels=Pixels(
        gain=GAIN,
        gain_scatter=0.01,
        efficiency_scatter=0.01,
        efficiency_waves=0.01,
        dark_electron_s=0.05,
        dark_scatter=0.3,
        full_scale_dn=40000.0,
        full_scale_scatter=0.02,
        nonlinearity=(0.03, 0.01, 0.04),
        nonlinearity_scatter=0.1,
        coupling=0.01,
        coupling_diagonal=0.001,
        reset_noise_electron=30.0,
    ),
    electronics=Electronics(
        bias_dn=10000.0,
        bias_amplifier_dn=100.0,
        bias_column_dn=10.0,
        bias_pixel_dn=50.0,
        read_noise_dn=5.0,
        read_noise_scatter=0.05,
        pink_common_dn=1.0,
        pink_amplifier_dn=0.5,
        offset_dn=10.0,
        drift_dn=0.2,
        parity_axis="fast",
        parity_dn=5.0,
        parity_drift_dn=0.1,
        adc_top_dn=65535,
    ),
    radiation=Radiation(
        pixel_micron=18.0,
        thickness_micron=5.0,
        particles_cm2_s=500.0,
        electrons_micron=400.0,
        electrons_scatter=0.5,
        heavy_fraction=0.05,
        heavy_slope=-2.0,
        diffusion_pixel=0.2,
        snowballs_s=0.02,
    ),
    defects=Defects(
        dead=0.005,
        low_efficiency=0.005,
        hot=0.01,
        warm=0.01,
        slow=0.002,
        hot_electron_s=20.0,
        warm_electron_s=1.0,
        bad_reference=0.01,
    ),
)
SUBARRAY = Subarray(
    name="FULL",
    aperture="X_FULL",
    xstart=1,
    ystart=1,
    xsize=SHAPE[1],
    ysize=SHAPE[0],
    x_ref=31.5,
    y_ref=23.5,
    v2_ref_arcsec=0.0,
    v3_ref_arcsec=0.0,
    v3_idl_y_angle_deg=0.0,
    v_idl_parity=1,
)
DETECTOR = Detector(
    name="X1",
    channel="",
    module="",
    fast_axis=1,
    slow_axis=2,
    nx=SHAPE[1],
    ny=SHAPE[0],
    reference_border=(4, 4, 4, 4),
    pixel_area_sr=1e-12,
    sci_to_idl_x=np.zeros((2, 2)),
    sci_to_idl_y=np.zeros((2, 2)),
    idl_to_sci_x=np.zeros((2, 2)),
    idl_to_sci_y=np.zeros((2, 2)),
    subarrays={"FULL": SUBARRAY},
)


def clocks(outputs=4, interleaved=False):
    row = SHAPE[1] // outputs + 12
    return Clocking(
        outputs=outputs,
        interleaved=interleaved,
        row_clocks=row,
        frame_clocks=row * 10000,
        pixel_clocks=1,
        first_clock=0,
        clock_s=1e-5,
    )


def camera(effects, *, frames=1, skip=0, n_groups=4, n_ints=1, physics=PHYSICS, seed=1, **layout):
    order_clocks = clocks(**layout)
    maps = detector_maps(
        DETECTOR,
        physics,
        outputs=order_clocks.outputs,
        interleaved=order_clocks.interleaved,
        seed=3,
    )
    plan = Plan(
        pattern=ReadPattern(name="P", frames=frames, skip=skip),
        clocking=order_clocks,
        n_ints=n_ints,
        n_groups=n_groups,
    )
    return Camera(
        maps=maps,
        physics=physics,
        effects=effects,
        plan=plan,
        order=read_order(order_clocks, DETECTOR, SUBARRAY),
        frame_pixels=SHAPE[0] * SHAPE[1],
        random=lambda *words: stream(seed, *words),
    )


def science(values):
    return values[..., 4:-4, 4:-4].astype(float)


def test_counting_light_alone_gives_the_rate_exactly():
    made = camera(Effects.none())
    ramps = made.expose(np.full(SHAPE, 50.0))
    per_group = 50.0 * made.plan.group_time_s / GAIN
    steps = np.diff(science(ramps.counts), axis=1)
    assert np.all(np.abs(steps - per_group) <= 1)  # the converter rounds
    last = science(ramps.counts)[0, -1] - PHYSICS.electronics.bias_dn
    assert np.allclose(last, 4 * per_group, atol=1)


def test_reference_pixels_see_no_light_and_no_particles():
    made = camera(Effects())
    ramps = made.expose(np.full(SHAPE, 500.0))
    counts = ramps.counts.astype(float)
    border = np.ones(SHAPE, bool)
    border[4:-4, 4:-4] = False
    usable = border & (made.maps.dq & 1 == 0)
    assert usable.sum() > 0.9 * border.sum()
    assert np.all(np.abs(counts[0, -1] - counts[0, 0])[usable] < 60)
    for part in ramps.deposits:
        assert not border[part.hits.y, part.hits.x].any()


def test_photons_have_the_variance_of_their_number():
    mean = 400.0
    made = camera(Effects.only("photon_noise"), n_groups=12)
    rate = mean / made.plan.group_time_s
    steps = np.diff(science(made.expose(np.full(SHAPE, rate)).counts), axis=1) * GAIN
    rounding = GAIN**2 / 6  # two rounded numbers make a difference
    assert steps.mean() == pytest.approx(mean, rel=0.005)
    assert steps.var() == pytest.approx(mean + rounding, rel=0.03)


def test_many_photons_are_drawn_as_a_normal_number():
    rng = stream(1, "photons")
    counts = arrivals(rng, np.full(20000, 3e5), noise=True)
    assert counts.mean() == pytest.approx(3e5, rel=1e-4)
    assert counts.std() == pytest.approx(np.sqrt(3e5), rel=0.03)


def test_coupling_conserves_the_signal_and_leaves_reference_pixels_alone():
    rng = np.random.default_rng(5)
    signal = rng.uniform(0, 1000, SHAPE).astype(np.float32)
    active = np.zeros(SHAPE, bool)
    active[4:-4, 4:-4] = True
    mixed = couple(signal, active, 0.01, 0.002)
    assert mixed[active].sum(dtype=float) == pytest.approx(
        signal[active].sum(dtype=float), rel=1e-6
    )
    assert np.array_equal(mixed[~active], signal[~active])


def test_coupling_gives_each_neighbour_its_share():
    signal = np.zeros(SHAPE, np.float32)
    signal[20, 30] = 1000
    mixed = couple(signal, np.ones(SHAPE, bool), 0.01, 0.002)
    assert mixed[20, 31] == mixed[19, 30] == pytest.approx(10)
    assert mixed[21, 31] == pytest.approx(2)
    assert mixed[20, 30] == pytest.approx(1000 - 48)


def test_response_and_its_inverse_agree():
    rng = np.random.default_rng(6)
    shape = (70, 9)
    terms = (np.array([0.1, 0.03, 0.05])[:, None, None] * rng.uniform(0.7, 1.3, shape)).astype("f4")
    linear = rng.uniform(-50, 45000, shape).astype(np.float32)
    signal = measured(linear, terms, 40000.0)
    back = linearised(signal, terms, 40000.0)
    assert np.all(signal[linear > 100] < linear[linear > 100])
    positive = linear > 0
    assert np.allclose(back[positive], linear[positive], rtol=1e-6, atol=0.01)
    assert np.array_equal(signal[~positive], linear[~positive])


@pytest.mark.parametrize("offset", [None, 9000.0])
def test_the_reference_polynomial_linearises_what_the_detector_bends(offset):
    rng = np.random.default_rng(7)
    shape = (12, 9)
    terms = (np.array([0.1, 0.03, 0.02])[:, None, None] * rng.uniform(0.7, 1.3, shape)).astype("f4")
    linear = rng.uniform(10, 40000, shape).astype(np.float32)
    origin = None if offset is None else np.full(shape, offset, np.float32)
    start = 0.0 if origin is None else origin
    raw = measured(linear, terms, 44000.0).astype(float) + start
    coeffs = coefficients(terms, 44000.0, origin)
    assert len(coeffs) == 5
    value = sum(c * raw**k for k, c in enumerate(coeffs))
    assert np.allclose(value, linear + start, rtol=2e-6, atol=0.02)


def test_a_pixel_holds_no_more_than_its_full_well_and_the_converter_clips():
    effects = Effects.only("saturation", "nonlinearity")
    ramps = camera(effects, n_groups=6).expose(np.full(SHAPE, 5e4))
    counts = science(ramps.counts)[0]
    top = PHYSICS.electronics.bias_dn + PHYSICS.pixels.full_scale_dn
    assert np.abs(np.median(counts[-1]) - top) < 0.01 * top
    assert np.array_equal(counts[-1], counts[-2])
    assert np.all(science(ramps.first_full) < 6)
    clipped = camera(Effects.none(), n_groups=6).expose(np.full(SHAPE, 5e5))
    assert science(clipped.counts).max() == 65535


def test_read_noise_has_the_size_of_the_map():
    made = camera(Effects.only("read_noise"), n_groups=60)
    counts = science(made.expose(np.zeros(SHAPE)).counts)[0]
    scatter = np.sqrt(np.mean(counts.var(axis=0, ddof=1)) - 1 / 12)
    expected = science(made.maps.read_noise)
    assert scatter == pytest.approx(np.sqrt(np.mean(expected**2)), rel=0.01)


def test_an_exposure_glows_where_the_one_before_was_bright():
    made = camera(Effects.only("saturation"))
    time_s, group_s = made.plan.integration_time_s, made.plan.group_time_s
    families = Persistence(times_s=(time_s,), fractions=(0.1,))
    made = replace(made, traps=Traps(families, SHAPE))
    spot = np.zeros(SHAPE)
    spot[10:20, 10:20] = 2e4 / time_s
    first, second = made.expose(spot), made.expose(np.zeros(SHAPE))
    # filled while the charge rises, emptied through one time
    held = 2e4 * 0.1 * (1 - (1 - np.exp(-1)))
    given = held * (1 - np.exp(-1))
    assert first.given[0, 15, 15] * time_s == pytest.approx(-held, rel=0.3)
    assert second.given[0, 15, 15] * time_s == pytest.approx(given, rel=0.3)
    assert first.given[0, 30, 30] == second.given[0, 30, 30] == 0
    counts = second.counts[0].astype(float) - PHYSICS.electronics.bias_dn
    assert counts[-1, 15, 15] == pytest.approx(second.given[0, 15, 15] * time_s / GAIN, abs=1)
    rises = np.diff(counts[:, 15, 15])
    assert rises[1] / rises[0] == pytest.approx(np.exp(-group_s / time_s), rel=0.03)
    assert np.all(counts[:, 30, 30] == counts[0, 30, 30])


def test_reset_noise_is_charge_that_stays_for_an_integration():
    made = camera(Effects.only("reset_noise"), n_groups=3, n_ints=4)
    counts = science(made.expose(np.zeros(SHAPE)).counts)
    assert np.array_equal(counts[:, 0], counts[:, -1])
    assert counts[:, 0].std() * GAIN == pytest.approx(30.0, rel=0.03)
    assert abs(np.corrcoef(counts[0, 0].ravel(), counts[1, 0].ravel())[0, 1]) < 0.06


def test_pink_noise_has_equal_power_in_each_octave():
    rng = np.random.default_rng(8)
    power = np.zeros(2**13 + 1)
    for _ in range(40):
        power += np.abs(np.fft.rfft(pink_noise(rng, 2**14, 3.0))) ** 2
    octaves = [power[2**k : 2 ** (k + 1)].sum() for k in range(4, 12)]
    assert np.std(octaves) / np.mean(octaves) < 0.1
    assert np.mean([pink_noise(rng, 2**14, 3.0).var() for _ in range(40)]) == pytest.approx(
        9, rel=0.1
    )


@pytest.mark.parametrize(("outputs", "interleaved"), [(4, False), (4, True), (1, False)])
def test_pink_noise_is_common_to_what_is_read_at_the_same_time(outputs, interleaved):
    quiet = replace(PHYSICS.electronics, pink_amplifier_dn=0.0, pink_common_dn=200.0)
    physics = replace(PHYSICS, electronics=quiet)
    made = camera(
        Effects.only("pink_noise"), physics=physics, outputs=outputs, interleaved=interleaved
    )
    frame = made.expose(np.zeros(SHAPE)).counts[0, 0].astype(int)
    order = made.order
    columns = [np.flatnonzero(order.sample == s) for s in range(SHAPE[1] // outputs)]
    for same in columns:
        assert len(same) == outputs
        assert np.all(frame[:, same] == frame[:, same[:1]])
    assert len(np.unique(frame)) > 100


def test_amplifiers_that_read_stripes_alternate_in_direction():
    order = read_order(clocks(), DETECTOR, SUBARRAY)
    width = SHAPE[1] // 4
    assert order.sample[0] == 0
    assert order.sample[width] == width - 1
    assert order.sample[2 * width] == 0
    assert list(order.amplifier[::width]) == [0, 1, 2, 3]


def test_backward_axes_turn_the_read_out_into_science_orientation():
    order = read_order(clocks(), replace(DETECTOR, fast_axis=-1, slow_axis=-2), SUBARRAY)
    frame = np.arange(SHAPE[0] * SHAPE[1], dtype=np.float32).reshape(SHAPE)
    assert np.array_equal(order.to_science(frame), frame[::-1, ::-1])
    along_y = read_order(clocks(), replace(DETECTOR, fast_axis=2, slow_axis=1), SUBARRAY)
    assert along_y.shape == SHAPE[::-1]
    assert along_y.to_science(np.zeros(along_y.shape, np.float32)).shape == SHAPE


def test_groups_average_their_frames_and_skip_the_gap():
    made = camera(Effects.none(), frames=4, skip=1, n_groups=3)
    rate = 100.0
    ramps = made.expose(np.full(SHAPE, rate))
    per_frame = rate * made.plan.frame_time_s / GAIN
    level = science(ramps.counts)[0].mean(axis=(1, 2)) - PHYSICS.electronics.bias_dn
    assert level == pytest.approx(np.array([2.5, 7.5, 12.5]) * per_frame, abs=1)
    assert ramps.zero_frame is not None
    assert science(ramps.zero_frame).mean() - PHYSICS.electronics.bias_dn == pytest.approx(
        per_frame, abs=1
    )
    assert made.plan.group_time_s == pytest.approx(5 * made.plan.frame_time_s)
    assert made.plan.integration_time_s == pytest.approx(14 * made.plan.frame_time_s)


def test_settling_decays_and_marks_first_and_last_group():
    settling = Settling(
        reset_dn=-100.0,
        reset_frames=2.0,
        reset_row_dn=0.0,
        later_reset_factor=2.0,
        first_frame_dn=50.0,
        last_frame_dn=30.0,
        switch_fraction=0.0,
        switch_frames=1.0,
    )
    made = camera(
        Effects.only("settling"), physics=replace(PHYSICS, settling=settling), n_groups=8, n_ints=2
    )
    counts = science(made.expose(np.zeros(SHAPE)).counts) - PHYSICS.electronics.bias_dn
    mean = counts.mean(axis=(2, 3))
    reset = made.maps.reset[4:-4, 4:-4].mean()
    assert mean[0, 1:7] == pytest.approx(reset * np.exp(-np.arange(1, 7) / 2), abs=1)
    assert mean[1, 1:7] == pytest.approx(2 * mean[0, 1:7], abs=2)
    assert mean[0, 0] == pytest.approx(reset + 50, abs=1)
    last = counts[0, 7] - counts[0, 7].mean()
    assert last[0::2].mean() == pytest.approx(30, abs=1)
    assert last[1::2].mean() == pytest.approx(-30, abs=1)


def test_the_ramp_holds_exactly_the_deposits_that_the_truth_lists():
    made = camera(Effects.only("particles"), n_groups=5, frames=2, skip=1)
    ramps = made.expose(np.zeros(SHAPE))
    expected = np.zeros((5, *SHAPE))
    for part in ramps.deposits:
        place = part.frame % 3
        share = {0: 1.0, 1: 0.5, 2: 1.0}[place]
        assert part.partly == (place == 1)
        here = np.zeros(SHAPE)
        np.add.at(here, (part.hits.y, part.hits.x), part.hits.electrons / GAIN)
        expected[part.group] += share * here
        expected[part.group + 1 :] += here
    counts = ramps.counts[0] - PHYSICS.electronics.bias_dn
    assert sum(len(part.hits) for part in ramps.deposits) > 50
    below = expected < 50000
    assert np.allclose(counts[below], expected[below], atol=1.1)


def test_tracks_come_at_the_expected_rate_with_the_expected_charge():
    rng = np.random.default_rng(9)
    radiation = replace(PHYSICS.radiation, electrons_scatter=0.0, heavy_fraction=0.0)
    hits = tracks(rng, (400, 400), 2.0, radiation)
    area_cm2 = (400 * 18e-4) ** 2
    number = hits.event.max() + 1
    assert number == pytest.approx(500 * area_cm2 * 2, rel=0.1)
    charge = np.bincount(hits.event, weights=hits.electrons)
    normal = 400 * 5.0
    assert np.quantile(charge, 0.05) == pytest.approx(normal, rel=0.05)
    assert np.median(charge) == pytest.approx(normal * np.sqrt(2), rel=0.05)
    assert np.mean(np.bincount(hits.event)) > 2  # charge is shared


def test_snowballs_fill_their_core_and_fade_outwards():
    rng = np.random.default_rng(10)
    for _ in range(20):
        hits = snowball(rng, (400, 400), PHYSICS.radiation, 80000.0)
        core, halo = hits.electrons[hits.kind == CORE], hits.electrons[hits.kind == HALO]
        assert core.min() > 80000
        assert halo.max() < 6000
        assert len(core) + len(halo) == len(hits)


def test_events_are_numbered_on_when_lists_are_joined():
    rng = np.random.default_rng(11)
    one, two = (tracks(rng, SHAPE, 3.0, PHYSICS.radiation) for _ in range(2))
    both = join([one, two])
    assert len(both) == len(one) + len(two)
    assert len(np.unique(both.event)) == len(np.unique(one.event)) + len(np.unique(two.event))
    assert len(join([])) == len(no_hits()) == 0


def test_switched_off_radiation_leaves_nothing():
    hits = draw(
        lambda kind: stream(1, kind),
        shape=SHAPE,
        seconds=100.0,
        radiation=PHYSICS.radiation,
        full_well_electron=8e4,
        frame_pixels=1,
        effects=Effects.none(),
    )
    assert len(hits) == 0


def test_one_effect_does_not_change_another():
    with_hits = camera(Effects.only("read_noise", "particles")).expose(np.zeros(SHAPE))
    without = camera(Effects.only("read_noise")).expose(np.zeros(SHAPE))
    hit = np.zeros(SHAPE, bool)
    for part in with_hits.deposits:
        hit[part.hits.y, part.hits.x] = True
    assert hit.any()
    assert np.array_equal(with_hits.counts[..., ~hit], without.counts[..., ~hit])


def test_the_same_seed_gives_the_same_exposure_and_another_another():
    rate = np.full(SHAPE, 5.0)
    first, again, other = (camera(Effects(), seed=s).expose(rate) for s in (1, 1, 2))
    assert np.array_equal(first.counts, again.counts)
    assert not np.array_equal(first.counts, other.counts)


def test_bad_pixels_behave_as_their_flags_say():
    made = camera(Effects.only("bad_pixels", "efficiency", "dark"), n_groups=6)
    counts = made.expose(np.full(SHAPE, 20.0)).counts[0].astype(float)
    slope = np.diff(counts, axis=0).mean(axis=0) * GAIN / made.plan.group_time_s
    dead, hot = made.maps.dq & 1024 != 0, made.maps.dq & 2048 != 0
    assert dead.any()
    assert hot.any()
    assert np.all(slope[dead] < 1)
    assert np.all(slope[hot] > 35)


@pytest.mark.parametrize(
    ("rate", "words"),
    [
        (np.zeros((3, 3)), "the scene has shape \\(3, 3\\), but the sub-array has \\(48, 64\\)"),
        (np.full(SHAPE, np.nan), "negative or undefined rates"),
        (np.full(SHAPE, -1.0), "negative or undefined rates"),
    ],
)
def test_a_scene_that_cannot_be_exposed_is_refused(rate, words):
    with pytest.raises(BadParameter, match=words):
        camera(Effects()).expose(rate)


def test_an_exposure_without_groups_is_refused():
    with pytest.raises(BadParameter, match="at least one integration and one group, not 1 and 0"):
        camera(Effects(), n_groups=0)


def test_an_unknown_effect_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match=r"'read_noises'\. Did you mean 'read_noise'"):
        Effects().without("read_noises")


def test_a_lower_gain_spreads_the_same_electrons_over_fewer_numbers():
    factor = 1.5
    quiet = Effects.only("saturation", "nonlinearity")
    usual, other = (
        camera(quiet, physics=part, n_groups=6) for part in (PHYSICS, PHYSICS.at_gain(factor))
    )
    rate = np.where(usual.maps.active, 250.0, 0.0)
    bias = PHYSICS.electronics.bias_dn
    signal, fewer = (one.expose(rate).counts.astype(float) - bias for one in (usual, other))
    np.testing.assert_allclose(fewer * factor, signal, atol=1.3)
    assert PHYSICS.at_gain(1) is PHYSICS
    back = other.maps.at_gain(1 / factor)
    for name in ("gain", "read_noise", "full_scale"):
        np.testing.assert_allclose(getattr(back, name), getattr(usual.maps, name), rtol=1e-5)
    np.testing.assert_allclose(
        back.full_well(PHYSICS), other.maps.full_well(PHYSICS.at_gain(factor)), rtol=1e-5
    )


def test_integrations_can_be_taken_out_with_their_hits():
    ramps = camera(Effects(), n_ints=4).expose(np.full(SHAPE, 20.0))
    part = ramps.integrations(1, 3)
    np.testing.assert_array_equal(part.counts, ramps.counts[1:3])
    np.testing.assert_array_equal(part.first_full, ramps.first_full[1:3])
    held = [one for one in ramps.deposits if one.integration in {1, 2}]
    assert [one.integration + 1 for one in part.deposits] == [one.integration for one in held]
    assert [one.hits for one in part.deposits] == [one.hits for one in held]
