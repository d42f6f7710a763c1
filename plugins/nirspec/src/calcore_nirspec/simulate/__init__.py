"""NIRSpec for the simulator: its tables say all but the optics of the spectrograph."""

from calcore.simulate.instrument_tables import SimulatedInstrument
from calcore_nirspec.simulate import optics
from calcore_nirspec.simulate.shutters import write_shutters

SIMULATION = SimulatedInstrument(
    "calcore_nirspec",
    makers={"optics": optics.write, "disperser": optics.write_disperser},
    companions=write_shutters,
)
