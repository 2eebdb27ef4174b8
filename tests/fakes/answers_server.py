"""A venue's public API on loopback, from the answers written down in `tests/contract/answers/<venue>`.

Every file there names its source and lists endpoints: a fixed answer, one answer for each contract, or rows of the
market behind them in pages as the venue documents them. Anything else is answered 404 with a text that says so.
"""

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.fakes.answer_pages import Refusal, paged
from tests.fakes.answered_market import Contract

ANSWERS = Path(__file__).parents[1] / "contract" / "answers"
Spec = Mapping[str, Any]


@dataclass(frozen=True)
class Asked:
    """One request that the server got."""

    path: str
    query: dict[str, str]


class AnswersServer:
    """One venue as it is at `now_ms`. `asked` has every request, `unexpected` those that nothing is written down for;
    `failing` names the kind of `errors.json` that answers everything."""

    def __init__(self, venue: str, now_ms: int) -> None:
        self.now_ms = now_ms
        self.asked: list[Asked] = []
        self.unexpected: list[str] = []
        self.failing: str | None = None
        folder = ANSWERS / venue
        market = json.loads((folder / "market.json").read_text())
        self.gone: str = market["gone"]
        """A contract that is listed and trades no more, by its ccxt symbol."""
        self.contracts = {name: Contract.read(told) for name, told in market["contracts"].items()}
        self._errors: Spec = json.loads((folder / "errors.json").read_text())["errors"]
        files = sorted(set(folder.glob("*.json")) - {folder / "market.json", folder / "errors.json"})
        self._endpoints: list[Spec] = [spec for file in files for spec in json.loads(file.read_text())["endpoints"]]

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        """Serve inside the block; gives the base URL."""
        app = web.Application()
        for path in dict.fromkeys(spec["path"] for spec in self._endpoints):
            app.router.add_get(path, self._answer)
        app.router.add_route("*", "/{unexpected:.*}", self._answer)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        try:
            await web.TCPSite(runner, "127.0.0.1", 0).start()
            yield f"http://127.0.0.1:{runner.addresses[0][1]}"
        finally:
            await runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        asked = Asked(request.path, {**request.match_info, **request.query})
        self.asked.append(asked)
        if self.failing is not None:
            return self._error(self.failing, {})
        resource = request.match_info.route.resource
        canonical = None if resource is None else resource.canonical
        fitting = [spec for spec in self._endpoints if spec["path"] == canonical and _fits(spec, asked.query)]
        if not fitting:
            self.unexpected.append(f"{request.method} {request.path_qs}")
            return web.Response(status=404, text=f"nothing is written down for {self.unexpected[-1]}")
        knowing = [
            spec for spec in fitting if asked.query.get(spec.get("chosen_by", "")) in spec.get("contracts", {None})
        ]
        return self._said(knowing[0], asked.query) if knowing else self._error("unknown_symbol", fitting[0])

    def _said(self, spec: Spec, query: Mapping[str, str]) -> web.Response:
        """What an endpoint that knows the contract says to a query."""
        for name, values in spec.get("one_of", {}).items():
            if query.get(name, values[0]) not in values:
                return self._error("refused", spec, {"why": f"{name} must be one of {', '.join(values)}"})
        if "chosen_by" not in spec:
            return self._json(spec["answer"], {})
        told = spec["contracts"][query[spec["chosen_by"]]]
        return self._page(spec, told, query) if "series" in spec else self._json(told, {})

    def _page(self, spec: Spec, told: str, query: Mapping[str, str]) -> web.Response:
        """Rows of a contract ("BTC") or of candles of a kind ("BTC mark")."""
        name, _, kind = told.partition(" ")
        try:
            page = paged(self.contracts[name], kind or None, spec["page"], query, self.now_ms)
        except Refusal as why:
            return self._error("refused", spec, {"why": str(why)})
        rows = [filled(spec["row"], {**row, "symbol": query[spec["chosen_by"]]}) for row in page.rows]
        columns = {name: [row[name] for row in rows] for name in spec["row"]} if isinstance(spec["row"], dict) else {}
        return self._json(spec["answer"], {"rows": rows, "columns": columns, **page.about})

    def _json(self, template: Any, values: Mapping[str, Any], status: int = 200) -> web.Response:
        return web.json_response(filled(template, {**self._clock(), **values}), status=status)

    def _error(self, kind: str, spec: Spec, values: Mapping[str, Any] | None = None) -> web.Response:
        told = spec.get(kind, self._errors[kind])
        return self._json(told["answer"], values or {}, told["status"])

    def _clock(self) -> dict[str, Any]:
        iso = datetime.fromtimestamp(self.now_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        clock: dict[str, Any] = {"now_ms": self.now_ms, "now_s": self.now_ms / 1000, "now_iso": iso}
        clock["now_ns"] = self.now_ms * 1_000_000
        for name, contract in self.contracts.items():
            settles = contract.settles_next(self.now_ms)
            after = settles + contract.interval_hours * 3_600_000
            clock |= {f"next_{name}_ms": settles, f"next_{name}_s": settles // 1000, f"after_{name}_ms": after}
            clock[f"until_{name}_ms"] = settles - self.now_ms
        return clock


def _fits(spec: Spec, query: Mapping[str, str]) -> bool:
    return all(query.get(name) == value for name, value in spec.get("needs", {}).items())


def filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with "$name" replaced by a value as it is, and "{name}" inside a text by the value as text."""
    if isinstance(template, dict):
        return {key: filled(entry, values) for key, entry in template.items()}
    if isinstance(template, list):
        return [filled(entry, values) for entry in template]
    if isinstance(template, str) and template.startswith("$"):
        return values[template[1:]]
    if isinstance(template, str) and "{" in template:
        return template.format_map({name: _text(value) for name, value in values.items()})
    return template


def _text(value: Any) -> str:
    return f"{Decimal(repr(value)):f}" if isinstance(value, float) else str(value)
