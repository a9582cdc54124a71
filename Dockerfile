# The image that runs the action. No `# syntax=` line: it would pull a frontend, and nothing here needs one.
#
# A release builds with `--build-arg BASE=debian:trixie-slim@sha256:…`; a plain tag keeps `docker build .` working
# where that digest is not at hand. With `--build-arg SOURCE_DATE_EPOCH=…` the same sources and packages give the same
# layers. What only a release knows it adds with `--label`: version, revision, created, source.
ARG BASE=debian:trixie-slim

# Python is the distribution's: it gets security updates by a rebuild, and is the same on amd64 and arm64.
# hadolint ignore=DL3006 # the tag is in BASE
FROM ${BASE} AS builder
# What is copied out of here is as new as the mirrors, not as the base image.
# hadolint ignore=DL3008 # a pinned version of Debian's vanishes from the mirrors with the next security update
RUN apt-get update \
 && apt-get upgrade --yes \
 && apt-get install --yes --no-install-recommends ca-certificates python3 python3-venv \
 && rm -rf /var/lib/apt/lists/* \
 && python3 -m venv /opt/installer \
 && python3 -m venv --without-pip /opt/venv
COPY requirements.txt /
RUN /opt/installer/bin/pip --python /opt/venv/bin/python --no-cache-dir --disable-pip-version-check \
        install --require-hashes --no-deps --only-binary :all: --no-compile -r /requirements.txt
WORKDIR /program
COPY LICENSE ./
COPY image image
COPY entrypoint entrypoint
ARG SOURCE_DATE_EPOCH
RUN python3 -m image.assemble /image /program

# Nothing is in it but what image/assemble.py lays out, which says why: no shell, no package manager, no other program
# than Python. Layers are in the order in which they last.
FROM scratch
LABEL org.opencontainers.image.title="publish-action" \
      org.opencontainers.image.description="Publish Python distributions to PyPI, Google Artifact Registry or any index" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=builder /image/system /
COPY --from=builder /image/dependencies /
COPY --from=builder /image/program /
# An absolute path and no shell: a workflow may set PATH to nonsense, and shells drop variables with hyphens.
# -I keeps the workspace, PYTHON* and the home shared by all actions off sys.path; -u and utf8 because -I ignores
# PYTHONUNBUFFERED and PYTHONUTF8. No USER and no WORKDIR: GitHub owns the mounted files and sets the folder.
ENTRYPOINT ["/opt/venv/bin/python", "-I", "-u", "-X", "utf8", "-m", "entrypoint"]
