"""Refusals of Google's: what each means, who was refused, and the command that puts it right."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.google.job import SDIST, WHEEL, Job
from tests.line import Run
from tests.peers.scripted import Answer, Request, json_answer
from tests.peers.world import running_world
from tests.peers.world.github import COMPLETED, DENIED, NOT_JSON, PAGE
from tests.peers.world.google_cloud import api_error, error_info, html_page, oauth_error

POOL = "projects/123456789012/locations/global/workloadIdentityPools/github"
MEMBER = f"principalSet://iam.googleapis.com/{POOL}/attribute.repository/octo-org/octo-repo"
SUBJECT = f"principal://iam.googleapis.com/{POOL}/subject/repo:octo-org/octo-repo:ref:refs/tags/v1.0"
ACCOUNT = "publisher@octo-project.iam.gserviceaccount.com"

DESCRIBE_PROVIDER = """\
gcloud iam workload-identity-pools providers describe publish \\
  --project=123456789012 --location=global --workload-identity-pool=github \\
  --format='yaml(name,state,disabled,attributeMapping,attributeCondition,oidc)'"""
DESCRIBE_REPOSITORY = """\
gcloud artifacts repositories describe python \\
  --project=octo-project --location=us-central1 --format='yaml(name,format,mode)'"""
IMPERSONATE = f"""\
gcloud iam service-accounts add-iam-policy-binding {ACCOUNT} \\
  --project=octo-project --role=roles/iam.workloadIdentityUser \\
  --member={MEMBER}"""
CLAIMS = {
    "repository": "octo-org/octo-repo",
    "repository_id": "74",
    "repository_owner": "octo-org",
    "repository_owner_id": "65",
    "ref": "refs/tags/v1.0",
    "workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@refs/tags/v1.0",
    "job_workflow_ref": "octo-org/octo-repo/.github/workflows/release.yml@refs/tags/v1.0",
    "sub": "repo:octo-org/octo-repo:ref:refs/tags/v1.0",
    "iss": "https://token.actions.githubusercontent.com",
    "aud": f"https://iam.googleapis.com/{POOL}/providers/publish",
}
NOT_GOOGLE = "Google's answer is not what it should be"


def writer(member: str) -> str:
    """Give the commands that let a member write, and show the repository."""
    return f"""\
