# archiver as an image: the daemon by default, one pass with `run`. docs/deploy.md says how to use it.
# BASE needs Python 3.11 or newer with venv, and tzdata; python:*-slim has them.
ARG BASE=python:3.13-slim

FROM ${BASE} AS build
WORKDIR /src
RUN test -e /usr/share/zoneinfo/UTC && python3 -m venv /opt/archiver
COPY requirements/image.txt ./
RUN /opt/archiver/bin/pip install --no-cache-dir --require-hashes --requirement image.txt
COPY pyproject.toml README.md LICENSE ./
COPY archiver archiver
# Gone after it: the installer, and the descriptions of 400 services that nobody asks here. boto3
# keeps S3, and what its chain of credentials speaks to.
RUN /opt/archiver/bin/pip install --no-cache-dir --no-deps --no-build-isolation . \
 && /opt/archiver/bin/pip uninstall --yes flit_core setuptools pip \
 && find /opt/archiver/lib/*/site-packages/botocore/data -mindepth 1 -maxdepth 1 -type d \
    ! -name s3 ! -name sts ! -name sso ! -name sso-oidc ! -name signin -exec rm -r {} +

FROM ${BASE}
ARG VERSION=0.1.0
ARG REVISION=unknown
LABEL org.opencontainers.image.title="archiver" \
      org.opencontainers.image.description="Keeps what generative-AI providers made for you, before they delete it." \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# python:*-slim comes without compiled modules: each start would take 0.2 s more, for ever.
RUN python3 -m compileall -q -x site-packages "$(dirname "$(python3 -c 'import os; print(os.__file__)')")"
COPY --from=build /opt/archiver /opt/archiver
# Group 0 may write as well: whoever comes with another user id (`--user 12345`) is in it.
RUN install -d /config && install -d -m 0770 -o 10001 -g 0 /state /archive
# Nothing is written outside the volumes: temporary files of a drill go where the index is, and
# not into a tmpfs, which would be memory.
ENV PATH=/opt/archiver/bin:$PATH \
    LANG=C.UTF-8 \
    PYTHONDONTWRITEBYTECODE=1 \
    ARCHIVER_CONFIG=/config/config.toml \
    STATE_DIRECTORY=/state \
    TMPDIR=/state
WORKDIR /state
USER 10001:0
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=1m --timeout=30s --start-period=15m --retries=2 CMD ["archiver", "health"]
ENTRYPOINT ["archiver"]
CMD ["daemon"]
