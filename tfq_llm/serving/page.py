"""The page at `/`: files of this package, which load nothing from elsewhere."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

_STATIC = Path(__file__).parent / "static"


def add_page(app: FastAPI) -> None:
    """Adds the page and its files."""

    def index() -> FileResponse:
        return FileResponse(_STATIC / "index.html")

    app.add_api_route("/", index, include_in_schema=False)
    app.mount("/static", StaticFiles(directory=_STATIC))
