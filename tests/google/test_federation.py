"""Keyless: who the job is, exchanged for a token of Google's, with nothing but inputs."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.distributions import make_wheel
from tests.google.job import SDIST, WHEEL, Job
from tests.line import Run
from tests.peers.scripted import Answer, Request
from tests.peers.world import Entry, running_world
from tests.peers.world.google_cloud import CLOUD_PLATFORM, IAM_SCOPE

UPLOADED = {WHEEL: "uploaded", SDIST: "uploaded"}
WRONG = "expected projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
ACCOUNT = "expected the e-mail address of a service account (NAME@PROJECT.iam.gserviceaccount.com) or its number"


def test_direct(job: Job) -> None:
    """The job's ID token buys a token of Google's, which reads and writes: two requests, and none to anybody else."""
    ours = job.publish()

    assert (ours.status, ours.states, ours.outputs["index"]) == (0, UPLOADED, "google")
    assert job.asked == ["github", "sts", "read", "upload", "upload"]
    asked, exchanged, read, *_ = job.world.journal.entries
    provider = job.google.provider
    assert asked.query["audience"] == f"https://iam.googleapis.com/{provider.name}"
    assert exchanged.form["audience"] == f"//iam.googleapis.com/{provider.name}"
    assert exchanged.form["scope"] == CLOUD_PLATFORM
    assert exchanged.form["subject_token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    user, _, _ = base64.b64decode(read.headers["authorization"].removeprefix("Basic ")).decode().partition(":")
    assert user == "oauth2accesstoken"
    principal = (
        f"principal://iam.googleapis.com/{provider.pool_name}/subject/repo:octo-org/octo-repo:ref:refs/tags/v1.0"
    )
    said = rf"Credential: Google, by workload identity federation, {principal}, good until \d\d:\d\d:\d\d UTC\."
    assert len(re.findall(said, ours.raw)) == 1
    assert ours.messages("warning") == []


def test_as_a_service_account(job: Job) -> None:
    """With an account the job's token buys one of the account, for which less is asked of STS: three requests."""
    job.google.repository.writers = {job.google.account.member}
    ours = job.publish(job.as_account)

    assert (ours.status, ours.states) == (0, UPLOADED)
    assert job.asked == ["github", "sts", "iam", "read", "upload", "upload"]
    _, exchanged, generated, *_ = job.world.journal.entries
    assert exchanged.form["scope"] == IAM_SCOPE
    assert generated.path == f"/v1/projects/-/serviceAccounts/{job.google.account.email}:generateAccessToken"
    assert generated.json["scope"] == [CLOUD_PLATFORM]
    assert f"Credential: Google, by workload identity federation, {job.google.account.email}, good until" in ours.raw


def test_an_account_by_its_number(job: Job) -> None:
    """The unique ID of an account is as good as its address."""
    ours = job.publish(job.keyless | {"google-service-account": job.google.account.unique_id})

    assert (ours.status, job.asked[:3]) == (0, ["github", "sts", "iam"])


@pytest.mark.parametrize("prefix", ["//iam.googleapis.com/", "https://iam.googleapis.com/"])
def test_a_provider_as_it_is_copied(job: Job, prefix: str) -> None:
    """The resource name may have the host before it, as consoles and other actions show it: the same is asked."""
    ours = job.publish(job.to | {"google-workload-identity-provider": f"{prefix}{job.google.provider.name}"})

    assert ours.status == 0
    asked, exchanged, *_ = job.world.journal.entries
    assert asked.query["audience"] == f"https://iam.googleapis.com/{job.google.provider.name}"
    assert exchanged.form["audience"] == f"//iam.googleapis.com/{job.google.provider.name}"


def test_an_audience_of_its_own(job: Job) -> None:
    """A provider with allowed audiences says so to a job without `google-audience`, and takes one with it."""
    job.google.provider.allowed_audiences = ("octo",)

    without = job.publish()
    assert (without.status, without.titles) == (2, ["The provider wants another audience"])
    assert "give one as `google-audience`" in without.raw
    assert f"https://iam.googleapis.com/{job.google.provider.name}" in without.report["remarks"][0]["block"]

    assert job.publish(job.keyless | {"google-audience": "octo"}).status == 0
    assert [each["aud"] for each in job.world.github.issued] == [f"https:{job.google.provider.audience}", "octo"]


