"""publish-action: publish Python distributions and say exactly what happened to every file."""

__version__ = "0.1.0"
