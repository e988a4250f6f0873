# docker build --tag asyncthink .
# docker run --rm --volume "$PWD:/project" asyncthink snakemake --cores all
# Without a GPU, PyTorch's CPU build (gigabytes smaller):
#   docker build --tag asyncthink --build-arg TORCH_INDEX=https://download.pytorch.org/whl/cpu .
FROM python:3.11-slim

ARG TORCH_INDEX=
RUN apt-get update \
 && apt-get install --yes --no-install-recommends git make g++ \
 && rm -rf /var/lib/apt/lists/*

WORKDIR /opt/asyncthink
COPY requirements.lock ./
RUN if [ -n "$TORCH_INDEX" ]; then \
      pip install --no-cache-dir --index-url "$TORCH_INDEX" "$(grep '^torch==' requirements.lock)"; \
    fi \
 && pip install --no-cache-dir --requirement requirements.lock
COPY pyproject.toml README.md ./
COPY src ./src
RUN pip install --no-cache-dir --no-deps .

WORKDIR /project
CMD ["snakemake", "--cores", "all"]
