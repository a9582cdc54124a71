# The image that runs the action. No `# syntax=` line: it would pull a frontend, and nothing here needs one.
#
# A release builds with `--build-arg BASE=debian:trixie-slim@sha256:…`; a plain tag keeps `docker build .` working
# where that digest is not at hand.
ARG BASE=debian:trixie-slim

# Python is the distribution's: it gets security updates by a rebuild, and is the same on amd64 and arm64.
# hadolint ignore=DL3006 # the tag is in BASE
FROM ${BASE} AS python
# Byte-code is compiled here because at run time there may be nowhere to write it. Unchecked: files in an image
# do not change, so nothing needs to compare them with their sources at each start.
# hadolint ignore=DL3008 # a pinned version of Debian's vanishes from the mirrors with the next security update
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/apt /var/log/dpkg.log \
 && python3 -m compileall -q -f --invalidation-mode unchecked-hash "$(python3 -c 'import os; print(os.path.dirname(os.__file__))')"

FROM python AS builder
# hadolint ignore=DL3008 # see above
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/installer \
 && python3 -m venv --without-pip /opt/venv
COPY requirements.txt /
RUN /opt/installer/bin/pip --python /opt/venv/bin/python --no-cache-dir --disable-pip-version-check \
        install --require-hashes --no-deps --only-binary :all: --no-compile -r /requirements.txt
# The program is pure Python and never asks for its own distribution's metadata: copying it is installing it.
COPY entrypoint /program/entrypoint
COPY LICENSE /opt/venv/
RUN cp -r /program/entrypoint "$(/opt/venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" \
 && /opt/venv/bin/python -m compileall -q -f --invalidation-mode unchecked-hash /opt/venv

FROM python
LABEL org.opencontainers.image.title="publish-action" \
      org.opencontainers.image.description="Publish Python distributions to PyPI, Google Artifact Registry or any index" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /opt/venv /opt/venv
# An absolute path and no shell: a workflow may set PATH to nonsense, and shells drop variables with hyphens.
# -I keeps the workspace, PYTHON* and the home shared by all actions off sys.path; -u and utf8 because -I ignores
# PYTHONUNBUFFERED and PYTHONUTF8. No USER and no WORKDIR: GitHub owns the mounted files and sets the folder.
ENTRYPOINT ["/opt/venv/bin/python", "-I", "-u", "-X", "utf8", "-m", "entrypoint"]
