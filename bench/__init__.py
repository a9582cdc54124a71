"""Benchmarks: this program and its rivals, one after the other on one machine, against an index on loopback."""
