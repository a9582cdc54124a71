"""A composite action that calls the released one: how a workflow reaches a ref that is known only when it runs."""

from __future__ import annotations

import re

from release.errors import ReleaseError

INPUTS = ("packages-dir", "repository-url", "check-url", "user", "dry-run")
OUTPUTS = ("outcome", "uploaded", "already-present", "failed", "files", "version")


def composite(repository: str, ref: str) -> str:
    """Write the definition of a composite action whose only step is `uses: repository@ref`."""
    if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository) or not re.fullmatch(r"[\w./-]+", ref):
        raise ReleaseError(f"'{repository}@{ref}' is not an action")
    lines = ["name: Caller", f"description: Calls {repository}@{ref}", "inputs:"]
    for name in INPUTS:
        lines += [f"  {name}:", f"    description: Input `{name}` of the action"]
    lines += ["outputs:"]
    for name in OUTPUTS:
        lines += [
            f"  {name}:",
            f"    description: Output `{name}` of the action",
            f"    value: ${{{{ steps.publish.outputs.{name} }}}}",
        ]
    lines += ["runs:", "  using: composite", "  steps:", "    - id: publish", f"      uses: {repository}@{ref}"]
    lines += ["      with:", *(f"        {name}: ${{{{ inputs.{name} }}}}" for name in INPUTS)]
    return "\n".join(lines) + "\n"
