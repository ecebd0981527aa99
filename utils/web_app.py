"""Lesson 11's web app: its files, put together for Lambda and for the browser."""

import io
import json
import zipfile
from collections.abc import Mapping
from urllib.parse import urlsplit

from utils.connect import COURSE_HOME

FOLDER = COURSE_HOME / "webapp"
EMPTY_SETTINGS = '<script type="application/json" id="settings">{}</script>'


def zip_of(files: Mapping[str, str]) -> bytes:
    """Pack texts under these names into a zip, as Lambda takes a function's code."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            entry = zipfile.ZipInfo(name)  # no time: the same files, the same zip
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = 0o644 << 16  # Lambda's user must be able to read it
            archive.writestr(entry, text)
    return packed.getvalue()


def page_with(settings: Mapping[str, object]) -> str:
    """Give webapp/index.html with its settings filled in.

    settings: "api", the URL that it asks, "fields" as in encoding.json, and "example".
    """
    page = (FOLDER / "index.html").read_text(encoding="utf-8")
    if page.count(EMPTY_SETTINGS) != 1:
        raise ValueError(f"webapp/index.html must have {EMPTY_SETTINGS} in it, once.")
    # "</script>" in a value would end the element.
    text = json.dumps(settings).replace("<", "\\u003c")
    return page.replace(EMPTY_SETTINGS, EMPTY_SETTINGS.replace("{}", text))


def origin_of(url: str) -> str:
    """Give a page's origin: what the browser says to others of where it comes from."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
