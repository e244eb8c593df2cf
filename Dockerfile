# The binary and nothing else. Kafka, ClickHouse and the registry are named by the configuration.
FROM node:22-bookworm-slim AS web
WORKDIR /ovation/web
COPY web/package.json web/package-lock.json web/.npmrc ./
RUN npm ci --no-audit --no-fund
COPY web/ ./
RUN npm run build

FROM rust:1.95-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake libssl-dev && rm -rf /var/lib/apt/lists/*
WORKDIR /ovation
COPY . .
COPY --from=web /ovation/web/dist web/dist
RUN cargo build --release --locked --package cli

FROM debian:bookworm-slim
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates libssl3 zlib1g \
    && rm -rf /var/lib/apt/lists/* && useradd --system --create-home ovation
COPY --from=build /ovation/target/release/ovation /usr/local/bin/ovation
USER ovation
WORKDIR /home/ovation
ENTRYPOINT ["ovation"]
CMD ["run"]
