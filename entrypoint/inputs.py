"""Inputs: what the workflow asked for, checked and frozen.

`action.yml` and the tables of the README say the same as the fields below; a test holds the three together.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, SecretStr, ValidationError

from entrypoint.errors import InputError, Note

BOOLEANS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
"""What a boolean may be, in any case."""
PROVIDER_FORM = "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
_PROVIDER = r"projects/\d+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+"
_SHOWN = 80
"""Characters of a bad value that a message quotes."""


def _boolean(value: object) -> object:
    if isinstance(value, str):
        if value.lower() not in BOOLEANS:
            raise ValueError("expected true or false (also yes, no, on, off, 1, 0)")
        return BOOLEANS[value.lower()]
    return value


def _choice(value: object) -> object:
    """Read `attestations`, where a boolean in any spelling stands beside `required`."""
    if isinstance(value, str) and value.lower() in BOOLEANS:
        return str(BOOLEANS[value.lower()]).lower()
    return value


def _lines(value: object) -> object:
    if isinstance(value, str):
        return tuple(line for line in map(str.strip, value.splitlines()) if line)
    return value


def _user(value: str) -> str:
    if ":" in value or not value.isprintable():
        raise ValueError("expected a user name without colons and control characters (RFC 7617, section 2)")
    return value


def provider_name(text: str) -> str | None:
    """Give the resource name of a workload identity provider, without the host that may stand before it."""
    name = re.sub(r"^(https:)?//iam\.googleapis\.com/", "", text)
    return name if re.fullmatch(_PROVIDER, name) else None


def _provider(value: str) -> str:
    """Check it (https://cloud.google.com/iam/docs/workload-identity-federation, 2026-08)."""
    if name := provider_name(value):
        return name
    if value.startswith(("principal://", "principalSet://")):
        raise ValueError(f"this is a member for an IAM policy; expected {PROVIDER_FORM}")
    if re.search(r"projects/[^/]+/locations/global/workloadIdentityPools/[^/]+/?$", value):
        raise ValueError(f"this is a pool, and the provider is missing: {PROVIDER_FORM}")
    if re.search(r"projects/[a-z][^/]*/locations/", value):
        raise ValueError("it holds a project's ID instead of its number")
    raise ValueError(f"expected {PROVIDER_FORM}")


def _account(value: str) -> str:
    if not re.fullmatch(r"[^@\s/:]+@[^@\s/:]+\.[^@\s/:]+|\d+", value):
        raise ValueError(
            "expected the e-mail address of a service account (NAME@PROJECT.iam.gserviceaccount.com) or its number"
        )
    return value


Boolean = Annotated[bool, BeforeValidator(_boolean)]
Lines = Annotated[tuple[str, ...], BeforeValidator(_lines)]


class Inputs(BaseModel):
    """Every input of the action. An empty value is an unset one; what is left out has the default shown here.

    URLs are secrets until `index.locate` has taken a user name and password out of them.
    """

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        alias_generator=lambda name: name.replace("_", "-"),
    )

    packages_dir: Lines = Field(
        default=("dist",), description="Directories, files or globs, one per line, relative to the workspace."
    )
    index: str | None = Field(
        default=None,
        description="`pypi`, `testpypi`, or the name of a `[[tool.uv.index]]` entry in the workspace's "
        "`pyproject.toml` (`[[index]]` in `uv.toml`).",
    )
    repository_url: SecretStr | None = Field(
        default=None, description="Upload URL; PyPI's when left out. Not together with `index`."
    )
    check_url: SecretStr | None = Field(
        default=None,
        description="Simple index of the same repository, to compare hashes with. Not together with `index`.",
    )
    user: Annotated[str, AfterValidator(_user)] | None = Field(
        default=None,
        description="User name; when left out the index's own: `__token__`, on Artifact Registry `oauth2accesstoken`.",
    )
    password: SecretStr | None = Field(default=None, description="API token, access token or password.")
    trusted_publishing: Literal["auto", "always", "never"] = Field(
        default="auto",
        description="`auto` (where the index is known to offer it and no password is given), `always` or `never`.",
    )
    google_workload_identity_provider: Annotated[str, AfterValidator(_provider)] | None = Field(
        default=None,
        description="Full resource name of a provider: keyless publishing to Artifact Registry, no other action.",
    )
    google_service_account: Annotated[str, AfterValidator(_account)] | None = Field(
        default=None, description="E-mail of a service account to impersonate with it."
    )
    google_audience: str | None = Field(
        default=None, description="Audience of the GitHub ID token, for providers with their own allowed audiences."
    )
    google_credentials_json: SecretStr | None = Field(
        default=None, description="A service account key, where keyless is impossible."
    )
    keyring_provider: Literal["disabled", "subprocess"] = Field(
        default="disabled",
        description="`disabled`, or `subprocess`: ask a `keyring` program on PATH (native runs; the image has none).",
    )
    skip_existing: Boolean = Field(
        default=False,
        description="An identical file on the index is never an error. `false`: other content under the same name is "
        "an error, both hashes shown. `true`: it is skipped with a warning.",
    )
    verify_metadata: Boolean = Field(
        default=True, description="`false` turns preflight errors that the index may yet accept into warnings."
    )
    strict: Boolean = Field(default=False, description="`true`: preflight warnings are errors.")
    attestations: Annotated[Literal["true", "required", "false"], BeforeValidator(_choice)] = Field(
        default="true",
        description="`true`: sign where the index takes attestations and an identity is there, go on with a "
        "warning when signing fails. `required`: fail before anything is sent. `false`: do not sign.",
    )
    sigstore_trust_config: str | None = Field(
        default=None,
        description="Path of a Sigstore `ClientTrustConfig` JSON: a private Sigstore instead of the public one.",
    )
    dry_run: Boolean = Field(
        default=False, description="Do everything that can be known without minting, signing or sending."
    )
    parallel: Annotated[int | None, Field(ge=1, le=16)] = Field(
        default=None, description="Files of one project in flight at once, 1 to 16; the index's own when left out."
    )
    wait_for_index: Annotated[int, Field(ge=0)] = Field(
        default=0, description="Seconds to wait until the index serves every file with its hash."
    )
    timeout: Annotated[int, Field(ge=1, le=86_400)] = Field(
        default=300, description="Seconds without progress on one request."
    )
    retries: Annotated[int, Field(ge=0)] = Field(
        default=4, description="Tries after the first, for what may be tried again."
    )
    verbose: Boolean = Field(
        default=True, description="Kept for workflows that set it; adds request lines without secrets."
    )
    print_hash: Boolean = Field(default=True, description="Kept for workflows that set it; hashes in the log.")

    @property
    def url(self) -> str | None:
        """`repository-url`, user name and password and all."""
        return self.repository_url.get_secret_value() if self.repository_url else None

    @property
    def simple_url(self) -> str | None:
        """`check-url`, in clear."""
        return self.check_url.get_secret_value() if self.check_url else None

    @property
    def token(self) -> str | None:
        """`password`, in clear."""
        return self.password.get_secret_value() if self.password else None

    @property
    def google(self) -> tuple[str, ...]:
        """Names of the `google-…` inputs that were given."""
        return tuple(name for name in GOOGLE if getattr(self, NAMES[name]) is not None)

    @property
    def google_key(self) -> str | None:
        """`google-credentials-json`, in clear."""
        return self.google_credentials_json.get_secret_value() if self.google_credentials_json else None

    @classmethod
    def read(cls, environ: Mapping[str, str], flags: Mapping[str, str] | None = None) -> Inputs:
        """Read `INPUT_<NAME>` variables, upper case, hyphens kept; a flag of the same name beats them.

        Raises an `ExceptionGroup` of `InputError` with every bad input at once.
        """
        given = _given(environ) | {name: text.strip() for name, text in (flags or {}).items() if text.strip()}
        contradictions = list(_contradictions(given))
        try:
            inputs = cls.model_validate(given)
        except ValidationError as invalid:
            bad = [_problem(dict(error), given) for error in invalid.errors(include_url=False)]
            raise ExceptionGroup("bad inputs", bad + contradictions) from None
        if contradictions:
            raise ExceptionGroup("bad inputs", contradictions)
        return inputs


