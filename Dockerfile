# Multi-stage: a static binary, the authorities it trusts and nothing else: no
# shell, no packages. The Go image is an argument so that a build can pin it by
# digest. The same sources give the same binary, and with SOURCE_DATE_EPOCH
# (docker buildx; buildah --timestamp) the same image.
ARG GO_IMAGE=docker.io/library/golang:1.26

FROM --platform=${BUILDPLATFORM} ${GO_IMAGE} AS build
ARG VERSION=dev
ARG COMMIT=none
# Set by the builder for each platform; a default here would win over it. Empty
# means the machine's own.
ARG TARGETOS
ARG TARGETARCH
WORKDIR /src
COPY go.mod go.sum ./
RUN --mount=type=cache,target=/go/pkg/mod go mod download
COPY cmd ./cmd
COPY config ./config
COPY internal ./internal
COPY pkg ./pkg
# The caches make the second build short; they never enter a layer.
RUN --mount=type=cache,target=/go/pkg/mod --mount=type=cache,target=/root/.cache/go-build \
    CGO_ENABLED=0 GOOS=${TARGETOS} GOARCH=${TARGETARCH} go build -trimpath -buildvcs=false \
    -ldflags "-s -w -X main.version=${VERSION} -X main.commit=${COMMIT}" -o /llm-gateway ./cmd/llm-gateway

FROM scratch
ARG VERSION=dev
ARG COMMIT=none
LABEL org.opencontainers.image.title="llm-gateway" \
      org.opencontainers.image.description="One small service between applications and large language models" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${COMMIT}"
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build /llm-gateway /llm-gateway
USER 65532:65532
EXPOSE 8080
ENV GATEWAY_LOG_FORMAT=json
HEALTHCHECK --interval=10s --timeout=3s --start-period=2s --retries=3 CMD ["/llm-gateway", "healthcheck"]
ENTRYPOINT ["/llm-gateway"]
CMD ["serve"]
