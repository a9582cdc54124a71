"""Credentials files and keys: those of google-github-actions/auth as they are, and none that leads elsewhere."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from entrypoint.credentials import google_files
from tests.google.job import SDIST, WHEEL, Job, Slow
from tests.line import Run
from tests.peers.scripted import Answer, json_answer
from tests.peers.world.google_cloud import html_page

UPLOADED = {WHEEL: "uploaded", SDIST: "uploaded"}
UNUSABLE = "The Google credentials are not usable"
HOSTED = {"RUNNER_ENVIRONMENT": "github-hosted"}

Change = Callable[[dict[str, Any]], object]


def written(job: Job, name: str, content: Any) -> Path:
    """Write a credentials file into the workspace."""
    path = job.workspace / name
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def left(job: Job, **given: Any) -> dict[str, str]:
    """Do a step with google-github-actions/auth; gives the variables of the next one, which may not ask for itself."""
    return job.world.github.job_without_permission() | job.google.auth_action(job.workspace, **given)


def named(job: Job, path: str | Path, variable: str = "GOOGLE_APPLICATION_CREDENTIALS") -> Run:
    """Publish with a file that a variable names."""
    return job.publish(job.to, env=job.world.github.job_without_permission() | {variable: str(path)})


def only(ours: Run) -> Any:
    """Give the one error of a run that has sent nothing."""
    assert (ours.status, set(ours.states.values())) == (2, {"not-attempted"})
    (error,) = (remark for remark in ours.report["remarks"] if remark["level"] == "error")
    return error


class TestAuthAction:
    """After google-github-actions/auth."""

    def test_direct(self, job: Job) -> None:
        """The file of direct federation is used exactly as it was written."""
        ours = job.publish(job.to, env=left(job))

        assert (ours.status, ours.states) == (0, UPLOADED)
        assert job.asked == ["github", "sts", "read", "upload", "upload"]
        (file,) = job.workspace.glob("gha-creds-*.json")
        said = f"Credential: Google, external_account from GOOGLE_APPLICATION_CREDENTIALS ({file}), principal://"
        assert said in ours.raw

    def test_as_a_service_account(self, job: Job) -> None:
        """So is one with a service account."""
        job.google.repository.writers = {job.google.account.member}
        ours = job.publish(job.to, env=left(job, service_account=job.google.account.email))

        assert (ours.status, job.asked) == (0, ["github", "sts", "iam", "read", "upload", "upload"])
        assert f"), {job.google.account.email}, good until" in ours.raw

    def test_with_an_audience(self, job: Job) -> None:
        """So is one for an audience of the provider's own."""
        job.google.provider.allowed_audiences = ("octo",)
        ours = job.publish(job.to, env=left(job, audience="octo"))

        assert ours.status == 0

    def test_a_key(self, job: Job) -> None:
        """With `credentials_json` the file is the key."""
        ours = job.publish(job.to, env=left(job, credentials_json=job.google.service_account_key()))

        assert (ours.status, job.asked) == (0, ["oauth2", "read", "upload", "upload"])
        assert "Google, service_account from GOOGLE_APPLICATION_CREDENTIALS" in ours.raw

    def test_its_own_variable(self, job: Job) -> None:
        """GOOGLE_GHA_CREDS_PATH is read where the other is not set, and not where it is."""
        env = left(job)
        del env["GOOGLE_APPLICATION_CREDENTIALS"]
        assert job.publish(job.to, env=env).status == 0

        ours = job.publish(job.to, env=env | {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere.json"})
        assert only(ours)["title"] == "The credentials file is not there"

    def test_an_empty_variable_names_nothing(self, job: Job) -> None:
        """A variable that is set to nothing is not set."""
        ours = job.publish(job.to, env=left(job) | {"GOOGLE_APPLICATION_CREDENTIALS": ""})

        assert ours.status == 0
        assert "from GOOGLE_GHA_CREDS_PATH (" in ours.raw

    @pytest.mark.parametrize("folder", ["/__w/octo-repo/octo-repo", "/github/workspace"])
    def test_another_name_of_the_workspace(self, job: Job, folder: str) -> None:
        """In a container the workspace has another name than where auth ran: the file is found by its own."""
        env = left(job)
        path = f"{folder}/{Path(env['GOOGLE_APPLICATION_CREDENTIALS']).name}"
        ours = job.publish(job.to, env=env | {"GOOGLE_APPLICATION_CREDENTIALS": path})

        assert ours.status == 0
        assert f"GOOGLE_APPLICATION_CREDENTIALS ({job.workspace}/gha-creds-" in ours.raw

    def test_only_its_files_are_looked_for(self, job: Job) -> None:
        """Another file of the same name in the workspace is somebody else's."""
        written(job, "key.json", job.google.service_account_key())
        detail = only(named(job, "/secrets/key.json"))["detail"]

        assert detail == "GOOGLE_APPLICATION_CREDENTIALS names /secrets/key.json, which is not there."

    def test_deleted(self, job: Job) -> None:
        """Where the file is in neither place both are named, and who deletes it."""
        error = only(named(job, "/__w/r/r/gha-creds-0123456789abcdef.json", "GOOGLE_GHA_CREDS_PATH"))

        assert error["title"] == "The credentials file is not there"
        assert "GOOGLE_GHA_CREDS_PATH names /__w/r/r/gha-creds-0123456789abcdef.json" in error["detail"]
        assert f"nor is {job.workspace}/gha-creds-0123456789abcdef.json" in error["detail"]
        assert "`actions/checkout` (which deletes its file)" in error["tip"]
        assert job.asked == []

    def test_secrets_are_masked_before_anybody_is_asked(self, job: Job) -> None:
        """The request token in it is masked first of all, and no other part of the file."""
        ours = job.publish(job.to, env=left(job))

        masks = [line.removeprefix("::add-mask::") for line in ours.raw.splitlines() if "add-mask" in line]
        assert masks[:2] == [f"Bearer {job.world.github.request_token}", job.world.github.request_token]
        assert ours.raw.index("::add-mask::Bearer") < ours.raw.index("GET https://pipelines")
        assert all(len(mask) > 50 for mask in masks)

    def test_a_header_that_is_no_secret(self, job: Job) -> None:
        """A mask of `application/json` would tear holes into the log."""
        env = left(job)
        path = Path(env["GOOGLE_APPLICATION_CREDENTIALS"])
        info = json.loads(path.read_text())
        info["credential_source"]["headers"]["Accept"] = "application/json"
        path.write_text(json.dumps(info))

        assert "::add-mask::application/json" not in job.publish(job.to, env=env).raw


class TestReading:
    """Files that cannot be read."""

    @pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
    def test_not_allowed(self, job: Job) -> None:
        """A container that does not run as root may not read the file of auth."""
        path = written(job, "gha-creds-1.json", {})
        path.chmod(0)

        error = only(named(job, path))
        assert error["title"] == "The credentials file cannot be read"
        assert "run the container as root" in error["tip"]

    def test_a_folder(self, job: Job) -> None:
        """A folder is no file."""
        error = only(named(job, job.workspace))

        assert error["title"] == "The credentials file cannot be read"
        assert error["detail"].endswith(": Is a directory.")

    def test_a_name_that_is_too_long(self, job: Job) -> None:
        """A path that the system does not take is one that is not there."""
        error = only(named(job, "x" * 300))

        assert error["title"] == "The credentials file cannot be read"
        assert error["detail"].endswith(": File name too long.")

    @pytest.mark.parametrize("form", [json.dumps, lambda key: json.dumps(key, indent=2), lambda key: f" {key}"])
    @pytest.mark.parametrize("encoded", [False, True])
    def test_the_key_itself(self, job: Job, form: Callable[[Mapping[str, str]], str], encoded: bool) -> None:
        """Who puts the key where its path belongs is told so, and nothing of it is shown."""
        text = form(job.google.service_account_key())
        error = only(named(job, base64.b64encode(text.encode()).decode() if encoded else text))

        assert error["title"] == UNUSABLE
        assert error["detail"].startswith("GOOGLE_APPLICATION_CREDENTIALS holds something else than the path of a file")
        assert "Give the JSON of a key as `google-credentials-json`" in error["tip"]

    @pytest.mark.parametrize("content", ["", "{", "\x00", "not json", '{"type": "external_account"', "[" * 100_000])
    def test_no_json(self, job: Job, content: str) -> None:
        """What is no JSON is said to be none, and is not shown."""
        error = only(named(job, written(job, "gha-creds-1.json", content)))

        assert error["title"] == UNUSABLE
        assert error["detail"].endswith("gha-creds-1.json): it is no JSON (it is not shown).")
        assert error["tip"] == google_files.NEW_ONE

    @pytest.mark.parametrize("content", [[], None, 1, "text"])
    def test_no_object(self, job: Job, content: Any) -> None:
        """Nor is JSON of another form."""
        error = only(named(job, written(job, "gha-creds-1.json", json.dumps(content))))

        assert error["detail"].endswith("it is no JSON object (it is not shown).")

    def test_too_long(self, job: Job) -> None:
        """A file without end is not read."""
        error = only(named(job, written(job, "gha-creds-1.json", " " * (google_files.FILE_LIMIT + 1))))

        assert error["detail"].endswith("it is longer than 1 MiB (it is not shown).")


SOURCE = "credential_source"


def source(**values: Any) -> Change:
    """Change something in `credential_source`."""
    return lambda info: info[SOURCE].update(values)


class TestPlanted:
    """Files that somebody else wrote, to be sent what is secret."""

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (lambda info: info.update(type="executable"), "`type` is 'executable', not external_account"),
            (
                lambda info: info.update(type="external_account_authorized_user"),
                "`type` is 'external_account_authorized_user', not external_account, service_account or authorized_",
            ),
            (lambda info: info.update(type="impersonated_service_account"), "`type` is 'impersonated_service_account'"),
            (lambda info: info.update(type="gdch_service_account"), "`type` is 'gdch_service_account'"),
            (lambda info: info.pop("type"), "`type` is missing"),
            (lambda info: info.update(type=["external_account"]), "`type` is \"['external_account']\""),
            (
                lambda info: info.update(token_url="https://evil.example/v1/token?key=very-secret"),
                "`token_url` is 'https://evil.example/v1/token', not https://sts.googleapis.com/v1/token",
            ),
            (
                lambda info: info.update(token_url="https://name:very-secret@evil.example/v1/token"),
                "`token_url` is 'https://evil.example/v1/token', not https://sts.googleapis.com/v1/token",
            ),
            (lambda info: info.update(token_url="http://sts.googleapis.com/v1/token"), "`token_url` is 'http://sts."),
            (lambda info: info.update(token_url="https://sts.googleapis.com.evil.example/v1/token"), "`token_url` is"),
            (lambda info: info.update(token_url="https://sts.googleapis.com@evil.example/v1/token"), "`token_url` is"),
            (lambda info: info.pop("token_url"), "`token_url` is missing, not https://sts.googleapis.com/v1/token"),
            (lambda info: info.update(audience="//evil.example/x"), "`audience` is '//evil.example/x', not //iam."),
            (lambda info: info.update(audience=None), "`audience` is missing, not //iam.googleapis.com/projects/"),
            (
                lambda info: info.update(audience="//iam.googleapis.com/locations/global/workforcePools/p/providers/q"),
                "`audience` is '//iam.googleapis.com/locations/global/workforcePools/p/providers/q'",
            ),
            (lambda info: info.pop("subject_token_type"), "`subject_token_type` is missing"),
            (lambda info: info.update(universe_domain="evil.example"), "`universe_domain` is 'evil.example', not"),
            *(
                (
                    lambda info, url=url: info.update(service_account_impersonation_url=url),
                    "`service_account_impersonation_url` is",
                )
                for url in (
                    "https://evil.example/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken",
                    "http://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken",
                    "https://iamcredentials.googleapis.com:8443/v1/projects/-/serviceAccounts/a:generateAccessToken",
                    "https://x@iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a:generateAccessToken",
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a@b.c:signJwt",
                    "https://iamcredentials.googleapis.com/elsewhere:generateAccessToken",
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a?x=:generateAccessToken",
                    "https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/a:generateAccessToken?x=y",
                    "https://[evil/v1/projects/-/serviceAccounts/a@b.c:generateAccessToken",
                )
            ),
            *(
                (source(url=url), "`credential_source.url` is ")
                for url in (
                    "https://evil.example/token",
                    "https://pipelines.actions.githubusercontent.com.evil.example/token",
                    "https://evil.example/.actions.githubusercontent.com",
                    "https://evil.example#.actions.githubusercontent.com",
                    "https://evil.example\\.actions.githubusercontent.com@evil.example/",
                    "https://pipelines.actions.githubusercontent.com@evil.example/token",
                    "https://x@pipelines.actions.githubusercontent.com/token",
                    "http://pipelines.actions.githubusercontent.com/token",
                    "//pipelines.actions.githubusercontent.com/token",
                    "https://actions.githubusercontent.com/token",
                    "http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token",
                    "file:///etc/passwd",
                    "",
                )
            ),
            (source(url=["https://pipelines.actions.githubusercontent.com/"]), "`credential_source.url` is "),
            (lambda info: info[SOURCE].pop("url"), "`credential_source` has no `url`"),
            (lambda info: info.pop(SOURCE), "`credential_source` has no `url`"),
            (lambda info: info.update({SOURCE: "text"}), "`credential_source` has no `url`"),
            (source(file="/etc/passwd"), "`credential_source` has 'file', which this program does not use"),
            (source(executable={"command": "/bin/sh"}), "`credential_source` has 'executable'"),
            (source(environment_id="aws1"), "`credential_source` has 'environment_id'"),
            (source(certificate={"use_default_certificate_config": True}), "`credential_source` has 'certificate'"),
        ],
    )
    def test_federation(self, job: Job, change: Change, fault: str) -> None:
        """A file that leads anywhere but to Google and to this job's GitHub is refused, and nobody is asked."""
        env = left(job)
        path = Path(env["GOOGLE_APPLICATION_CREDENTIALS"])
        info = json.loads(path.read_text())
        change(info)
        path.write_text(json.dumps(info))
        ours = job.publish(job.to, env=env)

        error = only(ours)
        assert error["title"] == UNUSABLE
        assert error["detail"].startswith(f"GOOGLE_APPLICATION_CREDENTIALS ({path}): {fault}")
        assert error["detail"].endswith(". Nobody was asked.")
        assert job.asked == []
        assert "very-secret" not in ours.raw

    def test_all_that_is_wrong(self, job: Job) -> None:
        """Everything that is wrong with a file is told at once."""
        env = left(job)
        path = Path(env["GOOGLE_APPLICATION_CREDENTIALS"])
        path.write_text(json.dumps({"type": "external_account", SOURCE: {"file": "/etc/passwd", "certificate": {}}}))

        assert only(job.publish(job.to, env=env))["detail"].count(";") == 5

    @pytest.mark.parametrize(
        ("change", "fault"),
        [
            (
                lambda info: info.update(token_uri="https://evil.example/token"),
                "`token_uri` is 'https://evil.example/token', not https://oauth2.googleapis.com/token",
            ),
            (lambda info: info.update(token_uri="http://oauth2.googleapis.com/token"), "`token_uri` is 'http://"),
            (lambda info: info.pop("token_uri"), "`token_uri` is missing"),
            (lambda info: info.update(universe_domain="evil.example"), "`universe_domain` is 'evil.example', not"),
            (lambda info: info.pop("private_key"), "`private_key` is missing"),
            (lambda info: info.update(client_email=5), "`client_email` is missing"),
        ],
    )
    def test_keys(self, job: Job, change: Change, fault: str) -> None:
        """A key that would be shown to somebody else is not: what is signed would be good for Google, too."""
        key: dict[str, Any] = dict(job.google.service_account_key())
        change(key)
        error = only(named(job, written(job, "key.json", key)))

        assert error["title"] == UNUSABLE
        assert fault in error["detail"]
        assert job.asked == []

    def test_a_server_of_ones_own(self, job: Job) -> None:
        """GitHub Enterprise Server is where this job's own URL leads; its file is taken, and asked there."""
        env = job.google.auth_action(job.workspace)
        path = Path(env["GOOGLE_APPLICATION_CREDENTIALS"])
        info = json.loads(path.read_text())
        info[SOURCE]["url"] = "https://ghes.example/_services/token?audience=x"
        path.write_text(json.dumps(info))
        own = {"ACTIONS_ID_TOKEN_REQUEST_URL": "https://ghes.example/_services/pipelines?x=y"}

        assert only(job.publish(job.to, env=job.world.github.job() | env))["title"] == UNUSABLE
        ours = job.publish(job.to | {"retries": "0"}, env=job.world.github.job() | env | own)
        assert ours.titles == ["No answer from GitHub"]
        assert {entry.host for entry in job.world.journal.entries} == {"ghes.example"}


