# The agent as a static binary in an empty image, for linux/amd64 and linux/arm64.
#
#   docker buildx build --platform linux/amd64,linux/arm64 --build-arg COMMIT=$(git rev-parse --short=12 HEAD) -t kmagent .

FROM rust:1-bookworm AS build
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates file musl-tools \
        clang llvm libc6-dev make pkg-config autoconf automake autopoint gettext flex bison gawk \
    && rm -rf /var/lib/apt/lists/*
RUN rustup target add "$(uname -m)-unknown-linux-musl"
WORKDIR /src
COPY Cargo.toml Cargo.lock build.rs clippy.toml ./
COPY bpf bpf
COPY src src
COPY benches benches
COPY tests tests
COPY scripts scripts
ARG COMMIT=unknown
ENV KMAGENT_COMMIT=$COMMIT
# Arm machines come with pages of 4, 16 and 64 KiB: jemalloc must be built for the largest.
RUN [ "$(uname -m)" != aarch64 ] || export JEMALLOC_SYS_WITH_LG_PAGE=16; \
    scripts/cargo-static "$(uname -m)-unknown-linux-musl" build --release --locked --bin kmagent \
    && install -D "target/$(uname -m)-unknown-linux-musl/release/kmagent" /out/kmagent \
    && scripts/check-static /out/kmagent

FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /out/kmagent /kmagent
USER 65532:65532
EXPOSE 13133
ENTRYPOINT ["/kmagent"]
