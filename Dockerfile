# syntax=docker/dockerfile:1
# Stages: `custody` (the product) and `pgbouncer` (from Debian 13, whose version keeps prepared statements in transaction mode).

FROM swift:6.3-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends libpq-dev libssl-dev pkg-config zlib1g-dev \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Package.swift ./
COPY Sources ./Sources
# The manifest names the test targets, whose folders must exist; their contents are not built.
COPY Tests ./Tests
RUN swift build --configuration release --product custody --static-swift-stdlib \
    && install -D "$(swift build --configuration release --show-bin-path)/custody" /out/custody

FROM debian:bookworm-slim AS custody
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates curl libpq5 libssl3 tzdata zlib1g \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin custody
COPY --from=build /out/custody /usr/local/bin/custody
COPY sql /usr/local/share/custody/sql
COPY openapi.yaml /usr/local/share/custody/openapi.yaml
WORKDIR /usr/local/share/custody
USER custody
STOPSIGNAL SIGTERM
ENTRYPOINT ["custody"]

FROM debian:trixie-slim AS pgbouncer
RUN apt-get update \
    && apt-get install -y --no-install-recommends pgbouncer postgresql-client \
    && rm -rf /var/lib/apt/lists/*
COPY scripts/docker/pgbouncer.sh /usr/local/bin/start-pgbouncer
USER postgres
EXPOSE 6432
ENTRYPOINT ["start-pgbouncer"]
