"""A provider that does what it is told, as a real HTTP server: demo, test double and load target."""

from tollway.simulator.behaviour import Behaviour
from tollway.simulator.server import Simulator

__all__ = ["Behaviour", "Simulator"]
