# Serves a release on CPUs, as the demo profile's `deployment.image` names it. From the repository's root:
#   docker build -f deploy/docker/inference.Dockerfile -t fc-assets-inference:cpu .
# On a GPU the upstream image vllm/vllm-openai is used as it comes.
FROM python:3.11-slim-bookworm AS build
# libnuma and libgomp: vLLM's and PyTorch's CPU kernels link against them.
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 libnuma1 && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir uv==0.13.9
WORKDIR /build
RUN python -m venv /opt/fc-assets \
    && uv pip install --no-cache -p /opt/fc-assets --no-deps --torch-backend cpu torch==2.13.0
COPY requirements/demo.txt requirements/
RUN uv pip install --no-cache -p /opt/fc-assets --no-deps --require-hashes -r requirements/demo.txt
COPY pyproject.toml README.md LICENSE ./
COPY fc_assets fc_assets
RUN uv pip install --no-cache -p /opt/fc-assets --no-deps .

FROM python:3.11-slim-bookworm
RUN apt-get update && apt-get install -y --no-install-recommends libgomp1 libnuma1 && rm -rf /var/lib/apt/lists/*
COPY --from=build /opt/fc-assets /opt/fc-assets
ENV PATH=/opt/fc-assets/bin:$PATH PYTHONUNBUFFERED=1
USER 10001:10001
# The stack names the model and the flags; see fc_assets/deployment/targets/compose.py.
ENTRYPOINT ["python3", "-m", "fc_assets.serving.launch_vllm"]