def used(entry: Entry) -> str:
    """Give the secret by which a request is one of ours."""
    if entry.host == "sts.googleapis.com":
        return entry.form["subject_token"]
    return entry.headers["authorization"].partition(" ")[2]


def test_masked_before_it_is_used(job: Job) -> None:
    """Whatever is secret is given to GitHub as a mask before the first request that holds it: five in three hops."""
    ours = job.publish(job.as_account)

    lines = ours.raw.splitlines()
    masks = [line.removeprefix("::add-mask::") for line in lines if line.startswith("::add-mask::")]
    secrets = []
    for entry in job.world.journal.entries[:4]:
        first = next(n for n, line in enumerate(lines) if line.startswith(f"{entry.method} https://{entry.host}"))
        assert f"::add-mask::{used(entry)}" in lines[:first]
        secrets.append(used(entry))
    _, token = base64.b64decode(secrets[-1]).decode().split(":", 1)
    assert masks == [*secrets[:3], token, secrets[3]]
    assert job.world.journal.secrets.issuperset(masks)


def test_nobody_else_is_asked(job: Job) -> None:
    """No project is looked up, and no machine asked that would not be Google's, whatever the environment names."""
    env = job.world.github.job() | {"GOOGLE_CLOUD_PROJECT": "octo-project", "GCE_METADATA_HOST": "169.254.169.254"}
    job.publish(job.as_account, env=env)

    assert {entry.host for entry in job.world.journal.entries} == {
        "pipelines.actions.githubusercontent.com",
        "sts.googleapis.com",
        "iamcredentials.googleapis.com",
        "us-central1-python.pkg.dev",
    }


def refused(ours: Run, job: Job, *titles: str) -> str:
    """Check that a run ended before anybody was asked; gives all that was said."""
    assert (ours.status, ours.titles, job.asked) == (2, list(titles), [])
    assert set(ours.states.values()) <= {"not-attempted"}
    return " ".join(f"{each['detail']} {each['tip']} {each['block']}" for each in ours.report["remarks"])


def test_without_the_permission(job: Job) -> None:
    """A job without `id-token: write` is told what to write where, and nobody is asked."""
    ours = job.publish(env=job.world.github.job_without_permission())

    said = refused(ours, job, "No ID token: `id-token: write` is missing")
    assert "`google-workload-identity-provider` needs an ID token" in said
    assert "id-token: write" in ours.summary


def test_from_a_fork(job: Job, tmp_path: Path) -> None:
    """For the pull request of a fork no permission helps, and that is said."""
    event = tmp_path / "event.json"
    event.write_text(json.dumps({"pull_request": {"head": {"repo": {"fork": True}}}}))
    env = job.world.github.job_without_permission(GITHUB_EVENT_NAME="pull_request", GITHUB_EVENT_PATH=str(event))

    refused(job.publish(env=env), job, "No ID token: this is a pull request from a fork")


POOL = "projects/123456789012/locations/global/workloadIdentityPools/github"


@pytest.mark.parametrize(
    ("given", "why"),
    [
        (POOL, f"this is a pool, and the provider is missing: {WRONG.removeprefix('expected ')}"),
        (f"//iam.googleapis.com/{POOL}/", "this is a pool, and the provider is missing"),
        (
            "projects/octo-project/locations/global/workloadIdentityPools/github/providers/publish",
            "it holds a project's ID instead of its number",
        ),
        (f"principalSet://iam.googleapis.com/{POOL}/*", "this is a member for an IAM policy; expected projects/NUMBER"),
        (f"principal://iam.googleapis.com/{POOL}/subject/x", "this is a member for an IAM policy"),
        ("publish", WRONG),
        (f"{POOL}/providers/publish?x", WRONG),
        (f"{POOL}/providers/../x", WRONG),
        (f"https://evil.example/{POOL}/providers/publish", WRONG),
    ],
)
def test_a_provider_that_is_none(job: Job, given: str, why: str) -> None:
    """What people give instead of a provider's name is called by its name, before anybody is asked."""
    ours = job.publish(job.to | {"google-workload-identity-provider": given})

    said = refused(ours, job, "Input `google-workload-identity-provider` is not usable")
    assert f": {why}" in said


@pytest.mark.parametrize(
    "given",
    ["publisher", "publisher@octo", "serviceAccount:a@b.iam.gserviceaccount.com", "a b@c.example", "a/../b@c.d"],
)
def test_an_account_that_is_none(job: Job, given: str) -> None:
    """A service account is an address or a number, not a member of a policy, nor a name alone."""
    ours = job.publish(job.keyless | {"google-service-account": given})

    assert ACCOUNT in refused(ours, job, "Input `google-service-account` is not usable")


