"""Google: everything that stands between a job and a Python repository in Artifact Registry.

    with running_world(tmp_path) as world:
        environ = world.environ | world.github.job() | world.google.auth_action(workspace)

As it comes, the job of `world.github` may upload to `google.repository`, both by itself (direct federation) and as
`google.account`; so may the account's keys, `google.user`, and the VM of the metadata server. What a test wants
otherwise it changes in these values. Which faults there are stands with each service.

What the services check and say is what Google documents and users report; where neither does, the code says so.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.peers.world import google_files as files
from tests.peers.world.github import ISSUER, GitHub
from tests.peers.world.google_cloud import Account, Cloud, Provider, User
from tests.peers.world.google_iam import Iam, ResourceManager
from tests.peers.world.google_metadata import Machine, MetadataServer
from tests.peers.world.google_oauth2 import OAuth2
from tests.peers.world.google_registry import ArtifactRegistry, Mode, Repository
from tests.peers.world.google_sts import Sts
from tests.peers.world.proxy import Faults, Host, Journal

PROJECT = "octo-project"
PROJECT_NUMBER = "123456789012"
LOCATION = "us-central1"


class Google:
    """Google's services, for one project."""

    def __init__(self, github: GitHub, journal: Journal, faults: Faults, now: Callable[[], float]) -> None:
        self.cloud = Cloud(journal, faults, now)
        """What the services know in common."""
        self._github = github
        self.provider = self.add_provider("publish")
        """The provider that trusts GitHub."""
        self.account = self.add_account("publisher")
        """The service account that the repository of the job may act as."""
        self.user = self._user()
        """A developer."""
        self.registry = ArtifactRegistry(self.cloud)
        self.repository = self.add_repository("python")
        """The Python repository, to which job, account and user may write."""
        self.machine = Machine(self.account, PROJECT)
        """The VM about which the metadata server knows."""
        job = self.repository_member()
        self.account.impersonators.add(job)
        self.repository.writers |= {job, self.account.member, self.user.member}

    @property
    def hosts(self) -> tuple[Host, ...]:
        """Everybody who plays a host behind the proxy."""
        iam = Iam(self.cloud, PROJECT_NUMBER)
        return (Sts(self.cloud, self._github), iam, OAuth2(self.cloud), ResourceManager(), self.registry)

    @property
    def violations(self) -> list[str]:
        """Every rule that a request to Artifact Registry broke."""
        return self.registry.violations

    def add_provider(self, name: str, pool: str = "github") -> Provider:
        """Make one more provider that trusts GitHub."""
        provider = Provider(PROJECT_NUMBER, pool, name, ISSUER)
        self.cloud.providers.append(provider)
        return provider

    def add_account(self, name: str) -> Account:
        """Make one more service account, which nobody may act as and which may do nothing."""
        unique_id = str(10**20 + secrets.randbelow(10**20))
        account = Account(f"{name}@{PROJECT}.iam.gserviceaccount.com", unique_id)
        self.cloud.accounts.append(account)
        return account

    def add_repository(self, name: str, mode: Mode = "standard", *, location: str = LOCATION) -> Repository:
        """Make one more repository, of which nobody has rights."""
        repository = Repository(location, PROJECT, name, mode)
        self.registry.repositories.append(repository)
        return repository

    def repository_member(self) -> str:
        """Give the IAM member that stands for every job of the repository of the job."""
        repository = self._github.claims["repository"]
        return f"principalSet://iam.googleapis.com/{self.provider.pool_name}/attribute.repository/{repository}"

    @contextmanager
    def metadata_server(self) -> Iterator[str]:
        """Run a metadata server on loopback; yields host and port, for `GCE_METADATA_HOST`."""
        with MetadataServer(self.cloud, self.machine).running() as at:
            yield at

    def auth_action(
        self,
        workspace: Path,
        *,
        service_account: str | None = None,
        provider: Provider | None = None,
        audience: str | None = None,
        project_id: str | None = None,
        credentials_json: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        """Do what a step with google-github-actions/auth v3 does: write a credentials file, return its variables.

        The inputs are those of the action; without `service_account` it is direct federation.
        """
        if credentials_json is not None:
            self.keep_secret(credentials_json)
            path = files.write(workspace, credentials_json)
            return files.environment(path, project_id or credentials_json.get("project_id"))
        file = files.federation_file(
            provider or self.provider, self._github.job(), service_account=service_account, audience=audience
        )
        # The action takes the project out of the account's address.
        of_account = service_account.partition("@")[2].partition(".")[0] if service_account else None
        return files.environment(files.write(workspace, file), project_id or of_account)

    def service_account_key(self, account: Account | None = None) -> dict[str, str]:
        """Make a key of a service account, and return its file."""
        owner, key = account or self.account, files.account_key()
        key_id = secrets.token_hex(20)
        owner.keys[key_id] = key.public_key()
        file = files.key_file(owner, key_id, files.pem(key), PROJECT)
        self.keep_secret(file)
        return file

    def key_password(self, file: Mapping[str, Any]) -> str:
        """Give a key file as the password of the user `_json_key_base64`."""
        password = base64.b64encode(json.dumps(file).encode()).decode()
        basic = base64.b64encode(f"_json_key_base64:{password}".encode()).decode()
        self.cloud.journal.secrets.update({password, basic})
        return password

    def authorized_user(self, user: User | None = None) -> dict[str, str]:
        """Return the file of application default credentials of a developer."""
        file = files.user_file(user or self.user, PROJECT)
        self.keep_secret(file)
        return file

    def keep_secret(self, file: Mapping[str, Any]) -> None:
        """Enter what is secret in a credentials file."""
        known = self.cloud.journal.secrets
        known.update(str(file[name]) for name in ("client_secret", "refresh_token") if name in file)
        known.update(files.secrets_of(str(file.get("private_key", ""))) - {""})

    def _user(self) -> User:
        client_id = f"{secrets.randbelow(10**12)}-{secrets.token_hex(16)}.apps.googleusercontent.com"
        token, secret = f"1//0{secrets.token_urlsafe(72)}", f"GOCSPX-{secrets.token_urlsafe(21)}"
        self.cloud.journal.secrets.update({token, secret})
        user = User("developer@octo.example", client_id, secret, token)
        self.cloud.users.append(user)
        return user
