# The bot for a user without rights: paper trading on real venues, unless another configuration is mounted.
FROM python:3.11-slim-bookworm AS build
# PyTorch's own builds for processors alone; pip reads this variable.
ARG PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu
WORKDIR /source
COPY pyproject.toml constraints.txt README.md LICENSE ./
COPY data data
COPY backtest backtest
COPY pbt_online pbt_online
COPY bot bot
COPY config config
RUN python -m venv /opt/funding-bot \
    && /opt/funding-bot/bin/pip install --no-cache-dir --constraint constraints.txt '.[postgres]'

FROM python:3.11-slim-bookworm
COPY --from=build /opt/funding-bot /opt/funding-bot
ENV PATH=/opt/funding-bot/bin:$PATH PYTHONUNBUFFERED=1
# Its home is the volume: run-time files, and what it compiles.
RUN useradd --system --uid 10001 --home-dir /var/lib/funding-bot --create-home funding-bot
RUN bot init --yes --kind paper --output /etc/funding-bot/bot.yaml --var /var/lib/funding-bot/var \
    && sed -i 's/^  #health_port:.*/  health_port: 8700/' /etc/funding-bot/bot.yaml
USER 10001
WORKDIR /var/lib/funding-bot
VOLUME /var/lib/funding-bot
# The first start compiles for minutes.
HEALTHCHECK --interval=60s --timeout=5s --start-period=15m --retries=3 \
    CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8700/health', timeout=4)"]
ENTRYPOINT ["bot"]
CMD ["run", "--paper", "--config", "/etc/funding-bot/bot.yaml"]
