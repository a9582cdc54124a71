"""Publishing to Artifact Registry: the whole line, in a world that plays Google."""
