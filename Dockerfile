# syntax=docker/dockerfile:1
# docker build -t quadrille . && docker run --rm -p 8080:8080 quadrille

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
COPY packages.txt ./
COPY .ci/packages .ci/
RUN .ci/packages run build node && rm -rf /var/lib/apt/lists/*
COPY x264 x264
RUN x264/build target/x264
COPY web/package.json web/package-lock.json web/.npmrc web/
RUN npm --prefix web ci --no-audit --no-fund
COPY . .
RUN npm --prefix web run build \
    && cargo build --release --locked \
    && strip --strip-debug target/release/quadrille

FROM debian:12-slim
COPY packages.txt /tmp/quadrille/
COPY .ci/packages /tmp/quadrille/.ci/
RUN /tmp/quadrille/.ci/packages run \
    && rm -rf /tmp/quadrille /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --create-home --home-dir /var/lib/quadrille quadrille \
    && install -d -m 700 -o quadrille /run/quadrille
COPY --from=build /src/target/release/quadrille /usr/local/bin/quadrille
COPY LICENSE /usr/share/doc/quadrille/LICENSE
# The source of the libx264 that is in the program goes with it, as its licence asks.
COPY --from=build /src/target/x264/*.orig.tar.gz /src/x264 /usr/share/doc/quadrille/x264/
USER quadrille
WORKDIR /var/lib/quadrille
ENV XDG_RUNTIME_DIR=/run/quadrille
EXPOSE 8080
VOLUME /var/lib/quadrille
# The service ends cleanly on SIGTERM within five seconds.
STOPSIGNAL SIGTERM
ENTRYPOINT ["quadrille"]
# Runs the synthetic games; the real thing is: serve --config /etc/quadrille.toml
CMD ["demo", "--listen", "0.0.0.0:8080"]
