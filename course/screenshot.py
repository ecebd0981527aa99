"""Make lesson 11's picture of its web page, which Chromium opens while the lesson runs.

Needs playwright and Chromium or Chrome, which only who changes the page needs.
"""

from __future__ import annotations

import asyncio
import importlib.util
import io
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from nbformat import NotebookNode
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from course import lessons
from course.bank_data import why_made_up
from course.browsers import find_browser
from course.diagrams import IMAGES
from course.execution import Execution, execute
from course.runner import stand_in_environment
from local_aws.terminal import say

LESSON = "11"
PICTURE = "web_app.png"
# The cell that prints the page's URL, and the one before which the page may ask.
URL_CELL, ASKS_BEFORE = "upload_page", "agreement"
SIZE = {"width": 640, "height": 600}
# So that nobody takes the page in the picture for a part of the lesson.
FRAME = "html { border: 2px solid #8c8c8c; zoom: 0.8 }"
PATIENCE_MS = 60_000
# Under this word the picture keeps what the page says, so that a test can read it.
KEYWORD = "Description"


def take_screenshot(folder: Path = IMAGES) -> int:
    """Run lesson 11, fill in its page and ask the model; store what Chromium shows.

    Returns 0, 1 if there is no picture, 2 if something that it needs is missing.
    """
    (path,) = lessons.find_lessons([LESSON])
    browser = find_browser()
    if not browser or not importlib.util.find_spec("playwright"):
        say("It needs Chromium or Chrome, and playwright.", file=sys.stderr)
        return 2
    if reason := why_made_up([path]):
        why = f"No picture is made: it would be of made-up data. {reason}"
        say(why, file=sys.stderr)
        return 1
    pictures: list[bytes] = []

    def on_cell(execution: Execution) -> None:
        cells = execution.notebook.cells[execution.cells_done :]
        if cells and cells[0].id == ASKS_BEFORE:
            url = url_of_the_page(execution.notebook)
            # playwright's simple interface refuses to work in an event loop's thread.
            with ThreadPoolExecutor(1) as threads:
                pictures.append(threads.submit(picture_of, url, browser).result())

    execution = asyncio.run(execute(path, stand_in_environment(), on_cell))
    if execution.failure or not pictures:
        why = execution.failure or f"there is no cell {ASKS_BEFORE}"
        say(f"No picture is made: {path.name}: {why}", file=sys.stderr)
        return 1
    (folder / PICTURE).write_bytes(pictures[0])
    say(f"stored: {PICTURE}")
    return 0


def url_of_the_page(notebook: NotebookNode) -> str:
    """Give the URL of the page that the lesson has printed in this run."""
    (cell,) = [cell for cell in notebook.cells if cell.id == URL_CELL]
    return cell.outputs[0].text.splitlines()[-1]


def picture_of(url: str, browser: str) -> bytes:
    """Fill the page's example in, ask the model; give a PNG of the page."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(
            executable_path=browser, args=["--no-sandbox"]
        )
        try:
            page = chromium.new_page(viewport=SIZE)
            page.set_default_timeout(PATIENCE_MS)
            page.goto(url)
            page.click("#example")
            page.click("#ask")
            page.wait_for_selector("#probability")
            # Nothing on the page has the focus, which would be drawn as a frame.
            page.evaluate("document.activeElement.blur()")
            page.mouse.move(0, 0)
            page.add_style_tag(content=FRAME)
            says = page.inner_text("#result")
            png = page.locator("html").screenshot()
        finally:
            chromium.close()
    return with_text(png, " ".join(says.split()))


def with_text(png: bytes, text: str) -> bytes:
    """Put what a page says into a PNG."""
    info = PngInfo()
    info.add_text(KEYWORD, text)
    made = io.BytesIO()
    Image.open(io.BytesIO(png)).save(made, "PNG", pnginfo=info, optimize=True)
    return made.getvalue()


def text_in(png: bytes) -> str:
    """Give what the page says in its picture."""
    return Image.open(io.BytesIO(png)).text[KEYWORD]
