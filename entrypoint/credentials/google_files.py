"""Credentials files of Google's: found, read, and not trusted.

A file that lies in a checkout could send the job's identity anywhere, and google-auth asks every URL that it names
(2.63). So each of them is compared with where it has to lead, before anything is asked.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from entrypoint.credentials import github
from entrypoint.credentials.exchange import quoted
from entrypoint.credentials.problems import documented
from entrypoint.errors import CredentialError
from entrypoint.inputs import PROVIDER_FORM, provider_name

APPLICATION, ACTION = "GOOGLE_APPLICATION_CREDENTIALS", "GOOGLE_GHA_CREDS_PATH"
"""Variables that name a file: everybody's, and that of google-github-actions/auth."""

STS = "https://sts.googleapis.com/v1/token"
IAM = "iamcredentials.googleapis.com"
UNIVERSE = "googleapis.com"
TOKEN_URI = "https://oauth2.googleapis.com/token"  # noqa: S105 - an address

PATH_LIMIT = 1024
"""Characters of a path. Keys in base64 have more than two thousand."""

FILE_LIMIT = 2**20
"""Bytes of a credentials file. Real ones have some thousand."""

NEW_ONE = "Let google-github-actions/auth write a new file in this job, or give `google-workload-identity-provider`."
WHOLE_KEY = (
    "Give the key as it was downloaded, or its base64; or better `google-workload-identity-provider`, and store none."
)
INPUT = "`google-credentials-json`"


class Source(NamedTuple):
    """Where credentials come from, and the JSON object that they are."""

    place: str
    info: Mapping[str, Any]

    def __repr__(self) -> str:
        return f"Source({self.place!r})"  # without the key

    @property
    def kind(self) -> str:
        """Give what it calls itself."""
        return quoted(str(self.info.get("type", "")))

    @property
    def provider(self) -> str:
        """Resource name of the workload identity provider; empty where there is none."""
        return provider_name(str(self.info.get("audience", ""))) or ""

    @property
    def account(self) -> str:
        """E-mail address of the service account; empty where there is none."""
        if email := self.info.get("client_email"):
            return quoted(str(email))
        url = str(self.info.get("service_account_impersonation_url") or "")
        return quoted(unquote(urlsplit(url).path.rpartition("/")[2].partition(":")[0]))


def named(environ: Mapping[str, str], workspace: Path) -> Source | None:
    """Read the file that the environment names, if it names one. Raises `CredentialError` when it cannot be used."""
    variable = next((name for name in (APPLICATION, ACTION) if environ.get(name)), None)
    if variable is None:
        return None
    if not _may_be_path(environ[variable]):
        raise documented(
            "The Google credentials are not usable",
            f"{variable} holds something else than the path of a file (it is not shown).",
            "Give the JSON of a key as `google-credentials-json`: this variable is for the path of a file.",
        )
    path = Path(environ[variable])
    place = f"{variable} ({path})"
    try:
        path = _existing(path, workspace)
        place = f"{variable} ({path})"
        if path.stat().st_size > FILE_LIMIT:
            raise _unusable(place, f"it is longer than {FILE_LIMIT // 2**20} MiB")
        text = path.read_bytes()
    except FileNotFoundError as error:
        beside = workspace / path.name
        tried = f", nor is {beside}" if beside != path and _of_action(path) else ""
        raise documented(
            "The credentials file is not there",
            f"{variable} names {path}, which is not there{tried}.",
            "Run google-github-actions/auth in this job, after `actions/checkout` (which deletes its file); in a "
            "container only the workspace is there. Or give `google-workload-identity-provider`, which needs no file.",
        ) from error
    except OSError as error:
        raise documented(
            "The credentials file cannot be read",
            f"{variable} names {path}: {error.strerror}.",
            "google-github-actions/auth lets its file be read by the runner's user only: run the container as root, as "
            "GitHub does.",
        ) from error
    return Source(place, _object(text, place))


def given(text: str) -> Source:
    """Read a key that was given as an input: JSON, or its base64. Raises `CredentialError`."""
    content = text.encode()
    if not text.startswith("{"):
        with suppress(ValueError):  # what is neither is told to be no JSON
            content = base64.b64decode("".join(text.split()), validate=True)  # `base64` cuts it into lines
    return Source(INPUT, _object(content, INPUT))


def secrets(source: Source) -> Iterator[str]:
    """Yield what is secret in it. The lines of a key, not those of its file: masking `{` would wreck the log."""
    for name in ("private_key", "refresh_token", "client_secret"):
        if value := source.info.get(name):
            yield str(value)
            yield json.dumps(str(value))[1:-1]
    headers = _credential_source(source).get("headers")
    for name, value in headers.items() if isinstance(headers, dict) else ():
        if name.lower() == "authorization":
            yield str(value)
            yield str(value).partition(" ")[2]


