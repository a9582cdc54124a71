"""The image that is built from this tree."""

from tests.action.conftest import image

__all__ = ["image"]
