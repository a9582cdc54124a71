"""The parts of an upload."""
