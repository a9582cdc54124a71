"""Tests of what the image is made with; the image itself is tested in tests/action/."""
