# docker build -t bailiff . && docker run --rm -e CLERK_PUBLISHABLE_KEY -p 8484:8484 bailiff serve --upstream http://app:3000
FROM rust:1.95-slim-bookworm AS build
RUN apt-get update && apt-get install -y --no-install-recommends cmake g++ make && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY benches benches
COPY src src
RUN cargo build --release --locked --bin bailiff

# C library, certificate authorities and nothing else: no shell, no package manager, and a user that is not root.
FROM gcr.io/distroless/cc-debian12:nonroot
LABEL org.opencontainers.image.title="bailiff" \
      org.opencontainers.image.description="An authentication gate for HTTP apps whose users sign in with Clerk" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /src/target/release/bailiff /bailiff
USER 65532:65532
EXPOSE 8484 8485
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s CMD ["/bailiff", "health"]
ENTRYPOINT ["/bailiff"]
CMD ["serve"]
