"""Platform tags that PyPI takes (warehouse, 2026-08); the list grows with every macOS."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.utils import parse_wheel_filename

from entrypoint.archive import Contents
from entrypoint.distribution import Distribution
from entrypoint.errors import Note
from entrypoint.index import Index
from entrypoint.rule import Rule

_LINUX = "x86_64|i686|aarch64|armv7l|ppc64le|s390x|riscv64"
TAKEN = (
    "win32|win_amd64|win_arm64|win_ia64"
    "|manylinux1_(x86_64|i686)|manylinux2010_(x86_64|i686)"
    "|manylinux2014_(x86_64|i686|aarch64|armv7l|ppc64|ppc64le|s390x)"
    "|linux_armv6l|linux_armv7l"
    rf"|manylinux_\d+_\d+_({_LINUX}|ppc64)|musllinux_\d+_\d+_({_LINUX})"
    r"|macosx_10_\d+_\w+|macosx_(11|12|13|14|15|26)_0_\w+"
    r"|ios_\d+_\d+_(arm64|x86_64)_(iphoneos|iphonesimulator)"
    r"|android_\d+_(armeabi_v7a|arm64_v8a|x86|x86_64)"
    r"|pyemscripten_\d+_\d+_wasm32"
)
"""Compiled where it is needed, which takes a millisecond: a wheel for any platform has no other tag."""

LINUX = Rule(
    "linux-tag",
    "A wheel for one machine only",
    "Repair it with auditwheel, or build it with cibuildwheel: a plain `linux_…` tag says nothing of the libraries "
    "that it needs.",
    pypi="error",
    elsewhere="warning",
)
PLATFORM = Rule(
    "platform-tag",
    "A platform that PyPI is not known to take",
    "Repair the wheel with auditwheel or delocate, or build it with cibuildwheel. A platform that is newer than this "
    "program is fine.",
    pypi="warning",
    elsewhere=None,
)


def tags(distribution: Distribution, _: Contents, index: Index) -> Iterator[Note]:
    """Compare the platform tags of a wheel with those that PyPI takes."""
    found = distribution.found
    if found.kind != "wheel":
        return
    platforms = {tag.platform for tag in parse_wheel_filename(found.filename)[3]}
    for platform in sorted(each for each in platforms - {"any"} if not re.fullmatch(TAKEN, each, re.ASCII)):
        said = f"Binary wheel {found.filename!r} has an unsupported platform tag {platform!r}."
        if platform.startswith("linux_"):
            yield from LINUX.broken(index, f"The platform tag is {platform}.", said)
        else:
            seen = f"The platform tag {platform} was not in PyPI's list of 2026-08. It is sent; the index decides."
            yield from PLATFORM.broken(index, seen, said)
