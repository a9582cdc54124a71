"""Publishers: what PyPI knows a job by, and why it may not know this one.

How PyPI matches a token, and all that it answers: warehouse's source of 2026-08-21, seen on a local instance.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from urllib.parse import quote, urlencode

from entrypoint.credentials.exchange import Reply, quoted
from entrypoint.credentials.github import file_of
from entrypoint.credentials.problems import documented
from entrypoint.errors import CredentialError, PublishError
from entrypoint.index import Index

LINKED = 3
"""Projects at most to whose settings an error leads."""

NO_ENVIRONMENT = "(none: the field has to be empty)"

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"

ACROSS = (
    "PyPI looks for the workflow file that defines the job, and this job is defined in a reusable workflow. "
    "Put the job that publishes into the workflow that is triggered, and let the reusable one build"
)


def refusal(index: Index, reply: Reply, claims: Mapping[str, str], projects: Sequence[str]) -> CredentialError:
    """Say why no token was minted for what a job claims to be."""
    errors = reply.fields.get("errors")
    first = errors[0] if isinstance(errors, list) and errors and isinstance(errors[0], dict) else {}
    code, said = str(first.get("code", "")), quoted(str(first.get("description", "")))
    if not code:
        return unusable(index, reply, "a token")
    seen = f"{index.title} answered `{quoted(code)}`: {said}."
    match code:
        case "invalid-publisher":
            return _unmatched(index, seen, claims, projects)
        case "invalid-reuse-token":
            return used_up(seen)
        case "not-enabled":
            return switched_off(seen)
        case "invalid-pending-publisher" | "invalid-token":
            title, more, tip = _OTHERS[code]
            forms = links(index, claims, projects) if code == "invalid-pending-publisher" else ()
            return documented(title, f"{seen} {more}", tip, links=forms)
    return _bad_payload(index, seen, said, claims)


_OTHERS = {
    "invalid-pending-publisher": (
        "The project exists already",
        "The publisher was registered for a project that was to be new.",
        "If the project is yours, add the publisher to it. If not, choose another name.",
    ),
    "invalid-token": (
        "The ID token is not valid there",
        "Its signature, its time or its audience is not what it should be.",
        "Run the job again. On a runner of your own check its clock: ID tokens live five minutes.",
    ),
}
"""Code → title, what it says besides, tip."""


def switched_off(seen: str) -> CredentialError:
    """Say that the index exchanges nothing at the moment."""
    return documented(
        "Trusted publishing is switched off",
        f"{seen} Its administrators have switched it off for now.",
        "See https://status.python.org and run the job again later, or publish with an API token.",
    )


def used_up(seen: str) -> CredentialError:
    """Say that an ID token cannot be shown twice."""
    return documented(
        "The ID token was used before",
        f"{seen} An ID token is good for one exchange.",
        "On GitLab a job has one ID token: publish once in a job, within 15 minutes, and put a second step into a job "
        "of its own. Elsewhere run the job again.",
    )


def reusable(claims: Mapping[str, str]) -> bool:
    """Tell whether the job is defined in another workflow than the one that was triggered."""
    job, workflow = claims.get("job_workflow_ref", ""), claims.get("workflow_ref", "")
    return bool(job and workflow) and job.partition("@")[0] != workflow.partition("@")[0]


def called(claims: Mapping[str, str]) -> str:
    """Give the workflow file in which the job is defined, with its repository."""
    return quoted(claims["job_workflow_ref"].partition("@")[0])


def calling(claims: Mapping[str, str]) -> str:
    """Give the workflow file that was triggered, with its repository."""
    return quoted(claims["workflow_ref"].partition("@")[0])


def pipeline(claims: Mapping[str, str]) -> str:
    """Give the file in GitLab's `HOST/GROUP/PROJECT//FILE@REF`."""
    return claims.get("ci_config_ref_uri", "").partition("//")[2].partition("@")[0]