def test_all_at_once(job: Job) -> None:
    """Everything that is wrong with the inputs comes in one run."""
    ours = job.publish(
        job.to
        | {
            "google-workload-identity-provider": "publish",
            "google-service-account": "publisher",
            "google-credentials-json": "{}",
            "trusted-publishing": "always",
        }
    )

    provider, account = "google-workload-identity-provider", "google-service-account"
    refused(
        ours,
        job,
        f"Input `{provider}` is not usable",
        f"Input `{account}` is not usable",
        f"Inputs `trusted-publishing: always` and `{provider}` exclude each other",
        f"Inputs `trusted-publishing: always` and `{account}` exclude each other",
        "Inputs `trusted-publishing: always` and `google-credentials-json` exclude each other",
        f"Inputs `{provider}` and `google-credentials-json` exclude each other",
    )


@pytest.mark.parametrize("half", ["google-service-account", "google-audience"])
def test_half_of_it(job: Job, half: str) -> None:
    """What needs a provider names it as missing; a file that would do is not taken in its place."""
    env = job.world.github.job() | job.google.auth_action(job.workspace)
    ours = job.publish(job.to | {half: job.google.account.email}, env=env)

    said = refused(ours, job, f"`{half}` without `google-workload-identity-provider`")
    assert "Give `google-workload-identity-provider: projects/NUMBER/" in said


def test_not_for_pypi(job: Job) -> None:
    """PyPI takes no tokens of Google's: without `repository-url` the input says that it is missing."""
    ours = job.publish({"google-workload-identity-provider": job.google.provider.name})

    assert (ours.status, ours.titles) == (2, ["Google credentials do not open this index"])
    assert "Give the `repository-url` of an Artifact Registry repository" in ours.raw
    assert all("authorization" not in entry.headers for entry in job.world.journal.entries)
    assert {entry.host for entry in job.world.journal.entries} <= {"pypi.org"}  # which is read by whoever likes


def test_no_trusted_publishing_there(job: Job) -> None:
    """`trusted-publishing: always` is for indexes that know it, which Artifact Registry does not."""
    ours = job.publish(job.to | {"trusted-publishing": "always"})

    said = refused(ours, job, "Artifact Registry has no trusted publishing")
    assert "`google-workload-identity-provider` publishes there without a stored secret too" in said


def test_a_password_goes_before(job: Job) -> None:
    """A `password` is used as it is, as `oauth2accesstoken`, and the input that is not used is named."""
    token = job.google.cloud.issue("c", [job.google.account.member], [CLOUD_PLATFORM], 3600).token
    ours = job.publish(job.as_account | {"password": token})

    assert (ours.status, job.asked) == (0, ["read", "upload", "upload"])
    assert "Credential: `password`, as user 'oauth2accesstoken'." in ours.raw
    (warning,) = ours.messages("warning")
    assert "goes before `google-workload-identity-provider`, `google-service-account`" in warning


def test_anonymous_goes_before(job: Job) -> None:
    """Nor is anything of Google's asked for `user: anonymous`, which is told as well."""
    ours = job.publish(job.keyless | {"user": "anonymous"})

    assert (ours.status, job.asked) == (2, ["read"])
    (warning,) = ours.messages("warning")
    assert "`user: anonymous` is given, and goes before `google-workload-identity-provider`." in warning


@pytest.mark.parametrize("spelled", ["", "simple/", "simple/demo/"])
def test_other_spellings_of_the_url(job: Job, spelled: str) -> None:
    """The upload URL is sent to, also where the one of the index was given, or one without the last slash."""
    url = f"{job.google.repository.url.rstrip('/')}{spelled and '/' + spelled}"
    ours = job.publish(job.keyless | {"repository-url": url})

    assert (ours.status, ours.states) == (0, UPLOADED)
    assert {entry.path for entry in job.world.journal.to(job.google.repository.host)} == {
        "/octo-project/python/",
        "/octo-project/python/simple/demo/",
    }


def test_a_password_with_pypis_user_name(job: Job) -> None:
    """`__token__` gets 401 with the best of tokens: a warning says so before, and the refusal stops the run."""
    token = job.google.cloud.issue("c", [job.google.account.member], [CLOUD_PLATFORM], 3600).token
    ours = job.publish(job.to | {"password": token, "user": "__token__"})

    assert (ours.status, ours.titles, job.asked) == (2, ["The index may not be read"], ["read"])
    (warning,) = ours.messages("warning")
    assert "gets 401 there even with a good token" in warning
    assert "Leave `user` out: it is `oauth2accesstoken`" in warning


