"""NIRSpec for the simulator: its tables say all but the optics of the spectrograph."""

from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore_nirspec import simulated_optics
from calcore_nirspec.simulated_shutters import write_shutters

SIMULATION = SimulatedInstrument(
    "calcore_nirspec",
    makers={"optics": simulated_optics.write, "disperser": simulated_optics.write_disperser},
    companions=write_shutters,
)
