"""What a lesson's Markdown holds: paragraphs, links, pictures, claims about AWS."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from bs4 import BeautifulSoup

from course.lessons import FENCE

INLINE_CODE = re.compile(r"`[^`\n]+`")
TARGET = r"\(((?:[^()]|\([^()]*\))*)\)"  # a pair of brackets may stand in an address
IMAGE = re.compile(r"!\[([^\]]*)\]" + TARGET)
LINK = re.compile(r"\[([^\]]+)\]" + TARGET)
AUTOLINK = re.compile(r"<(https?:[^>]*)>")
ADDRESS = re.compile(r"<?(?P<address>[^\s<>]+)>?(?:\s+(?:\"[^\"]*\"|'[^']*'))?")
HOST = re.compile(r"(?:[a-z0-9-]+\.)+[a-z]{2,}")
NOT_REAL = re.compile(r"(?:^|\.)example(?:\.[a-z]+)?$|\.(?:test|invalid|local)$")
# What says where a picture is, or what kind of thing it is, and not what it shows.
NO_DESCRIPTION = re.compile(
    r"(?:figure|image|picture|plot|diagram|drawing)s?\s+(?:under|below|above|in|from|\d)"
    r"|<\w+ size",
    re.IGNORECASE,
)
IMAGE_FILE = re.compile(r"\S+\.(?:svg|png|jpe?g|gif|webp)", re.IGNORECASE)

NUMBER = (
    r"(?:\d[\d,.]*|half an?|an?|one|two|three|four|five|six|seven|eight|nine|ten|"
    r"(?:a )?few|some|several|a couple of)"
)
DURATION = re.compile(
    rf"(?<!every )(?<!each )(?<!per )\b{NUMBER}(?:\s*(?:-|to|or)\s*{NUMBER})?"
    r"(?:\s+[a-z]+)?\s+(?:seconds|minutes?|hours?)\b",
    re.IGNORECASE,
)
ON_AWS = re.compile(r"\b(?:on|at) AWS\b|\bAWS (?:takes|needs|bills|charges)\b", re.I)
BILLED = re.compile(r"\bbill(?:ed|s|able)\b|\bcosts?\b")
PRICE = re.compile(r"\d[\d.,]*\s?USD\b|\bUSD\s?\d[\d.,]*|\$\d[\d.,]*|\bcents?\b")
ESTIMATE = re.compile(r"\bestimate[sd]?\b", re.IGNORECASE)
MONTH = re.compile(
    r"\b(?:January|February|March|April|May|June|July|August|September|October|"
    r"November|December) 20\d\d\b"
)
CREDITS = re.compile(r"\bcredits?\b|\bfree tier\b", re.IGNORECASE)


@dataclass(frozen=True)
class Picture:
    """A picture in Markdown: where it is and what it shows, in words."""

    target: str
    alt: str


def paragraphs(markdown: str) -> list[str]:
    """Return the blocks of text between blank lines; fenced code is none."""
    blocks = re.split(r"\n\s*\n", FENCE.sub("", markdown))
    return [block.strip() for block in blocks if block.strip()]


def pictures(markdown: str) -> list[Picture]:
    """Return the pictures that are shown, in Markdown's way or as HTML."""
    text = _without_code(markdown)
    found = [Picture(_address(match[2]), match[1]) for match in IMAGE.finditer(text)]
    for tag in BeautifulSoup(text, "html.parser").find_all("img"):
        found.append(Picture(str(tag.get("src", "")), str(tag.get("alt", ""))))
    return found


def links(markdown: str) -> list[str]:
    """Return what links lead to, as it is written; pictures are none."""
    text = IMAGE.sub("picture", _without_code(markdown))
    return [match[2].strip() for match in LINK.finditer(text)] + AUTOLINK.findall(text)


def targets(markdown: str) -> Iterator[str]:
    """Yield the addresses and files that links lead to and pictures come from."""
    yield from (_address(target) for target in links(markdown))
    yield from (picture.target for picture in pictures(markdown))


def is_external(target: str) -> bool:
    """Tell whether a link leaves the repository."""
    return bool(re.match(r"<?(?:[a-z][a-z+.-]*://|//|www\.)", target, re.IGNORECASE))


def is_no_file(target: str) -> bool:
    """Tell whether a target is none that lies anywhere: what it leads to is in it."""
    return bool(re.match(r"(attachment|data|mailto):", target, re.IGNORECASE))


def shortened(target: str) -> str:
    """Return a target as a message may hold it: a pasted picture is megabytes."""
    return target if len(target) <= 80 else f"{target[:40]}..."


def host(target: str) -> str:
    """Return the host of an address, or "" where it has none."""
    try:
        return (urlsplit(target).hostname or "").lower()
    except ValueError:  # brackets that are no IPv6 address
        return ""


def what_is_wrong_with_address(target: str) -> str:
    """Say what is wrong with an external link as it is written, or ""."""
    if not ADDRESS.fullmatch(target):
        return "has a space in it"
    address = _address(target)
    if not address.startswith("https://"):
        return "is not https"
    name = host(address)
    if not HOST.fullmatch(name) or NOT_REAL.search(name):
        return "has no real host"
    return ""


def what_is_wrong_with_alt(picture: Picture) -> str:
    """Say what is wrong with a picture's alternative text, or ""."""
    if not picture.alt.strip():
        return "has no alternative text"
    if IMAGE_FILE.fullmatch(picture.alt.strip()):
        return "has its file name for an alternative text"
    if len(picture.alt.split()) < 5:
        return f'has the alternative text "{picture.alt}"; five words at least'
    if NO_DESCRIPTION.match(picture.alt.strip()):
        return f'has the alternative text "{shortened(picture.alt)}"'
    return ""


def what_is_unmarked(paragraph: str) -> str:
    """Say which claim about AWS a paragraph does not mark as an estimate, or "".

    A claim is a price, or a time in a sentence that speaks of AWS or of billing. Nobody
    here has measured them, and a price is that of some month.
    """
    price = PRICE.search(paragraph)
    if price and not MONTH.search(paragraph):
        return f'gives a price ("{_around(paragraph, price)}") and no month of it'
    if ESTIMATE.search(paragraph) or (price and CREDITS.search(paragraph)):
        return ""
    for sentence in re.split(r"(?<=[.!?;])\s+|\n(?=[|\-*\d])", paragraph):
        time = DURATION.search(sentence)
        # "what an hour costs" is no time that something takes.
        measured = time and not re.match("an? ", time[0], re.IGNORECASE)
        if time and (ON_AWS.search(sentence) or (measured and BILLED.search(sentence))):
            return f'gives a time on AWS ("{_around(sentence, time)}") as a fact'
    if price:
        return f'gives a price ("{_around(paragraph, price)}") as a fact'
    return ""


def _around(text: str, match: re.Match) -> str:
    """Return a match with a few words before it."""
    before = " ".join(text[: match.start()].split()[-2:])
    return " ".join(f"{before} {match[0]}".split())


def _without_code(markdown: str) -> str:
    return INLINE_CODE.sub("code", FENCE.sub("", markdown))


def _address(target: str) -> str:
    match = ADDRESS.fullmatch(target.strip())
    return match["address"] if match else target.strip()