gcloud artifacts repositories add-iam-policy-binding python \\
  --project=octo-project --location=us-central1 \\
  --role=roles/artifactregistry.writer --member={member}
{DESCRIBE_REPOSITORY}"""


def only(ours: Run) -> Any:
    """Give the one error of a run, which the summary and the annotations tell, too."""
    (error,) = (remark for remark in ours.report["remarks"] if remark["level"] == "error")
    (message,) = ours.messages("error")
    for line in error["block"].splitlines():
        assert line.strip() in message
        assert line.strip() in ours.summary
    assert error["links"][-1].startswith("https://")
    assert ".." not in error["detail"]
    return error


class TestSts:
    """The token service, which looks at the ID token."""

    @pytest.mark.parametrize(
        ("fault", "title", "tip"),
        [
            ("sts-pool-disabled", "Google does not know the provider", "it may be disabled or deleted"),
            (
                "sts-attribute-condition",
                "The provider's condition does not let this job in",
                "Compare its `attributeCondition` with what the job claims",
            ),
            ("sts-subject-too-long", "The provider maps too long a subject", "`assertion.repository_id`"),
            ("sts-stale", "The ID token is too old", "check its clock"),
            ("github-expired", "The ID token is too old", "check its clock"),
            ("github-issuer", "The provider trusts another issuer", "the provider's `issuer-uri`"),
            ("github-signature", "Google does not take the job's identity", "Compare the provider with what the job"),
        ],
    )
    @pytest.mark.parametrize("file", [False, True])
    def test_refusals(self, job: Job, fault: str, title: str, tip: str, file: bool) -> None:
        """Each is told by its name, with the command that shows the provider, and all that the job claims.

        It makes no difference whether the provider comes from an input or from a file.
        """
        job.world.faults.set(fault, True)
        left = job.google.auth_action(job.workspace)
        ours = job.publish(job.to, env=job.world.github.job() | left) if file else job.publish()

        assert (ours.status, set(ours.states.values())) == (2, {"not-attempted"})
        assert job.asked == ["github", "sts"]
        error = only(ours)
        assert error["title"] == title
        assert tip in error["tip"]
        assert error["detail"].startswith("Google's token service (STS) answered 40")
        assert error["detail"].endswith(f"Provider: {job.google.provider.name}.")
        command, claims = error["block"].split("\n\n")
        assert command == DESCRIBE_PROVIDER
        issuer = {"iss": "https://token.actions.githubusercontent.com/octo-enterprise"} if "issuer" in fault else {}
        assert dict(line.split(maxsplit=1) for line in claims.splitlines()) == CLAIMS | issuer

    def test_the_claims_of_an_environment(self, job: Job) -> None:
        """What a job claims is shown as it is: in an environment, subject and environment."""
        job.world.github.claims["environment"] = "release"
        job.google.provider.condition = lambda claims: "environment" not in claims
        block = only(job.publish())["block"]

        assert "\nenvironment          release\n" in block
        assert "\nsub                  repo:octo-org/octo-repo:environment:release\n" in block

    def test_a_provider_that_is_not_there(self, job: Job) -> None:
        """A wrong number is an unknown provider; the command shows what was asked for."""
        name = job.google.provider.name.replace("123456789012", "1")
        error = only(job.publish(job.to | {"google-workload-identity-provider": name}))

        assert error["title"] == "Google does not know the provider"
        assert "--project=1 " in error["block"]

    def test_a_name_that_google_cannot_read(self, job: Job) -> None:
        """What Google calls an invalid audience is the name of the provider."""
        said = 'Invalid value for "audience". This value should be the full resource name of the Identity Provider.'
        job.world.faults.set("sts-unavailable", oauth_error("invalid_request", said))

        assert only(job.publish())["title"] == "Google does not know the provider"

    @pytest.mark.parametrize(
        ("answer", "shape"),
        [
            (html_page(200, "Welcome"), "status 200, text/html"),
            (html_page(403, "Blocked"), "status 403, text/html"),
            (json_answer({"token_type": "Bearer"}), "status 200, application/json"),
            (json_answer({"expires_in": 300}), "status 200, application/json"),
            (json_answer({"access_token": None, "expires_in": 300}), "status 200, application/json"),
            (
                json_answer({"access_token": "two\nlines-of-a-secret", "expires_in": 300}),
                "status 200, application/json",
            ),
            (json_answer({"access_token": "half-a-secret \ud800", "expires_in": 300}), "status 200, application/json"),
            (json_answer({"access_token": "ya29.secret", "expires_in": "soon"}), "status 200, application/json"),
            (json_answer({"access_token": "ya29.secret"}), "status 200, application/json"),
            (json_answer(None), "status 200, application/json"),
            (json_answer(["ya29.secret"]), "status 200, application/json"),
            (Answer(200), "status 200, of no type"),
            (Answer(400, body=b"\xff\xfe a secret in no encoding"), "status 400, of no type"),
            (json_answer({"error": {"details": "a secret"}}, 400), "status 400, application/json"),
        ],
    )
    def test_answers_that_are_none(self, job: Job, answer: Answer, shape: str) -> None:
        """An answer that is not Google's, whatever its status, is called that: not a word of it is repeated."""
        job.world.faults.set("sts-unavailable", answer)
        ours = job.publish()

        assert (ours.status, job.asked) == (2, ["github", "sts"])
        error = only(ours)
        assert error["title"] == NOT_GOOGLE
        assert error["detail"] == f"sts.googleapis.com gave no token: {shape}."
        told = "\n".join(line for line in ours.raw.splitlines() if not line.startswith("::add-mask::"))
        for word in ("secret", "lines-of", "Welcome", "Blocked", "Traceback", "Error code"):
            assert word not in told

    def test_a_life_as_text(self, job: Job) -> None:
        """`expires_in` as text is understood."""
        job.world.faults.set("sts-expires-in-text", True)

        assert job.publish().status == 0

    def test_what_it_says_is_shown_in_one_line(self, job: Job) -> None:
        """Words of a service are quoted: no line ends, no commands, and not without end."""
        job.world.faults.set("sts-unavailable", oauth_error("odd", "a\n::error::b\r##[error]" + " x" * 1000))
        ours = job.publish()

        detail = only(ours)["detail"]
        assert detail.startswith("Google's token service (STS) answered 400 `odd`: a ::error::b ##[error] x x")
        assert len(detail) < 600