class TestKeys:
    """Keys of service accounts, and developers' logins."""

    @pytest.mark.parametrize(
        "form",
        [
            json.dumps,
            lambda key: json.dumps(key, indent=2),
            lambda key: base64.b64encode(json.dumps(key).encode()).decode(),
            lambda key: base64.encodebytes(json.dumps(key, indent=2).encode()).decode(),
        ],
    )
    def test_as_an_input(self, job: Job, form: Callable[[Mapping[str, str]], str]) -> None:
        """The key is given as it was downloaded, or in base64, in one line or in many: one request for a token."""
        text = form(job.google.service_account_key())
        encoded = [] if text.startswith("{") else text.splitlines()
        job.world.journal.secrets.update(encoded)
        ours = job.publish(job.to | {"google-credentials-json": text}, env=HOSTED)

        assert (ours.status, ours.states) == (0, UPLOADED)
        assert job.asked == ["oauth2", "read", "upload", "upload"]
        said = f"Google, service_account from `google-credentials-json`, {job.google.account.email}, good until"
        assert said in ours.raw
        assert all(f"::add-mask::{line}\n" in ours.raw for line in encoded)

    def test_it_is_masked_line_by_line(self, job: Job) -> None:
        """Every line of the private key is masked before anybody is asked; the braces of its file are not."""
        key = job.google.service_account_key()
        ours = job.publish(job.to | {"google-credentials-json": json.dumps(key, indent=2)})

        first = ours.raw.index("POST https://oauth2.googleapis.com")
        lines = key["private_key"].splitlines()
        assert all(f"::add-mask::{line}\n" in ours.raw[:first] for line in lines)
        masks = [line.removeprefix("::add-mask::") for line in ours.raw.splitlines() if "add-mask" in line]
        # The lines, the key as it is in JSON, the token, and the token as a password.
        assert len(masks) == len(lines) + 3

    def test_before_a_file(self, job: Job) -> None:
        """The input goes before a file of somebody else, and a notice says so."""
        env = left(job)
        ours = job.publish(job.to | {"google-credentials-json": json.dumps(job.google.service_account_key())}, env=env)

        assert (ours.status, job.asked[0]) == (0, "oauth2")
        (notice,) = (each for each in ours.report["remarks"] if "file is not used" in each["title"])
        assert "and `google-credentials-json` goes before it." in notice["detail"]

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("schlüssel", "it is no JSON"),
            ("{", "it is no JSON"),
            ("bm8ganNvbg==", "it is no JSON"),
            ("bnVsbA==", "it is no JSON object"),
            ("{}", "`type` is missing"),
        ],
    )
    def test_no_key(self, job: Job, text: str, why: str) -> None:
        """What is no key is not shown; the tip says how a key is given."""
        error = only(job.publish(job.to | {"google-credentials-json": text}, env=HOSTED))

        assert error["title"] == UNUSABLE
        assert error["detail"].startswith(f"`google-credentials-json`: {why}")
        assert error["tip"] == google_files.WHOLE_KEY
        assert job.asked == []

    @pytest.mark.parametrize(
        "pem",
        [
            "not a key",
            "-----BEGIN PRIVATE KEY-----\nnot-base64-at-all!\n-----END PRIVATE KEY-----\n",
            "-----BEGIN PRIVATE KEY-----\nQUJDREVGR0hJSktMTU5PUA==\n-----END PRIVATE KEY-----\n",
        ],
    )
    def test_a_broken_key(self, job: Job, pem: str) -> None:
        """A private key that cannot be read is not shown, and nobody is asked."""
        key = job.google.service_account_key() | {"private_key": pem}
        job.world.journal.secrets.update(("not-base64-at-all!", "QUJDREVGR0hJSktMTU5PUA=="))
        error = only(job.publish(job.to | {"google-credentials-json": json.dumps(key)}, env=HOSTED))

        assert error["title"] == UNUSABLE
        assert re.search(r"cannot be read as what they say they are \(\w+; nothing of them is shown\)", error["detail"])
        assert error["tip"] == google_files.WHOLE_KEY
        assert job.asked == []

    @pytest.mark.parametrize(
        ("gone", "words"),
        [
            (lambda job: job.google.account.keys.clear(), "`invalid_grant`: Invalid JWT Signature."),
            (lambda job: job.google.cloud.accounts.clear(), "`invalid_grant`: Invalid grant: account not found."),
        ],
    )
    def test_a_key_that_is_no_more(self, job: Job, gone: Callable[[Job], object], words: str) -> None:
        """A deleted key and a deleted account are told apart by Google's words, and asked for once."""
        key = json.dumps(job.google.service_account_key())
        gone(job)
        error = only(job.publish(job.to | {"google-credentials-json": key}))

        assert (error["title"], job.asked) == ("Google does not take this key", ["oauth2"])
        assert f"answered 400 {words} It is `google-credentials-json`, of publisher@octo" in error["detail"]

    def test_not_allowed(self, job: Job) -> None:
        """The account of the key is the member that lacks the role."""
        job.google.repository.writers.clear()
        ours = job.publish(job.to | {"google-credentials-json": json.dumps(job.google.service_account_key())})

        assert ours.titles == ["Artifact Registry does not allow it"]
        assert f"--member=serviceAccount:{job.google.account.email}\n" in only(ours)["block"]

    def test_a_developers_login(self, job: Job) -> None:
        """On a developer's machine the file of `gcloud auth application-default login` is enough."""
        path = written(job, "application_default_credentials.json", job.google.authorized_user())
        ours = named(job, path)

        assert (ours.status, job.asked) == (0, ["oauth2", "read", "upload", "upload"])
        assert f"Google, authorized_user from GOOGLE_APPLICATION_CREDENTIALS ({path}), a user's credentials" in ours.raw

    def test_a_login_that_leads_elsewhere(self, job: Job) -> None:
        """Its `token_uri` is not asked, whatever it is."""
        info = job.google.authorized_user() | {"token_uri": "https://evil.example/token"}
        ours = named(job, written(job, "adc.json", info))

        assert (ours.status, job.asked[0]) == (0, "oauth2")
        assert {entry.host for entry in job.world.journal.entries} == {
            "oauth2.googleapis.com",
            job.google.repository.host,
        }

    def test_a_login_that_is_no_more(self, job: Job) -> None:
        """A login that was revoked has to be made again; of a user no address is known."""
        job.world.faults.set("oauth2-user-revoked", True)
        error = only(named(job, written(job, "adc.json", job.google.authorized_user())))

        assert error["title"] == "Google does not take this login"
        assert "Token has been expired or revoked." in error["detail"]
        assert "Run `gcloud auth application-default login` again" in error["tip"]

    def test_a_user_who_may_not(self, job: Job) -> None:
        """A user is known by no address here: the command leaves it open."""
        job.google.repository.writers.clear()
        error = only(named(job, written(job, "adc.json", job.google.authorized_user())))

        assert "The registry saw a user's credentials." in error["detail"]
        assert "--member=user:EMAIL\n" in error["block"]

    @pytest.mark.parametrize("name", ["client_id", "client_secret", "refresh_token"])
    def test_half_a_login(self, job: Job, name: str) -> None:
        """What is missing in it is named."""
        info = job.google.authorized_user()
        del info[name]

        assert f"`{name}` is missing. Nobody was asked." in only(named(job, written(job, "adc.json", info)))["detail"]

    @pytest.mark.parametrize(
        ("answer", "title"),
        [
            (html_page(200, "Welcome"), "Google's answer is not what it should be"),
            (html_page(403, "Blocked"), "Google's answer is not what it should be"),
            (Answer(200, body=b"\xff very-secret"), "Google's answer is not what it should be"),
            (
                json_answer({"access_token": "very-secret\n", "expires_in": 9}),
                "Google's answer is not what it should be",
            ),
            (json_answer({"expires_in": 3600}), "Google's answer is not what it should be"),
            (json_answer(None), "Google's answer is not what it should be"),
            (Answer(308, headers={"Location": "https://evil.example/"}), "Google's OAuth service sends us elsewhere"),
        ],
    )
    def test_answers_that_are_none(self, job: Job, answer: Answer, title: str) -> None:
        """What is no answer of Google's is called that, not repeated, and not followed."""
        job.world.faults.set("oauth2-unavailable", answer)
        ours = job.publish(job.to | {"google-credentials-json": json.dumps(job.google.service_account_key())})

        assert (only(ours)["title"], job.asked) == (title, ["oauth2"])
        shown = "\n".join(line for line in ours.raw.splitlines() if not line.startswith("::add-mask::"))
        for word in ("very-secret", "Welcome", "Blocked"):
            assert word not in shown

    @pytest.mark.parametrize("slow", [False, True])
    def test_an_outage(self, job: Job, slow: bool) -> None:
        """google-auth's own repetitions do not multiply with ours."""
        silent = Slow("", "oauth2.googleapis.com")
        job.world.faults.set("oauth2-unavailable", True)
        inputs = {"google-credentials-json": json.dumps(job.google.service_account_key()), "retries": "1"}
        ours = job.publish(job.to | inputs, around=silent if slow else None)

        assert (ours.status, len(silent.waited or job.asked)) == (2, 2)
        assert "Google's OAuth service" in only(ours)["title"]