def principal(claims: Mapping[str, str]) -> str:
    """Say who a job is, for the log."""
    if claims.get("iss") == GITHUB_ISSUER or "job_workflow_ref" in claims:
        environment = f", environment {claims['environment']}" if claims.get("environment") else ""
        return quoted(f"{claims.get('repository')}, {file_of(claims.get('job_workflow_ref', ''))}{environment}")
    return quoted(claims.get("project_path") or claims.get("email") or claims.get("sub") or "unknown")


def links(index: Index, claims: Mapping[str, str], projects: Sequence[str]) -> tuple[str, ...]:
    """Give the pages where publishers are added, their forms filled in with what the job claims."""
    if index.web is None:
        return ()
    values = {name: value for name, value in _parameters(claims).items() if value}
    forms = [
        f"{index.web}/manage/project/{quote(name, safe='')}/settings/publishing/?{urlencode(values)}"
        for name in projects[:LINKED]
    ]
    return (*forms, f"{index.web}/manage/account/publishing/")


def explained(index: Index, error: PublishError, project: str, claims: Mapping[str, str]) -> PublishError:
    """Say what is to be done about an upload that was refused to a trusted publisher."""
    lower = error.detail.lower()
    if "the given token isn't allowed to upload" in lower:
        return documented(
            "The project takes no uploads",
            error.detail,
            f"{index.title} says so to the publisher of a project that is archived or quarantined: its owners see "
            "which it is in the project's settings, and may take it out of the archive there.",
            links=(f"{index.web}/manage/project/{quote(project, safe='')}/settings/",) if index.web else (),
        )
    if "cannot create new projects" in lower:
        return documented(
            "The publisher is for a project of another name",
            f"{error.detail} The metadata say {project!r}, which does not exist, and no publisher that matches this "
            "job is registered for it.",
            f"Correct the name in the metadata, or register a pending publisher for {project!r}. If one was registered "
            f"for a wrong name, {index.title} has just made an empty project of that name, which is in the way: look "
            "among your projects, and delete it only if it has no files.",
            links=links(index, claims, ()),
        )
    if "oidc scoped token is not valid" in lower or "not valid for project" in lower:
        return documented(
            "The publisher is not registered for this project",
            error.detail,
            f"Add the same publisher to {project}: a token is good for every project that names its publisher.",
            links=links(index, claims, (project,)),
        )
    return error


def table(index: Index, claims: Mapping[str, str]) -> str:
    """Set the fields of the index's form beside what the job claims."""
    rows = [(f"{index.title}'s form", "this job"), *_form(claims)]
    rest = [(name, claims[name]) for name in _FURTHER if name in claims]
    width = max(len(name) for name, _ in (*rows, *rest))
    shown = [f"{name:<{width}}  {quoted(value)}" for name, value in rows]
    return "\n".join([*shown, "", *(f"{name:<{width}}  {quoted(value)}" for name, value in rest)])


_FURTHER = ("iss", "aud", "sub", "event_name", "ref", "workflow_ref", "job_workflow_ref", "runner_environment")
"""Claims that PyPI's form does not ask for, and that show what kind of job this is."""


def _unmatched(index: Index, seen: str, claims: Mapping[str, str], projects: Sequence[str]) -> CredentialError:
    block, forms = table(index, claims), links(index, claims, projects)
    if "pull_request_target" in seen:
        return target_event(seen)
    if reusable(claims):
        job, caller = called(claims), calling(claims)
        elsewhere = not job.startswith(f"{claims.get('repository', '')}/")
        if elsewhere:  # no publisher can be registered for that file
            forms = links(index, {**claims, "job_workflow_ref": claims["workflow_ref"]}, projects)
        return documented(
            "No publisher matches: the job is in a reusable workflow",
            f"{seen} The workflow that runs is {caller}; the job that publishes is defined in {job}.",
            f"{ACROSS}."
            if elsewhere
            else f"{ACROSS}; or register the publisher with the file {file_of(job)}, which works without attestations.",
            block=block,
            links=forms,
        )
    given = quoted(claims.get("environment", ""))
    environment = (
        f"The job runs in the environment '{given}': the publisher names this one, or none."
        if given
        else "The job has no `environment:`. If the publisher names one, give the job the same; if it should not, "
        "empty the field."
    )
    other = " TestPyPI and PyPI know each their own publishers." if index.warehouse else ""
    differs = ": one differs, and the index does not say which" if "was not found" in seen else ""
    return documented(
        "No publisher matches this job",
        seen,
        f"Compare the values below with the publisher's, letter by letter, upper and lower case too{differs}. "
        f"{environment} After a repository was renamed or moved, or the "
        f"workflow file got another name, the publisher has to follow.{other}",
        block=block,
        links=forms,
    )


