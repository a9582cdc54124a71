"""pip: the client that everybody has, which says whether an index really has what was published."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from packaging.utils import parse_sdist_filename, parse_wheel_filename

from tests.peers.process import own_environment

if TYPE_CHECKING:
    from packaging.tags import Tag

SECONDS = 120.0


class PipError(RuntimeError):
    """pip failed; the message is what it printed."""


def pip_download(
    simple_url: str,
    requirement: str,
    dest: Path,
    *,
    ca_file: Path | None = None,
    hashes: Sequence[str] = (),
    options: Sequence[str] = (),
) -> list[Path]:
    """Download a requirement from an index and from nowhere else; return the files, sorted by name.

    `hashes` (`sha256:…`) make pip refuse anything else. The machine's pip configuration is not used.
    """
    dest.mkdir(parents=True, exist_ok=True)
    command = ["download", "--no-deps", "--no-cache-dir", "--index-url", simple_url, "--dest", str(dest), *options]
    if ca_file is not None:
        command += ["--cert", str(ca_file)]
    if hashes:
        wanted = dest.with_name(f"{dest.name}-requirements.txt")
        wanted.write_text(" ".join([requirement, *(f"--hash={each}" for each in hashes)]))
        command += ["--require-hashes", "--requirement", str(wanted)]
    else:
        command.append(requirement)
    run_pip(command)
    return sorted(dest.iterdir())


def download_like(simple_url: str, path: Path, dest: Path, *, ca_file: Path | None = None) -> Path:
    """Download the file that an index has under the name of the distribution `path`."""
    if path.suffix == ".whl":
        name, version, _, tags = parse_wheel_filename(path.name)
        options = ["--only-binary", ":all:", *_machine_of(tags)]
    else:
        name, version = parse_sdist_filename(path.name)
        # Without isolation, for the build requirements of an sdist are not what is looked for here.
        options = ["--no-binary", ":all:", "--no-build-isolation"]
    files = pip_download(simple_url, f"{name}=={version}", dest, ca_file=ca_file, options=options)
    by_name = {file.name: file for file in files}
    if path.name not in by_name:
        raise PipError(f"pip downloaded {sorted(by_name)} and not {path.name}")
    return by_name[path.name]


def _machine_of(tags: Collection[Tag]) -> list[str]:
    """Return the options that make pip take a wheel for another machine or Python than this one."""
    if {(tag.abi, tag.platform) for tag in tags} == {("none", "any")}:
        return []
    python = max(tag.interpreter for tag in tags)
    options = ["--implementation", python[:2], "--python-version", python[2:]]
    options += [f"--abi={abi}" for abi in sorted({tag.abi for tag in tags})]
    return options + [f"--platform={platform}" for platform in sorted({tag.platform for tag in tags})]


def run_pip(arguments: Sequence[str], *, environment: Mapping[str, str] | None = None) -> str:
    """Run pip, by default without the machine's configuration; return what it printed."""
    # Every configuration file is ignored when this variable names the null device (pip's documentation, "Location").
    isolated = own_environment({"PIP_CONFIG_FILE": os.devnull, "PIP_DISABLE_PIP_VERSION_CHECK": "1"})
    done = subprocess.run(
        [sys.executable, "-m", "pip", *arguments, "--no-input"],
        check=False,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        env=dict(environment or isolated),
    )
    if done.returncode:
        raise PipError(f"pip {' '.join(arguments)}\n{done.stdout}\n{done.stderr}")
    return done.stdout
