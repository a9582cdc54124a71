"""A process that renders the reStructuredText on its standard input as PyPI does, and writes what came of it as JSON.

It is one of its own because nothing else can be stopped: a few lines of substitutions keep docutils busy for ever.
"""

from __future__ import annotations

import io
import json
import resource
import sys

MEMORY_LIMIT = 256 * 2**20
"""Bytes of address space. Docutils alone takes 40 MiB, and needs some 700 bytes for one of paragraphs."""

MESSAGES_LIMIT = 10_000
"""Characters of docutils' messages that are given back; the first one is shown."""


def rendered(text: str) -> dict[str, str]:
    """Render a text: `failure` is that of docutils, `fault` what it says of a text that does not render."""
    from readme_renderer import rst  # noqa: PLC0415 - only below the limits

    messages = io.StringIO()
    try:
        if rst.render(text, stream=messages) is None:
            return {"fault": messages.getvalue()[:MESSAGES_LIMIT]}
    except Exception as error:  # noqa: BLE001 - docutils has bugs, and a description may find one
        return {"failure": f"{type(error).__name__}: {error}"[:MESSAGES_LIMIT].rstrip(": ")}
    return {}


def main() -> None:
    """Render standard input within the seconds of computing that are given as the argument."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    resource.setrlimit(resource.RLIMIT_CPU, (int(sys.argv[1]),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    json.dump(rendered(sys.stdin.buffer.read().decode()), sys.stdout)


if __name__ == "__main__":
    main()
