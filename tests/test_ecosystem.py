"""The distributions of the ecosystem are what their table says."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests import ecosystem as module
from tests.ecosystem import RELEASED, UnreachableError
from tests.test_distributions import broken_rows, member


@pytest.mark.parametrize("filename", RELEASED)
def test_released(released: Callable[[str], Path], filename: str) -> None:
    """Each file is there with the metadata version that it stands for; RECORD of a wheel is right."""
    path = released(filename)
    is_wheel = filename.endswith(".whl")
    # In full, for setuptools puts a second PKG-INFO below *.egg-info, and flit-core has a vendored *.dist-info in it.
    wheel_top = f"{'-'.join(filename.split('-')[:2])}.dist-info/METADATA"
    top = wheel_top if is_wheel else f"{filename.removesuffix('.tar.gz')}/PKG-INFO"
    assert f"Metadata-Version: {RELEASED[filename].metadata_version}\n".encode() in member(path, top).replace(
        b"\r", b""
    )
    if is_wheel:
        assert broken_rows(path) == []


def test_without_a_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Where PyPI cannot be reached the files are missing for a reason that a test can give for being skipped."""
    monkeypatch.setattr(
        module, "MACHINE_ENVIRONMENT", {"PIP_CONFIG_FILE": "/dev/null", "PIP_INDEX_URL": "http://127.0.0.1:9/"}
    )
    with pytest.raises(UnreachableError, match="No matching distribution found"):
        module.found(tmp_path)
    assert not list((tmp_path / "ecosystem").iterdir())
