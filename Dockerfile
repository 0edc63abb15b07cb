# The model server, for Linux on x86-64. NOT BUILT OR RUN so far: where it was written there was no container engine.
#
#   docker build --tag tfq-llm .
#   docker run --rm --publish 8501:8501 --volume "$PWD/served/NAME:/models/NAME:ro" --volume "$PWD/token:/run/token:ro" \
#       tfq-llm /models/NAME --host 0.0.0.0 --token-file /run/token
#
# NAME is a model that `tfq-llm export` wrote to served/NAME.
# The token's file has mode 600 and belongs to user 10001, as whom the server runs.
FROM --platform=linux/amd64 python:3.11-slim

WORKDIR /src
COPY LICENSE README.md constraints.txt pyproject.toml setup.py ./
COPY pipelines pipelines
COPY saved_models/README.md saved_models/
COPY saved_models/movie-reviews saved_models/movie-reviews
COPY tfq_llm tfq_llm
RUN pip install --no-cache-dir ".[serve]" --constraint constraints.txt && rm -rf /src

# The server runs as a user without a home; kernels that are compiled for the machine are kept here, too.
ENV TFQ_LLM_CACHE=/var/cache/tfq-llm NUMBA_CACHE_DIR=/var/cache/tfq-llm/numba
RUN useradd --uid 10001 --no-create-home tfq-llm && install --directory --owner=tfq-llm /var/cache/tfq-llm
USER tfq-llm
WORKDIR /models

EXPOSE 8501
HEALTHCHECK --start-period=2m CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8501/healthz', timeout=3)"]
ENTRYPOINT ["tfq-llm", "serve"]
CMD ["--help"]
