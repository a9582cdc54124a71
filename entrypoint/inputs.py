"""Inputs: what the workflow asked for, checked and frozen.

`action.yml` and the tables of the README say the same as the fields below; a test holds the three together.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Literal, NamedTuple, TypeVar

from entrypoint.errors import InputError, Note

T = TypeVar("T")
W = TypeVar("W", bound=str)

BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
"""What a boolean may be, in any case."""
PROVIDER_FORM = "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
_PROVIDER = r"projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+"
_SHOWN = 80
"""Characters of a bad value that a message quotes."""


class Secret:
    """A text that is shown only where it is asked for: not in a message, a log or a traceback by accident."""

    __slots__ = ("_clear",)

    def __init__(self, clear: str) -> None:
        self._clear = clear

    def reveal(self) -> str:
        """Give it in clear."""
        return self._clear

    def __repr__(self) -> str:
        return "**********"

    def __eq__(self, other: object) -> bool:
        return self._clear == other._clear if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._clear)


# Readers: each makes a value of the text of an input, which is not empty and has no white space around it, or raises
# a `ValueError` that says what was expected.


def _boolean(text: str) -> bool:
    if text.lower() not in BOOLEANS:
        raise ValueError("expected true or false (also yes, no, on, off, 1, 0)")
    return BOOLEANS[text.lower()]


def _one_of(*words: W) -> Callable[[str], W]:
    """Take one of these words, and for `true` and `false`, where they are among them, what a boolean may be."""
    known = {str(word): word for word in words}

    def read(text: str) -> W:
        word = str(BOOLEANS[text.lower()]).lower() if text.lower() in BOOLEANS else text
        if word not in known:
            *others, last = map(repr, words)
            raise ValueError(f"it should be {', '.join(others)} or {last}")
        return known[word]

    return read


def _integer(least: int, most: int | None = None) -> Callable[[str], int]:
    def read(text: str) -> int:
        if not re.fullmatch(r"[+-]?[0-9]+(_[0-9]+)*(\.0+)?", text):
            raise ValueError("it should be a valid integer, unable to parse string as an integer")
        try:
            value = int(text.partition(".")[0])
        except ValueError:  # thousands of digits, which take long to be read (`sys.get_int_max_str_digits`)
            raise ValueError("Unable to parse input string as an integer, exceeded maximum size") from None
        if value < least:
            raise ValueError(f"it should be greater than or equal to {least}")
        if most is not None and value > most:
            raise ValueError(f"it should be less than or equal to {most}")
        return value

    return read


def _lines(text: str) -> tuple[str, ...]:
    return tuple(line for line in map(str.strip, text.splitlines()) if line)


def _user(text: str) -> str:
    if ":" in text or not text.isprintable():
        raise ValueError("expected a user name without colons and control characters (RFC 7617, section 2)")
    return text


def provider_name(text: str) -> str | None:
    """Give the resource name of a workload identity provider, without the host that may stand before it."""
    name = re.sub(r"^(https:)?//iam\.googleapis\.com/", "", text)
    return name if re.fullmatch(_PROVIDER, name) else None


def _provider(text: str) -> str:
    """Check it (https://cloud.google.com/iam/docs/workload-identity-federation, 2026-08)."""
    if name := provider_name(text):
        return name
    if text.startswith(("principal://", "principalSet://")):
        raise ValueError(f"this is a member for an IAM policy; expected {PROVIDER_FORM}")
    if re.search(r"projects/[^/]+/locations/global/workloadIdentityPools/[^/]+/?$", text):
        raise ValueError(f"this is a pool, and the provider is missing: {PROVIDER_FORM}")
    if re.search(r"projects/[a-z][^/]*/locations/", text):
        raise ValueError("it holds a project's ID instead of its number")
    raise ValueError(f"expected {PROVIDER_FORM}")


def _account(text: str) -> str:
    if not re.fullmatch(r"[^@\s/:]+@[^@\s/:]+\.[^@\s/:]+|\d+", text):
        raise ValueError(
            "expected the e-mail address of a service account (NAME@PROJECT.iam.gserviceaccount.com) or its number"
        )
    return text


def _input(read: Callable[[str], T], description: str, *, default: T) -> T:
    """Declare an input: how its text is read, what the documents say of it, and what it is when left out."""
    made: T = field(default=default, metadata={"read": read, "description": description})
    return made


@dataclass(frozen=True, slots=True)
class Inputs:
    """Every input of the action. An empty value is an unset one; what is left out has the default shown here.

    URLs are secrets until `index.locate` has taken a user name and password out of them.
    """

    packages_dir: tuple[str, ...] = _input(
        _lines, "Directories, files or globs, one per line, relative to the workspace.", default=("dist",)
    )
    index: str | None = _input(
        str,
        "`pypi`, `testpypi`, or the name of a `[[tool.uv.index]]` entry in the workspace's "
        "`pyproject.toml` (`[[index]]` in `uv.toml`).",
        default=None,
    )
    repository_url: Secret | None = _input(
        Secret, "Upload URL; PyPI's when left out. Not together with `index`.", default=None
    )
    check_url: Secret | None = _input(
        Secret, "Simple index of the same repository, to compare hashes with. Not together with `index`.", default=None
    )
    user: str | None = _input(
        _user,
        "User name; when left out the index's own: `__token__`, on Artifact Registry `oauth2accesstoken`.",
        default=None,
    )
    password: Secret | None = _input(Secret, "API token, access token or password.", default=None)
    trusted_publishing: Literal["auto", "always", "never"] = _input(
        _one_of("auto", "always", "never"),
        "`auto` (where the index is known to offer it and no password is given), `always` or `never`.",
        default="auto",
    )
    google_workload_identity_provider: str | None = _input(
        _provider,
        "Full resource name of a provider: keyless publishing to Artifact Registry, no other action.",
        default=None,
    )
    google_service_account: str | None = _input(
        _account, "E-mail of a service account to impersonate with it.", default=None
    )
    google_audience: str | None = _input(
        str, "Audience of the GitHub ID token, for providers with their own allowed audiences.", default=None
    )
    google_credentials_json: Secret | None = _input(
        Secret, "A service account key, where keyless is impossible.", default=None
    )
    keyring_provider: Literal["disabled", "subprocess"] = _input(
        _one_of("disabled", "subprocess"),
        "`disabled`, or `subprocess`: ask a `keyring` program on PATH (native runs; the image has none).",
        default="disabled",
    )
    skip_existing: bool = _input(
        _boolean,
        "An identical file on the index is never an error. `false`: other content under the same name is "
        "an error, both hashes shown. `true`: it is skipped with a warning.",
        default=False,
    )
    verify_metadata: bool = _input(
        _boolean, "`false` turns preflight errors that the index may yet accept into warnings.", default=True
    )
    strict: bool = _input(_boolean, "`true`: preflight warnings are errors.", default=False)
    attestations: Literal["true", "required", "false"] = _input(
        _one_of("true", "required", "false"),
        "`true`: sign where the index takes attestations and an identity is there, go on with a "
        "warning when signing fails. `required`: fail before anything is sent. `false`: do not sign.",
        default="true",
    )
    sigstore_trust_config: str | None = _input(
        str, "Path of a Sigstore `ClientTrustConfig` JSON: a private Sigstore instead of the public one.", default=None
    )
    dry_run: bool = _input(
        _boolean, "Do everything that can be known without minting, signing or sending.", default=False
    )
    parallel: int | None = _input(
        _integer(1, 16), "Files of one project in flight at once, 1 to 16; the index's own when left out.", default=None
    )
    wait_for_index: int = _input(
        _integer(0, 604_800), "Seconds to wait until the index serves every file with its hash.", default=0
    )
    timeout: int = _input(_integer(1, 86_400), "Seconds without progress on one request.", default=300)
    retries: int = _input(_integer(0), "Tries after the first, for what may be tried again.", default=4)
    verbose: bool = _input(
        _boolean, "Kept for workflows that set it; adds request lines without secrets.", default=True
    )
    print_hash: bool = _input(_boolean, "Kept for workflows that set it; hashes in the log.", default=True)

    @property
    def url(self) -> str | None:
        """`repository-url`, user name and password and all."""
        return self.repository_url.reveal() if self.repository_url else None

    @property
    def simple_url(self) -> str | None:
        """`check-url`, in clear."""
        return self.check_url.reveal() if self.check_url else None

    @property
    def token(self) -> str | None:
        """`password`, in clear."""
        return self.password.reveal() if self.password else None

    @property
    def google(self) -> tuple[str, ...]:
        """Names of the `google-…` inputs that were given."""
        return tuple(name for name in GOOGLE if getattr(self, INPUTS[name].field) is not None)

    @property
    def google_key(self) -> str | None:
        """`google-credentials-json`, in clear."""
        return self.google_credentials_json.reveal() if self.google_credentials_json else None

    @classmethod
    def read(cls, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Inputs:
        """Read `INPUT_<NAME>` variables, upper case, hyphens kept; a flag of the same name beats them.

        Raises an `ExceptionGroup` of `InputError` with every bad input at once.
        """
        given = _given(environ, flags)
        values: dict[str, Any] = {}
        bad: list[InputError] = []
        for name, text in given.items():
            try:
                values[INPUTS[name].field] = INPUTS[name].read(text)
            except ValueError as error:
                bad.append(_problem(name, text, str(error)))
        bad += _contradictions(given)
        if bad:
            raise ExceptionGroup("bad inputs", bad)
        return cls(**values)


class Input(NamedTuple):
    """What is declared of an input."""

    field: str
    """Name of its field."""
    read: Callable[[str], Any]
    description: str
    default: object

    @property
    def boolean(self) -> bool:
        """Whether it is true or false: at a terminal it takes no value."""
        return self.read is _boolean

    @property
    def secret(self) -> bool:
        """Whether its value is never quoted: it is a secret or may hold one."""
        return self.read is Secret


INPUTS: Mapping[str, Input] = {
    each.name.replace("_", "-"): Input(each.name, default=each.default, **each.metadata) for each in fields(Inputs)
}
"""Each input by its kebab-case name, in the order in which they are declared."""

GOOGLE = (
    "google-workload-identity-provider",
    "google-service-account",
    "google-audience",
    "google-credentials-json",
)
"""Inputs by which Google credentials are asked for, whatever the index."""

ALIASES = {
    name.replace("-", "_"): name
    for name in ("repository-url", "packages-dir", "verify-metadata", "skip-existing", "print-hash")
}
"""Deprecated spelling → input. The spelling with hyphens wins when both are given."""


def deprecated(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield (deprecated spelling, name of the input) for each that was given."""
    for alias, name in ALIASES.items():
        if environ.get(f"INPUT_{alias.upper()}", "").strip():
            yield alias, name


FALSE_AT_LAST = ("verify-metadata", "skip-existing", "verbose", "print-hash", "attestations")
"""Booleans that pypa/gh-action-pypi-publish 1.14 has too: to it every word but `false` is true."""

FOREIGN = {
    "TWINE_REPOSITORY": "index",
    "TWINE_REPOSITORY_URL": "repository-url",
    "TWINE_USERNAME": "user",
    "TWINE_PASSWORD": "password",
    "UV_PUBLISH_URL": "repository-url",
    "UV_PUBLISH_CHECK_URL": "check-url",
    "UV_PUBLISH_INDEX": "index",
    "UV_PUBLISH_USERNAME": "user",
    "UV_PUBLISH_PASSWORD": "password",
    "UV_PUBLISH_TOKEN": "password",
    "UV_PUBLISH_NO_ATTESTATIONS": "attestations",
    "UV_KEYRING_PROVIDER": "keyring-provider",
}
"""Variables of twine 7.0 and uv 0.13 → the input that says the same. Nothing is read from them."""


def remarks(environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Iterator[Note]:
    """Yield a notice for what an earlier tool understood otherwise."""
    given = set(_given(environ, flags))
    if given & {"index", "repository-url"}:
        given |= {"index", "repository-url"}
    unread = {variable: name for variable, name in FOREIGN.items() if environ.get(variable) and name not in given}
    if unread:
        instead = ", ".join(f"`{name}`" for name in dict.fromkeys(unread.values()))
        yield Note(
            "notice",
            "Variables of other tools are not read",
            f"Set in the environment, and not used: {', '.join(unread)}.",
            tip=f"What you want of them, give as {instead}.",
        )
    for name, text in _given(environ).items():
        if name in FALSE_AT_LAST and BOOLEANS.get(text.lower()) is False and text.lower() != "false":
            yield Note(
                "notice",
                "This word is read as false",
                f"`{name}` is {text!r}: false here, and true to an action that takes every word but `false` for true.",
                tip="Write `false` if that is what you want, `true` otherwise.",
            )


def _given(environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> dict[str, str]:
    """Find the inputs that are not empty, under their kebab-case names, without the white space around them."""
    texts = dict.fromkeys(INPUTS, "")  # in this order problems are told
    for spelling, name in (*ALIASES.items(), *((name, name) for name in INPUTS)):
        texts[name] = environ.get(f"INPUT_{spelling.upper()}", "").strip() or texts[name]
    for name, text in (flags or {}).items():
        texts[name] = text.strip() or texts[name]
    return {name: text for name, text in texts.items() if text}


def _contradictions(given: Mapping[str, str]) -> Iterator[InputError]:
    for url in ("repository-url", "check-url"):
        if "index" in given and url in given:
            yield InputError(
                f"Inputs `index` and `{url}` exclude each other",
                f"`index` is {_quoted(given['index'])}, and `{url}` is given too.",
                f"Remove one of the two: an index by name brings its own URLs, `{url}` is for an index without a name.",
            )
    if given.get("trusted-publishing") == "always":
        for other in ("password", *(name for name in GOOGLE if name in given)):
            if other in given:
                yield InputError(
                    f"Inputs `trusted-publishing: always` and `{other}` exclude each other",
                    f"`trusted-publishing` is 'always', and `{other}` is given too.",
                    f"Remove `{other}` to publish as a trusted publisher, or `trusted-publishing` to publish with it.",
                )
    provider = "google-workload-identity-provider"
    for half in ("google-service-account", "google-audience"):
        if half in given and provider not in given:
            yield InputError(
                f"`{half}` without `{provider}`",
                f"`{half}` is {_quoted(given[half])}, and there is no provider through which to use it.",
                f"Give `{provider}: {PROVIDER_FORM}` too, or remove `{half}`.",
            )
    if provider in given and "google-credentials-json" in given:
        yield InputError(
            f"Inputs `{provider}` and `google-credentials-json` exclude each other",
            "Both are given, and each is a whole way to sign in.",
            "Keep the provider, which needs no stored secret, and delete the key.",
        )


def _problem(name: str, text: str, expected: str) -> InputError:
    seen = "given (its value is not shown)" if INPUTS[name].secret else _quoted(text)
    return InputError(
        f"Input `{name}` is not usable",
        f"`{name}` is {seen}: {expected}.",
        f"Correct `{name}`: {INPUTS[name].description}",
    )


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