def checked(source: Source, environ: Mapping[str, str]) -> Source:
    """Give it back if it is one that this program uses, and leads nowhere else. Raises `CredentialError`."""
    faults = list(_faults(source, environ))
    if faults:
        raise documented(
            "The Google credentials are not usable",
            f"{source.place}: {'; '.join(faults)}. Nobody was asked.",
            tip(source.place),
        )
    return source


def _faults(source: Source, environ: Mapping[str, str]) -> Iterator[str]:
    if source.info.get("universe_domain", UNIVERSE) != UNIVERSE:
        yield f"`universe_domain` is {_shown(source.info['universe_domain'])}, not {UNIVERSE}"
    match source.info.get("type"):
        case "external_account":
            yield from _external(source, environ)
        case "service_account":
            if source.info.get("token_uri") != TOKEN_URI:
                yield f"`token_uri` is {_shown(source.info.get('token_uri'))}, not {TOKEN_URI}"
            yield from (f"`{name}` is missing" for name in ("client_email", "private_key") if not _text(source, name))
        case "authorized_user":
            for name in ("client_id", "client_secret", "refresh_token"):
                if not _text(source, name):
                    yield f"`{name}` is missing"
        case other:
            yield f"`type` is {_shown(other)}, not external_account, service_account or authorized_user"


def _external(source: Source, environ: Mapping[str, str]) -> Iterator[str]:
    info = source.info
    if provider_name(str(info.get("audience", ""))) is None:
        yield f"`audience` is {_shown(info.get('audience'))}, not //iam.googleapis.com/{PROVIDER_FORM}"
    if info.get("token_url") != STS:
        yield f"`token_url` is {_shown(info.get('token_url'))}, not {STS}"
    if not _text(source, "subject_token_type"):
        yield "`subject_token_type` is missing"
    if url := info.get("service_account_impersonation_url"):
        parts = _parts(url)
        path = parts.path.startswith("/v1/projects/-/serviceAccounts/") and parts.path.endswith(":generateAccessToken")
        if parts.scheme != "https" or parts.netloc != IAM or not path or parts.query:
            yield f"`service_account_impersonation_url` is {_shown(url)}, not one of https://{IAM}"
    described = _credential_source(source)
    for name in ("executable", "environment_id", "certificate", "file"):
        if name in described:
            yield f"`credential_source` has {name!r}, which this program does not use"
    if "url" not in described:
        yield "`credential_source` has no `url`"
    elif not _of_github(described["url"], environ):
        yield f"`credential_source.url` is {_shown(described['url'])}, where GitHub does not give this job ID tokens"


def _of_github(url: object, environ: Mapping[str, str]) -> bool:
    parts, own = _parts(url), _parts(environ.get(github.URL, ""))
    of_github = fnmatch(parts.hostname or "", "*.actions.githubusercontent.com")
    known = of_github or (parts.netloc != "" and parts.netloc == own.netloc)
    return known and parts.scheme == "https" and "@" not in parts.netloc


def _credential_source(source: Source) -> Mapping[str, Any]:
    value = source.info.get("credential_source")
    return value if isinstance(value, dict) else {}


def _text(source: Source, name: str) -> bool:
    return isinstance(source.info.get(name), str) and bool(source.info[name])


def _parts(url: object) -> SplitResult:
    """Take a URL apart; one that cannot be is taken for an empty one."""
    try:
        return urlsplit(str(url))
    except ValueError:
        return urlsplit("")


def _shown(value: object) -> str:
    """Quote a value that is no secret, without what a URL may hold of one."""
    if value is None:
        return "missing"
    parts = _parts(value)
    bare = parts._replace(netloc=parts.netloc.rpartition("@")[2], query="", fragment="").geturl()
    return repr(quoted(bare if parts.netloc else str(value)))


def _existing(path: Path, workspace: Path) -> Path:
    """Find a file that google-github-actions/auth wrote, also where its folder has another name in this container."""
    beside = workspace / path.name
    return beside if not path.exists() and _of_action(path) and beside.exists() else path


def _of_action(path: Path) -> bool:
    return fnmatch(path.name, "gha-creds-*.json")


def _object(text: bytes, place: str) -> Mapping[str, Any]:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise _unusable(place, "it is no JSON") from error
    if not isinstance(value, dict):
        raise _unusable(place, "it is no JSON object")
    return value


def _unusable(place: str, why: str) -> CredentialError:
    return documented("The Google credentials are not usable", f"{place}: {why} (it is not shown).", tip(place))


def tip(place: str) -> str:
    """Say what to do about credentials that cannot be used."""
    return WHOLE_KEY if place == INPUT else NEW_ONE


def _may_be_path(text: str) -> bool:
    """Tell a path from the credentials themselves, which some workflows put there and nobody may see."""
    return len(text) <= PATH_LIMIT and text.isprintable() and not text.lstrip().startswith("{")
