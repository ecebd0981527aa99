"""Looking into a built site: its pages, what they lead to, what they load."""

import os
import re
from functools import cache
from pathlib import Path
from urllib.parse import unquote, urlsplit

from bs4 import BeautifulSoup

# What a browser fetches by itself when it opens a page.
LOADS = {"script": "src", "link": "href", "img": "src", "iframe": "src"}


def pages(site: Path) -> list[Path]:
    """Return the files of a site's pages, without what they offer to download."""
    others = {"_static", "_downloads"}
    found = [file for file in site.rglob("*.html") if others.isdisjoint(file.parts)]
    assert found, f"no pages in {site}"
    return sorted(found)


@cache
def parsed(file: Path) -> BeautifulSoup:
    return BeautifulSoup(file.read_text(encoding="utf-8"), "html.parser")


@cache
def anchors(file: Path) -> set[str]:
    return {tag["id"] for tag in parsed(file).find_all(id=True)} | {""}


def dangling(site: Path) -> list[str]:
    """Return the links and pictures of all pages that lead to nothing in the site."""
    found = []
    for page in pages(site):
        tags = parsed(page).find_all(["a", "img", "link", "script"])
        targets = {tag.get("href") or tag.get("src") or "#" for tag in tags}
        for target in sorted(targets):
            parts = urlsplit(target)
            if parts.scheme:
                continue
            place = os.path.normpath(page.parent / unquote(parts.path))
            file = Path(place) if parts.path else page
            there = file.is_relative_to(site) and file.is_file()
            if there and file.suffix == ".html":
                there = unquote(parts.fragment) in anchors(file)
            if not there:
                found.append(f"{page.relative_to(site)}: {target}")
    return found


def foreign_loads(page: str) -> list[str]:
    """Return what a browser would fetch from elsewhere when it opens the page."""
    soup = BeautifulSoup(page, "html.parser")
    found = [
        tag[attribute]
        for name, attribute in LOADS.items()
        for tag in soup.find_all(name)
        if re.match(r"(https?:)?//", tag.get(attribute, ""))
    ]
    styles = " ".join(tag.text for tag in soup.find_all("style"))
    return found + re.findall(r"(?:@import|url\()[^;)]*//[^;)]*", styles)


def contents(site: Path) -> BeautifulSoup:
    """Return the list of all pages, as the front page has it."""
    return parsed(site / "index.html").find("nav", attrs={"aria-label": "Contents"})


def cards(site: Path) -> list[BeautifulSoup]:
    """Return the cards of the front page."""
    return parsed(site / "index.html").find("ol", class_="cards").find_all("li")
