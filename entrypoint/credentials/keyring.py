"""The keyring of this machine, for native runs: asked through the program `keyring`, as uv does it."""

from __future__ import annotations

import shutil
import subprocess

from entrypoint.credentials import Context, Credential, held
from entrypoint.credentials.exchange import quoted
from entrypoint.credentials.problems import documented

SECONDS = 60.0
"""For a person to unlock it."""


def keyring(context: Context) -> Credential | None:
    """Use the password that the keyring has for the upload URL, or else for its host."""
    if context.inputs.keyring_provider == "disabled":
        return None
    index = context.index
    user = context.user or index.user
    if not user:
        raise documented(
            "The keyring needs a user name",
            f"`keyring-provider` is 'subprocess', `user` is empty, and {index.title} has no usual user name.",
            "Give `user`: entries of a keyring are found by URL and user name.",
        )
    program = shutil.which("keyring", path=context.around.environ.get("PATH", ""))
    if program is None:
        raise documented(
            "There is no keyring program",
            "`keyring-provider` is 'subprocess', and PATH has no program `keyring`. The action's container has none.",
            "On a machine of your own: `pip install keyring`. In a workflow give a `google-…` input, or a `password`.",
        )
    said = ""
    for service in (index.shown, _host(index.origin)):
        password, said = _asked(context, program, service, user)
        if password:
            context.exchange.mask(password)
            return held(context, user, password, f"the keyring's entry for {service}, as user {user!r}")
    raise documented(
        "The keyring has no such entry",
        f"It was asked for user {user!r} at {index.shown} and at {_host(index.origin)}{said}.",
        f"Add it: `keyring set {index.shown} {user}`.",
    )


def _asked(context: Context, program: str, service: str, user: str) -> tuple[str, str]:
    """Give the password, else what the program said: its last line, without which nobody can tell what it lacks."""
    try:
        finished = subprocess.run(  # noqa: S603 - the user asked for this program, and its arguments are not a shell's
            [program, "get", service, user],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            env=dict(context.around.environ),
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return "", f" ({type(error).__name__})"
    lines = finished.stderr.strip().splitlines()
    # One line end belongs to the program, anything else to the password.
    return finished.stdout.removesuffix(
        "\n"
    ) if finished.returncode == 0 else "", f" ({quoted(lines[-1])})" if lines else ""


def _host(origin: tuple[str, str, int]) -> str:
    scheme, host, port = origin
    return host if port == {"https": 443, "http": 80}[scheme] else f"{host}:{port}"