NAMES = {str(field.alias): name for name, field in Inputs.model_fields.items()}
"""Kebab-case name of each input → name of its field."""

SECRET = frozenset(
    {"password", "google-credentials-json", "repository-url", "check-url"},
)
"""Inputs whose value is never quoted: it is a secret or may hold one."""

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


def remarks(inputs: Inputs, environ: Mapping[str, str]) -> Iterator[Note]:
    """Yield a notice for what an earlier tool understood otherwise."""
    given = {name for name, field in NAMES.items() if field in inputs.model_fields_set}
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


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    """Find the inputs that are not empty, under their kebab-case names, without the white space around them."""
    spellings = [*((alias, name) for alias, name in ALIASES.items()), *((name, name) for name in NAMES)]
    texts = ((name, environ.get(f"INPUT_{spelling.upper()}", "").strip()) for spelling, name in spellings)
    return {name: text for name, text in texts if text}


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


def _problem(error: Mapping[str, Any], given: Mapping[str, str]) -> InputError:
    name = str(error["loc"][0])
    message = str(error["msg"]).removeprefix("Value error, ").replace("Input should", "it should")
    seen = "given (its value is not shown)" if name in SECRET else _quoted(given[name])
    return InputError(
        f"Input `{name}` is not usable", f"`{name}` is {seen}: {message}.", f"Correct `{name}`: {hint(name)}"
    )


def hint(name: str) -> str:
    """Describe the input in one or two sentences, as `action.yml` does."""
    return str(Inputs.model_fields[NAMES[name]].description)


def _quoted(text: str) -> str:
    return repr(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…")