class TestIam:
    """The service that gives tokens of accounts."""

    def test_not_as_this_account(self, job: Job) -> None:
        """Who may not act as the account is told the member for which to allow it."""
        job.google.account.impersonators.clear()
        ours = job.publish(job.as_account)

        assert (ours.status, job.asked) == (2, ["github", "sts", "iam"])
        error = only(ours)
        assert error["title"] == "The job may not act as the service account"
        assert error["block"] == IMPERSONATE
        assert "answered 403 `PERMISSION_DENIED`: Permission 'iam.serviceAccounts.getAccessToken'" in error["detail"]
        assert f"The service account is {ACCOUNT}; the job is {SUBJECT}." in error["detail"]
        assert "The provider has to map `attribute.repository`." in error["tip"]

    def test_the_command_helps(self, job: Job) -> None:
        """Once the member of the command may act as the account, the run goes through."""
        job.google.account.impersonators = {IMPERSONATE.rpartition("--member=")[2]}

        assert job.publish(job.as_account).status == 0

    @pytest.mark.parametrize("file", [False, True])
    def test_from_a_file(self, job: Job, file: bool) -> None:
        """The account and the job are known from a file, too."""
        job.google.account.impersonators.clear()
        left = job.google.auth_action(job.workspace, service_account=ACCOUNT)
        ours = job.publish(job.to if file else job.as_account, env=job.world.github.job() | left)

        assert only(ours)["block"] == IMPERSONATE

    def test_an_account_that_is_not_there(self, job: Job) -> None:
        """A typing error in the account names the input to correct."""
        ours = job.publish(job.keyless | {"google-service-account": "publisch@octo-project.iam.gserviceaccount.com"})

        error = only(ours)
        assert (ours.status, error["title"]) == (2, "There is no such service account")
        assert "publisch@octo-project" in error["detail"]
        assert "Correct `google-service-account`" in error["tip"]

    def test_the_api_is_off(self, job: Job) -> None:
        """The command switches it on in the project that Google names."""
        job.world.faults.set("iam-api-off", True)
        error = only(job.publish(job.as_account))

        assert error["title"] == "The IAM Credentials API is off"
        assert error["block"] == "gcloud services enable iamcredentials.googleapis.com --project=123456789012"

    @pytest.mark.parametrize(
        ("consumer", "project"),
        [("projects/777", "777"), ("projects/$(reboot)", "123456789012"), ("", "123456789012")],
    )
    def test_the_api_is_off_elsewhere(self, job: Job, consumer: str, project: str) -> None:
        """That may be another project than the provider's, which is taken where Google names none."""
        info = error_info("SERVICE_DISABLED", "googleapis.com", consumer=consumer)
        job.world.faults.set("iam-unavailable", api_error(403, "It is off.", "PERMISSION_DENIED", info))

        assert only(job.publish(job.as_account))["block"].endswith(f" --project={project}")

    def test_the_clocks_differ(self, job: Job) -> None:
        """Google's words about a lifetime mean a clock."""
        said = "The access token lifetime cannot exceed 3600 seconds."
        job.world.faults.set("iam-unavailable", api_error(400, said, "INVALID_ARGUMENT"))
        error = only(job.publish(job.as_account))

        assert error["title"] == "The clocks differ"
        assert "lifetime cannot exceed 3600 seconds." in error["detail"]

    @pytest.mark.parametrize(
        "answer",
        [
            True,
            html_page(200, "Welcome"),
            html_page(404, "Not Found"),
            json_answer({"accessToken": "ya29.c.live-secret"}),
            json_answer({"accessToken": "ya29.c.live-secret", "expireTime": 5}),
            json_answer({"accessToken": None, "expireTime": "2099-01-01T00:00:00Z"}),
        ],
    )
    def test_answers_that_are_none(self, job: Job, answer: bool | Answer) -> None:
        """What is no answer of Google's does not end up in the log, though google-auth's error may hold a token."""
        if answer is True:
            job.world.faults.set("iam-fractional-expire-time", True)
        else:
            job.world.faults.set("iam-unavailable", answer)
        job.world.journal.secrets.add("ya29.c.live-secret")
        ours = job.publish(job.as_account)

        assert (ours.status, ours.titles, job.asked) == (2, [NOT_GOOGLE], ["github", "sts", "iam"])
        assert "iamcredentials.googleapis.com gave no token: status" in only(ours)["detail"]


class TestGitHub:
    """Where the ID token comes from."""

    @pytest.mark.parametrize("answer", [DENIED, COMPLETED, PAGE, NOT_JSON])
    @pytest.mark.parametrize("file", [False, True])
    def test_no_id_token(self, job: Job, answer: Answer, file: bool) -> None:
        """Whatever GitHub answers instead of a token, nobody else is asked."""
        job.world.faults.set("github", answer)
        left = job.google.auth_action(job.workspace)
        ours = job.publish(job.to, env=job.world.github.job() | left) if file else job.publish()

        assert (ours.status, ours.titles, job.asked) == (2, ["GitHub gave no ID token"], ["github"])
        assert ("belong" in only(ours)["tip"]) == (answer is COMPLETED)  # to another job


