"""The keyring of this machine, for native runs: asked through the program `keyring`, as uv does it."""

from __future__ import annotations

import shutil
import subprocess
from shlex import quote as shell

from entrypoint.credentials import Context, Credential, held
from entrypoint.credentials.exchange import quoted
from entrypoint.credentials.problems import documented
from entrypoint.index.urls import PORTS

SECONDS = 60.0
"""For a person to unlock it."""


def keyring(context: Context, seconds: float = SECONDS) -> Credential | None:
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
        finished = _asked(context, [program, "get", service, user], seconds)
        password = finished.stdout.removesuffix("\n")  # the program's line end; anything else belongs to the password
        if finished.returncode == 0 and password:
            context.exchange.mask(password)
            return held(context, user, password, f"the keyring's entry for {service}, as user {user!r}")
        said = finished.stderr.strip().rpartition("\n")[2]  # without which nobody can tell what it lacks
    raise documented(
        "The keyring has no such entry",
        f"It was asked for user {user!r} at {index.shown} and at {_host(index.origin)}"
        f"{f', and said: {quoted(said)}' if said else '.'}",
        f"Add it: `keyring set {shell(index.shown)} {shell(user)}`.",
    )


def _asked(context: Context, command: list[str], seconds: float) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(  # noqa: S603 - the user asked for this program, and its arguments are not a shell's
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            env=dict(context.around.environ),
            timeout=seconds,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        why = (
            f"could not be run: {error.strerror}" if isinstance(error, OSError) else f"took over {seconds:.0f} seconds"
        )
        raise documented(
            "The keyring does not answer",
            f"{command[0]} {why}.",
            "Nobody can type a password here: unlock the keyring before, or use a backend that needs none. "
            f"`keyring get {shell(command[2])} {shell(command[3])}` has to answer by itself.",
        ) from error


def _host(origin: tuple[str, str, int]) -> str:
    scheme, host, port = origin
    return host if port == PORTS[scheme] else f"{host}:{port}"
