"""A white panel to draw a diagram on: boxes, arrows and text in one style, as SVG."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from itertools import pairwise

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrow, FancyArrowPatch, FancyBboxPatch, Rectangle
from matplotlib.text import Text

from utils.plots import BLUE, GREY, ORANGE

WIDTH = 525  # points: 700 pixels, a page's width
NARROW = 350  # points: on a phone, 380 pixels wide, SMALL has ten pixels
SMALL, NORMAL = 9, 10  # points: no text is smaller than SMALL
INK, LINE = "#222222", "#555555"
RENTED = "#F9DCC8"  # a light orange: an instance runs here, and is billed

# Text as outlines: the picture looks the same wherever it is shown, whatever the fonts.
SVG_SETTINGS = {
    "svg.fonttype": "path",
    "svg.hashsalt": "course",
    "font.family": "DejaVu Sans",
    "font.size": NORMAL,
}
DOCTYPE = re.compile(r"<!DOCTYPE.*?>\s*", re.DOTALL)
Point = tuple[float, float]


class DoesNotFit(Exception):
    """A text is larger than its box or leaves the panel."""


@dataclass(frozen=True)
class Box:
    """A rectangle by its centre, width and height, in points from the top left."""

    x: float
    y: float
    width: float
    height: float

    def left(self, shift: float = 0) -> Point:
        """Return the middle of the left side, moved down by `shift`."""
        return self.x - self.width / 2, self.y + shift

    def right(self, shift: float = 0) -> Point:
        """Return the middle of the right side, moved down by `shift`."""
        return self.x + self.width / 2, self.y + shift

    def top(self, shift: float = 0) -> Point:
        """Return the middle of the upper side, moved right by `shift`."""
        return self.x + shift, self.y - self.height / 2

    def bottom(self, shift: float = 0) -> Point:
        """Return the middle of the lower side, moved right by `shift`."""
        return self.x + shift, self.y + self.height / 2


class Canvas:
    """A panel as wide as a page, or narrow; a unit is a point, y grows downwards."""

    def __init__(self, height: float, width: float = WIDTH) -> None:
        self.height, self.width = height, width
        with mpl.rc_context(SVG_SETTINGS):
            self.figure = Figure(figsize=(width / 72, height / 72), dpi=72)
        FigureCanvasAgg(self.figure)  # measures texts
        self.axes = self.figure.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(height, 0))
        self.axes.axis("off")
        self.figure.patch.set_visible(False)
        panel = Box(width / 2, height / 2, width - 2, height - 2)
        self._rounded(panel, "white", GREY, zorder=0)

    def box(
        self,
        box: Box,
        text: str,
        *,
        fill: str = "white",
        edge: str = GREY,
        ink: str = INK,
        size: float = NORMAL,
        bold: bool = False,
        dashed: bool = False,
    ) -> Box:
        """Draw a box with its text in the middle; return it."""
        self._rounded(box, fill, edge, dashed=dashed)
        self._inside(box, text, size=size, ink=ink, bold=bold)
        return box

    def rented(self, box: Box, text: str, size: float = NORMAL) -> Box:
        """Draw a box of something that runs on an instance."""
        return self.box(box, text, fill=RENTED, edge=ORANGE, size=size)

    def frame(self, box: Box, title: str, *, below: bool = False) -> Box:
        """Draw a dashed frame around other boxes, with its title inside."""
        self._rounded(box, "none", LINE, dashed=True)
        y = box.y + (box.height / 2 - 11) * (1 if below else -1)
        self.text((box.x, y), title, at="center", bold=True, ink=LINE)
        return box

    def bar(
        self,
        x: tuple[float, float],
        y: tuple[float, float],
        text: str,
        *,
        fill: str,
        ink: str = INK,
        bold: bool = False,
    ) -> None:
        """Draw a piece of a timeline from x[0] to x[1] and y[0] to y[1]."""
        box = Box(sum(x) / 2, sum(y) / 2, x[1] - x[0], y[1] - y[0])
        self.axes.add_patch(
            Rectangle(
                (x[0], y[0]), box.width, box.height, facecolor=fill, edgecolor=GREY
            )
        )
        self._inside(box, text, size=NORMAL, ink=ink, bold=bold)

    def arrow(
        self, *points: Point, width: float = 1.2, ink: str = LINE, both: bool = False
    ) -> None:
        """Draw an arrow through two or more points, with its head at the last."""
        for start, end in pairwise(points[:-1]):
            self.line(start, end, width=width, ink=ink)
        head = f"head_length={6 + 0.6 * width},head_width={2.4 + 0.65 * width}"
        patch = FancyArrowPatch(
            *points[-2:],
            arrowstyle=f"{'<|-|>' if both else '-|>'},{head}",
            color=ink,
            linewidth=width,
            shrinkA=1 if len(points) == 2 else 0,
            shrinkB=1,
            mutation_scale=1,
            joinstyle="miter",
            capstyle="butt",
        )
        self.axes.add_patch(patch)

    def flow(self, start: Point, end: Point, *, width: float, ink: str) -> None:
        """Draw an arrow whose thickness says how much flows."""
        (x0, y0), (x1, y1) = start, end
        patch = FancyArrow(
            x0,
            y0,
            x1 - x0,
            y1 - y0,
            width=width,
            head_width=width + 7,
            head_length=0.5 * width + 6,
            length_includes_head=True,
            color=ink,
            linewidth=0,
        )
        self.axes.add_patch(patch)

    def line(
        self,
        start: Point,
        end: Point,
        *,
        width: float = 1.2,
        ink: str = LINE,
        dashed: bool = False,
    ) -> None:
        """Draw a straight line; a dashed one goes behind boxes and bars."""
        (x0, y0), (x1, y1) = start, end
        style = "--" if dashed else "-"
        self.axes.plot(
            [x0, x1],
            [y0, y1],
            color=ink,
            linewidth=width,
            linestyle=style,
            solid_capstyle="projecting",
            zorder=0.5 if dashed else 2,
        )

    def text(
        self,
        point: Point,
        text: str,
        *,
        at: str = "left",
        size: float = SMALL,
        ink: str = INK,
        bold: bool = False,
        mono: bool = False,
        background: str = "none",
    ) -> Text:
        """Write text whose left end, centre or right end (`at`) is at a point."""
        with mpl.rc_context(SVG_SETTINGS):
            return self.axes.text(
                *point,
                text,
                ha=at,
                va="center",
                fontsize=size,
                color=ink,
                fontweight="bold" if bold else "normal",
                family="DejaVu Sans Mono" if mono else "DejaVu Sans",
                linespacing=1.25,
                bbox={"facecolor": background, "edgecolor": "none", "pad": 1.5},
            )

    def svg(self, title: str) -> str:
        """Return the picture; raise DoesNotFit where a text leaves the panel."""
        for text in self.axes.texts:
            extent = text.get_window_extent()
            across = extent.x0 > 3 and extent.x1 < self.width - 3
            if not across or extent.y0 < 2 or extent.y1 > self.height - 2:
                raise DoesNotFit(f"{text.get_text()!r} leaves the panel")
        file = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with mpl.rc_context(SVG_SETTINGS):
            self.figure.savefig(
                file, format="svg", metadata={**nothing, "Title": title}
            )
        lines = DOCTYPE.sub("", file.getvalue()).splitlines()
        return "\n".join(line.rstrip() for line in lines) + "\n"

    def _rounded(
        self, box: Box, fill: str, edge: str, dashed: bool = False, zorder: float = 1
    ) -> None:
        corner = (box.x - box.width / 2, box.y - box.height / 2)
        patch = FancyBboxPatch(
            corner,
            box.width,
            box.height,
            boxstyle="round,pad=0,rounding_size=5",
            facecolor=fill,
            edgecolor=edge,
            linewidth=1.6 if edge in (ORANGE, BLUE) else 1.0,
            linestyle=(0, (4, 3)) if dashed else "-",
            zorder=zorder,
        )
        self.axes.add_patch(patch)

    def _inside(
        self, box: Box, text: str, *, size: float, ink: str, bold: bool
    ) -> None:
        """Write a text in the middle of a box; raise DoesNotFit if it is too large."""
        place = (box.x, box.y)
        drawn = self.text(place, text, at="center", size=size, ink=ink, bold=bold)
        extent = drawn.get_window_extent()
        if extent.width > box.width - 4 or extent.height > box.height:
            raise DoesNotFit(
                f"{text!r} takes {extent.width:.0f} x {extent.height:.0f}, "
                f"its box has {box.width:.0f} x {box.height:.0f}"
            )
