# A production image: no sandbox, no demo, no private PostgreSQL; `database.url` names the database.

FROM rust:1.95-bookworm AS build
WORKDIR /src
ENV SQLX_OFFLINE=true
COPY . .
# The caches keep dependencies compiled between builds. What is ours is touched, because a cache may be newer than a file
# that was checked out elsewhere; the binary is copied out, because a cache is no part of the image.
RUN --mount=type=cache,target=/usr/local/cargo/registry,sharing=locked \
    --mount=type=cache,target=/src/target,sharing=locked \
    touch src/lib.rs src/main.rs \
    && cargo build --release --locked --no-default-features \
    && install -D target/release/lamplighter /out/lamplighter

FROM debian:bookworm-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 8737 --home-dir /var/lib/lamplighter --shell /usr/sbin/nologin lamplighter \
    && install -d -m 0700 -o lamplighter -g lamplighter /var/lib/lamplighter
COPY --from=build /out/lamplighter /usr/local/bin/lamplighter
COPY --from=build /src/LICENSE /usr/share/doc/lamplighter/LICENSE
USER lamplighter
WORKDIR /var/lib/lamplighter
# Replies that could not be stored wait here; a volume lets them outlive the container.
VOLUME /var/lib/lamplighter
EXPOSE 8737
STOPSIGNAL SIGTERM
ENTRYPOINT ["/usr/local/bin/lamplighter"]
CMD ["serve", "--config", "/etc/lamplighter/lamplighter.toml"]
HEALTHCHECK --interval=30s --timeout=10s --start-period=20s --retries=3 \
    CMD ["/usr/local/bin/lamplighter", "doctor", "--quiet", "--quick"]
