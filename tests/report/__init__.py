"""The ways to tell what happened."""