class TestRegistry:
    """The index itself."""

    @pytest.mark.parametrize(
        ("inputs", "member"),
        [(lambda job: job.keyless, MEMBER), (lambda job: job.as_account, f"serviceAccount:{ACCOUNT}")],
    )
    @pytest.mark.parametrize("readable", [False, True])
    def test_not_allowed(self, job: Job, inputs: Callable[[Job], dict[str, str]], member: str, readable: bool) -> None:
        """A 403 to a read or an upload gives the command for exactly this repository and the member that was seen."""
        job.google.repository.writers.clear()
        job.google.repository.readers = {member} if readable else set()
        ours = job.publish(inputs(job))

        assert (ours.status, ours.titles) == (1 if readable else 2, ["Artifact Registry does not allow it"])
        assert job.asked[job.asked.index("read") :] == (["read", "upload"] if readable else ["read"])
        error = only(ours)
        assert error["block"] == writer(member)
        assert f"The registry saw {member}." in error["detail"]
        exactly = f"To allow exactly this job, write --member='{SUBJECT}' instead."
        assert (exactly in error["tip"]) == (member == MEMBER)
        if readable:
            assert 'Permission "artifactregistry.repositories.uploadArtifacts" denied' in error["detail"]

    @pytest.mark.parametrize("member", [MEMBER, SUBJECT])
    def test_the_command_helps(self, job: Job, member: str) -> None:
        """Once the member of the command, or that of the tip, is a writer, the run goes through."""
        job.google.repository.writers = {member}

        assert job.publish().status == 0

    @pytest.mark.parametrize("mode", ["remote", "virtual"])
    def test_a_repository_that_takes_nothing(self, job: Job, mode: Any) -> None:
        """To a writer only the mode is left as the reason: the tip says so, and a command shows it."""
        front = job.google.add_repository("front", mode)
        front.writers = {MEMBER}
        ours = job.publish(job.keyless | {"repository-url": front.url})

        error = only(ours)
        assert (ours.status, error["title"]) == (1, "Artifact Registry does not allow it")
        assert "remote and virtual repositories take no uploads" in error["tip"]
        assert "gcloud artifacts repositories describe front \\\n" in error["block"]

    def test_a_repository_that_is_not_there(self, job: Job) -> None:
        """Whoever has rights in the project is told the truth with a 404, at the first file."""
        job.google.registry.insiders["octo-project"] = {MEMBER}
        url = job.google.repository.url.replace("us-central1", "europe-west1")
        ours = job.publish(job.keyless | {"repository-url": url})

        error = only(ours)
        assert (ours.status, error["title"]) == (1, "There is no such repository in Artifact Registry")
        assert ours.states == {WHEEL: "failed", SDIST: "not-attempted"}
        assert error["block"] == DESCRIBE_REPOSITORY.replace("us-central1", "europe-west1")

    def test_names_that_a_shell_would_act_on(self, job: Job) -> None:
        """What is pasted into a shell is quoted."""
        url = "https://us-central1-python.pkg.dev/octo-project/$(reboot)/"
        ours = job.publish(job.keyless | {"repository-url": url})

        assert "add-iam-policy-binding '$(reboot)' \\\n" in only(ours)["block"]

    def test_a_project_of_a_domain(self, job: Job) -> None:
        """A project of a domain has a colon, which a URL writes otherwise."""
        url = "https://us-python.pkg.dev/octo.example%3Aproject/python/"
        block = only(job.publish(job.keyless | {"repository-url": url}))["block"]

        assert "  --project=octo.example:project --location=us \\\n" in block

    @pytest.mark.parametrize(
        ("url", "told"),
        [
            (
                "https://u-eu-west9-python.pkg.other.example/octo/python/",
                "repositories describe python \\\n  --project=octo --location=u-eu-west9 ",
            ),
            (
                "https://python.example/octo/python/",
                "repositories describe REPOSITORY \\\n  --project=PROJECT --location=LOCATION ",
            ),
        ],
    )
    def test_another_universe(self, tmp_path: Path, url: str, told: str) -> None:
        """Hosts of other universes are read like Google's own; of any other nothing is known, and left open."""

        class Closed:
            hosts = ("*python.*",)

            def __call__(self, request: Request) -> Answer:
                request.body  # noqa: B018 - reads it to its end
                return Answer(403)

        with running_world(tmp_path / "world", Closed()) as world:
            ours = Job(world, tmp_path / "w").publish(
                {"repository-url": url, "google-workload-identity-provider": world.google.provider.name}
            )

        assert told in only(ours)["block"]

    def test_other_answers_keep_their_words(self, job: Job) -> None:
        """What is no matter of identity is told as by any index."""
        job.world.faults.set("registry-unavailable", Answer(400, body=b"Invalid request.\n"))
        ours = job.publish()

        assert ours.titles == ["The index refused the file", "The index refused the file"]
        assert "Invalid request." in ours.reasons[WHEEL]
