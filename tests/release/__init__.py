"""How publish-action is released."""
