# Observer in a container: the wheel is built in the first stage, so that the second holds no build tools and no sources.
#
# Two builds of one commit are alike: the base image is named by its digest, packages by their hashes (`make lock`).
# For fixes of Debian and Python: docker buildx imagetools inspect python:3.12-slim, and write version and digest here.

ARG PYTHON=python:3.12.14-slim@sha256:7a8b475003c4fe15a2cd4e55e5cfc2f3560bdc9333d624f24cdd6d4340fd7a17

FROM ${PYTHON} AS build
WORKDIR /src
COPY requirements/wheel.txt ./requirements/
RUN pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --requirement requirements/wheel.txt
COPY pyproject.toml README.md LICENSE CHANGELOG.md ./
COPY bot ./bot
COPY db ./db
COPY receiver ./receiver
RUN python -m hatchling build --target wheel --directory /wheels

FROM ${PYTHON}
ENV PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    HOST=0.0.0.0 \
    PORT=8000
COPY requirements/run.txt /usr/local/share/observer/requirements.txt
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --disable-pip-version-check --require-hashes --no-deps --only-binary :all: \
    --requirement /usr/local/share/observer/requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check --no-deps --no-index /wheels/*.whl \
    && useradd --system --uid 10001 --no-create-home --shell /usr/sbin/nologin observer
USER 10001
EXPOSE 8000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=5s --start-period=30s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request as web; web.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/health', timeout=4)"]
CMD ["observer"]