def target_event(seen: str) -> CredentialError:
    """Say that PyPI takes nothing from `pull_request_target`."""
    return documented(
        "`pull_request_target` may not publish",
        f"{seen} PyPI takes no uploads from this event since 2026-03: it runs with the rights of the repository on "
        "what a stranger proposes.",
        "Publish from a `push` of a tag, a `release` or a `workflow_dispatch`.",
    )


def _bad_payload(index: Index, seen: str, said: str, claims: Mapping[str, str]) -> CredentialError:
    if "unknown trusted publishing issuer" in said:
        return documented(
            "The index does not know who issued the ID token",
            f"{seen} It is {quoted(claims.get('iss', 'not named'))}.",
            f"{index.title} takes ID tokens of GitHub, GitLab, Google and ActiveState, and of no servers of your own "
            "unless they were registered with it. Publish from one of these, or with an API token.",
        )
    return documented(
        "The token request was not accepted",
        seen,
        "If it says something about the project's name, the pending publisher's project cannot be made: choose another "
        "name. Otherwise it is a fault of this program: please report it.",
        links=links(index, claims, ()),
    )


def unusable(index: Index, reply: Reply, wanted: str) -> CredentialError:
    """Say that an index did not give what it was asked for, in its own words where it speaks problem JSON."""
    if "problem+json" in reply.headers.get("content-type", ""):
        said = ": ".join(filter(None, (quoted(reply.text("title")), quoted(reply.text("detail")))))
        return documented(
            "The index gave no token",
            f"{index.title} was asked for {wanted}, and answered {reply.status}: {said or 'without a reason'}.",
            "Correct there what it names, and run the job again.",
        )
    return documented(
        "This index gives no tokens to trusted publishers",
        f"{index.title} was asked for {wanted}: {reply.shape}, which is no answer of a trusted-publishing service.",
        "Check the upload URL, and a proxy that may have answered instead. Or publish with a `password`.",
    )


def _form(claims: Mapping[str, str]) -> list[tuple[str, str]]:
    if "project_path" in claims:
        return [
            ("Namespace, project", claims["project_path"]),
            ("Top-level pipeline file", claims.get("ci_config_ref_uri", "")),
            ("Environment name", claims.get("environment") or NO_ENVIRONMENT),
        ]
    if "email" in claims:
        return [("Email", claims["email"]), ("Subject", claims.get("sub", ""))]
    owner_id = f"   (id {claims['repository_owner_id']})" if claims.get("repository_owner_id") else ""
    return [
        ("Owner", f"{claims.get('repository_owner', '')}{owner_id}"),
        ("Repository name", claims.get("repository", "").partition("/")[2]),
        ("Workflow name", file_of(claims.get("job_workflow_ref", ""))),
        ("Environment name", claims.get("environment") or NO_ENVIRONMENT),
    ]


def _parameters(claims: Mapping[str, str]) -> dict[str, str]:
    """Fill in the form (warehouse, 2026-08)."""
    environment = claims.get("environment", "")
    if "project_path" in claims:
        namespace, _, project = claims["project_path"].rpartition("/")
        path = pipeline(claims)
        issuer = claims.get("iss", "")
        return {
            "provider": "gitlab",
            "namespace": namespace,
            "project": project,
            "workflow_filepath": path,
            "environment": environment,
            "issuer_url": "" if issuer == "https://gitlab.com" else issuer,
        }
    if "email" in claims:
        return {"provider": "google", "email": claims["email"], "sub": claims.get("sub", "")}
    return {
        "provider": "github",
        "owner": claims.get("repository_owner", ""),
        "repository": claims.get("repository", "").partition("/")[2],
        "workflow_filename": file_of(claims.get("job_workflow_ref", "")),
        "environment": environment,
    }
