# What our image is measured beside, on the same base: Python alone, and an image built as the incumbent's is.
ARG BASE=debian:trixie-slim

# hadolint ignore=DL3006 # the tag is in BASE
FROM ${BASE} AS bare
# hadolint ignore=DL3008 # a pinned version of Debian's vanishes from the mirrors with the next security update
RUN apt-get update \
 && apt-get install --yes --no-install-recommends python3 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/*

FROM bare AS incumbent
# hadolint ignore=DL3008 # see above
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates python3-venv \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/log/* \
 && python3 -m venv /opt/venv \
 && /opt/venv/bin/pip --no-cache-dir --disable-pip-version-check install twine==7.0.0 pypi-attestations==0.0.30
