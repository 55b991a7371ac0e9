# Eddyline's services; docker-compose.yml says which. Ends as a user without rights over the code it runs.
FROM python:3.11-slim

ENV PIP_NO_CACHE_DIR=1 \
    PIP_DISABLE_PIP_VERSION_CHECK=1 \
    PYTHONUNBUFFERED=1

WORKDIR /src
# Requirements first: a change of code alone does not fetch them again.
COPY pyproject.toml constraints.txt README.md LICENSE ./
RUN mkdir pipeline synth detectors \
    && touch pipeline/__init__.py synth/__init__.py detectors/__init__.py \
    && pip install -c constraints.txt '.[postgres]' \
    && pip uninstall --yes eddyline
COPY detectors detectors
COPY synth synth
COPY pipeline pipeline
RUN rm -rf build *.egg-info \
    && pip install --no-deps . \
    && rm -rf /src

RUN useradd --system --uid 10001 --create-home --home-dir /var/lib/eddyline eddyline \
    && mkdir -p /etc/eddyline/streams /etc/eddyline/quality \
    && chown eddyline /etc/eddyline/quality
USER eddyline
WORKDIR /etc/eddyline
VOLUME /var/lib/eddyline
EXPOSE 9464 9564 9664 9764 9864 9964 10064

ENTRYPOINT ["eddyline"]
CMD ["--help"]
