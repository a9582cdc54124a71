"""Attestations: when they are made, what is made, and what becomes of the release when they cannot be."""
