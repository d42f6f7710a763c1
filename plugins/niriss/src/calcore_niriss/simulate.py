"""NIRISS for the simulator: its tables say all."""

from calcore.simulate.instrument_tables import SimulatedInstrument

SIMULATION = SimulatedInstrument("calcore_niriss")
