# Runs the whole graph on a GPU, for the gpu-* profiles: the Dagster code location with trl, peft and the vLLM that GRPO
# samples with. The host needs NVIDIA's driver 580 or newer: the wheels are built for CUDA 13. From the repository's root:
#   docker build -f deploy/docker/training.Dockerfile -t fc-assets-training:gpu .
FROM python:3.11-slim-bookworm
# gcc: Triton compiles its kernels' launchers when they are first used. git: a release records its commit.
RUN apt-get update && apt-get install -y --no-install-recommends gcc git libc6-dev libgomp1 libnuma1 \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /opt/build
COPY requirements/gpu.txt requirements/
RUN python -m venv /opt/fc-assets \
    && uv pip install --no-cache -p /opt/fc-assets --no-deps --require-hashes -r requirements/gpu.txt
COPY pyproject.toml README.md LICENSE ./
COPY fc_assets fc_assets
RUN uv pip install --no-cache -p /opt/fc-assets --no-deps .
# The leaderboard's checker has pins of its own, so it lives in an environment of its own.
COPY requirements/bfcl.txt requirements/
RUN python -m venv /opt/bfcl && uv pip install --no-cache -p /opt/bfcl --no-deps -r requirements/bfcl.txt
ENV PATH=/opt/fc-assets/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    FC_PROFILE=gpu-12gb \
    FC_ASSETS_HOME=/data/artifacts-home \
    FC_BFCL_PYTHON=/opt/bfcl/bin/python \
    HF_HOME=/data/huggingface
RUN useradd --uid 10001 --create-home fc && mkdir /data && chown fc /data
USER fc
WORKDIR /home/fc
VOLUME /data
EXPOSE 4000
ENTRYPOINT ["dagster", "api", "grpc", "--host", "0.0.0.0", "--port", "4000", "--module-name", "fc_assets.definitions"]
