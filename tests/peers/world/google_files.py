"""What Google's tools leave behind: credentials files of google-github-actions/auth, keys, a developer's login."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.peers.world.google_cloud import TOKEN_URI, Account, Provider, User
from tests.peers.world.jwt import KEY_BITS

MODE = 0o640
WORTH_MASKING = 8  # characters; a shorter line of a key would wreck every log
LABELS = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----")


@functools.cache
def account_key() -> RSAPrivateKey:
    """Make the key that all service account keys of this process share: making one takes longer than a test."""
    return generate_private_key(65537, KEY_BITS)


def pem(key: RSAPrivateKey) -> str:
    """Give a private key as Google's key files have it."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


def secrets_of(private_key: str) -> set[str]:
    """Give what of a private key is secret: all of it, and each line that says something."""
    lines = (line.strip() for line in private_key.splitlines())
    return {private_key, *(line for line in lines if len(line) >= WORTH_MASKING and line not in LABELS)}


def key_file(account: Account, key_id: str, private_key: str, project: str) -> dict[str, str]:
    """Give a key file, as the console and `gcloud iam service-accounts keys create` write it."""
    certificates = "https://www.googleapis.com"
    return {
        "type": "service_account",
        "project_id": project,
        "private_key_id": key_id,
        "private_key": private_key,
        "client_email": account.email,
        "client_id": account.unique_id,
        "auth_uri": "https://accounts.google.com/o/oauth2/auth",
        "token_uri": TOKEN_URI,
        "auth_provider_x509_cert_url": f"{certificates}/oauth2/v1/certs",
        "client_x509_cert_url": f"{certificates}/robot/v1/metadata/x509/{quote(account.email, safe='')}",
        "universe_domain": "googleapis.com",
    }


def user_file(user: User, project: str) -> dict[str, str]:
    """Give what `gcloud auth application-default login` writes."""
    return {
        "account": "",
        "client_id": user.client_id,
        "client_secret": user.client_secret,
        "quota_project_id": project,
        "refresh_token": user.refresh_token,
        "type": "authorized_user",
        "universe_domain": "googleapis.com",
    }


def federation_file(
    provider: Provider, job: Mapping[str, str], *, service_account: str | None, audience: str | None
) -> dict[str, Any]:
    """Give the credentials file of google-github-actions/auth v3 for workload identity federation."""
    url = urlsplit(job["ACTIONS_ID_TOKEN_REQUEST_URL"])
    asked = quote(audience or f"https:{provider.audience}", safe="*-._")  # as URLSearchParams does it
    query = f"{url.query}&audience={asked}" if url.query else f"audience={asked}"
    file: dict[str, Any] = {
        "type": "external_account",
        "audience": provider.audience,
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": "https://sts.googleapis.com/v1/token",
        "credential_source": {
            "url": url._replace(query=query).geturl(),
            "headers": {"Authorization": f"Bearer {job['ACTIONS_ID_TOKEN_REQUEST_TOKEN']}"},
            "format": {"type": "json", "subject_token_field_name": "value"},
        },
    }
    if service_account is not None:
        at = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{service_account}"
        file["service_account_impersonation_url"] = f"{at}:generateAccessToken"
    return file


def write(workspace: Path, file: Mapping[str, Any]) -> Path:
    """Write a credentials file as google-github-actions/auth does: into the workspace, under a name of its own."""
    path = workspace / f"gha-creds-{secrets.token_hex(8)}.json"
    path.touch(MODE, exist_ok=False)
    path.write_text(json.dumps(file, separators=(",", ":")), encoding="utf-8")
    path.chmod(MODE)  # whatever the umask is
    return path


def environment(path: Path, project: str | None) -> dict[str, str]:
    """Give the variables that google-github-actions/auth exports."""
    files = ("GOOGLE_APPLICATION_CREDENTIALS", "CLOUDSDK_AUTH_CREDENTIAL_FILE_OVERRIDE", "GOOGLE_GHA_CREDS_PATH")
    names = ("CLOUDSDK_CORE_PROJECT", "CLOUDSDK_PROJECT", "GCLOUD_PROJECT", "GCP_PROJECT", "GOOGLE_CLOUD_PROJECT")
    return dict.fromkeys(files, str(path)) | (dict.fromkeys(names, project) if project else {})