def test_a_password_is_not_renewed(job: Job) -> None:
    """A token that was given is all there is: after a 401 nothing is sent again."""
    token = job.google.cloud.issue("c", [job.google.account.member], [CLOUD_PLATFORM], 3600).token
    job.world.faults.set("registry-unauthenticated", True)
    ours = job.publish(job.to | {"password": token})

    assert (ours.status, ours.titles) == (1, ["The index does not take the credential"])
    assert job.asked == ["read", "upload"]


def test_any_index_may_be_googles(tmp_path: Path) -> None:
    """With a Google input an index of any name is given the token: other universes of Google's have other hosts."""

    class Elsewhere:
        hosts = ("python.example",)

        def __init__(self) -> None:
            self.users: set[str] = set()

        def __call__(self, request: Request) -> Answer:
            request.body  # noqa: B018 - reads it to its end
            assert request.basic is not None
            self.users.add(request.basic[0])
            return Answer(404 if request.method == "GET" else 200)

    elsewhere = Elsewhere()
    with running_world(tmp_path / "world", elsewhere) as world:
        job = Job(world, tmp_path / "w")
        ours = job.publish(job.keyless | {"repository-url": "https://python.example/octo/python/"})

    assert (ours.status, ours.outputs["index"]) == (0, "generic")
    assert elsewhere.users == {"oauth2accesstoken"}


@pytest.mark.parametrize(
    "inputs",
    [
        lambda job: job.keyless,
        lambda job: job.as_account,
        lambda job: job.to | {"google-credentials-json": json.dumps(job.google.service_account_key())},
    ],
)
def test_a_dry_run_asks_nobody(job: Job, inputs: Callable[[Job], dict[str, str]]) -> None:
    """A dry run fetches no token, so it cannot read the index: the plan says that nothing was compared."""
    ours = job.publish(inputs(job) | {"dry-run": "true"})

    assert (ours.status, job.asked) == (0, [])
    assert ours.states == {WHEEL: "planned", SDIST: "planned"}
    (notice,) = (each for each in ours.report["remarks"] if each["title"] == "Not compared with the index")
    assert notice["detail"].startswith("It takes a credential to read this index, and this dry run has none")
    assert "fetched when it is needed." in ours.raw


def test_a_file_that_may_not_be_published(job: Job) -> None:
    """Where a distribution is wrong, here by a credentials file inside, no token is fetched: nobody is asked at all."""
    make_wheel(job.dist, "demo", "1.1", modules={"gha-creds-0123456789abcdef.json": "{}"})
    ours = job.publish()

    assert (ours.status, job.asked) == (2, [])
    assert set(ours.states.values()) == {"failed", "not-attempted"}
    assert job.google.repository.files == {}


@pytest.mark.parametrize("same", [True, False])
def test_a_file_beside_the_inputs(job: Job, same: bool) -> None:
    """The inputs go before a credentials file; where the two are not the same, a notice says so."""
    account = job.google.account.email if same else "somebody@else.iam.gserviceaccount.com"
    file = job.google.auth_action(job.workspace, service_account=account)
    ours = job.publish(job.as_account, env=job.world.github.job() | file)

    assert (ours.status, job.asked[:3]) == (0, ["github", "sts", "iam"])
    said = [each["detail"] for each in ours.report["remarks"] if "file is not used" in each["title"]]
    assert len(said) == (not same)
    assert same or "is of somebody@else.iam.gserviceaccount.com, and provider projects/" in said[0]


def test_a_broken_file_beside_the_inputs(job: Job) -> None:
    """A file that is not used may be missing or broken."""
    env = job.world.github.job() | {"GOOGLE_APPLICATION_CREDENTIALS": "/nowhere/gha-creds-1.json"}

    assert job.publish(env=env).status == 0


def test_a_dry_run_without_a_credential(job: Job) -> None:
    """A dry run goes on where publishing would stop, and says that it would."""
    ours = job.publish(job.to | {"dry-run": "true"})
    assert (ours.status, ours.states[WHEEL]) == (0, "planned")
    assert "Publishing would stop here." in ours.raw
    assert "what is there already is not known" in ours.raw
