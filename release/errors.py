"""What a release is refused for."""


class ReleaseError(Exception):
    """A reason not to go on, in a sentence for the maintainer who started the release."""
