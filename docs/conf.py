"""How Sphinx makes the course's pages; course/site.py puts their sources together."""

import re

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.writers.html5 import HTML5Translator

project = "A course on Amazon SageMaker"
copyright = "the course's authors; prose CC BY 4.0, code MIT"
language = "en"

extensions = ["myst_nb", "sphinx_copybutton"]
templates_path = ["_templates"]

# Quotes, dots and dashes stay as they are written.
smartquotes = False
# What names no language is what a command printed, or a command: not Python.
highlight_language = "text"
# The notebooks hold their outputs already.
nb_execution_mode = "off"
# Notebooks and README files are plain Markdown, in which a line may begin with a per
# cent sign and an inline code follow a brace.
myst_disable_syntax = [
    "myst_line_comment",
    "myst_block_break",
    "myst_target",
    "myst_role",
]
myst_heading_anchors = 6  # for links to sections
# Outputs that only one of two readers knows, such as a widget, have a text beside them.
suppress_warnings = ["mystnb.unknown_mime_type"]

html_theme = "sphinx_book_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["course.css"]
html_js_files = ["print.js"]
html_favicon = "_static/favicon.svg"
html_copy_source = False
html_show_sourcelink = False
html_use_index = False
html_domain_indices = False
# Browsers let no page read another one from the disk, which the excerpts would need.
html_show_search_summary = False
html_sidebars = {"**": ["contents.html"]}
html_context = {"default_mode": "auto"}  # light or dark, as the reader's system is
html_theme_options = {
    "home_page_in_toc": True,
    "show_navbar_depth": 2,
    "show_toc_level": 2,
    "toc_title": "On this page",
    "search_bar_text": "Search the course",
    "navbar_persistent": [],
    "use_download_button": False,
    "use_fullscreen_button": False,
    "navigation_with_keys": False,
    "footer_content_items": ["copyright.html", "extra-footer.html"],
    "extra_footer": "No product of Amazon Web Services, and not endorsed by it.",
}

copybutton_selector = "div.cell_input pre, div[class*=highlight-]:not(.output) pre"


EMPTY_HEADER = re.compile(r"<th[^>]*>(?:<p></p>)?</th>")


class Diagram(nodes.General, nodes.Element):
    """A drawing that scrolls where the page is narrower than its labels need."""


class Diagrams(SphinxPostTransform):
    """Give each drawing that stands alone in its paragraph a frame that scrolls."""

    default_priority = 400

    def run(self) -> None:
        """Put SVG pictures into frames."""
        for image in list(self.document.findall(nodes.image)):
            paragraph = image.parent
            alone = isinstance(paragraph, nodes.paragraph) and len(paragraph) == 1
            if alone and image["uri"].endswith(".svg"):
                paragraph.replace_self(Diagram("", image))


def open_diagram(writer: HTML5Translator, node: Diagram) -> None:
    """Begin a frame, which the keyboard reaches as well."""
    writer.body.append(
        '<div class="diagram" role="group" aria-label="Diagram" tabindex="0">'
    )


def close_diagram(writer: HTML5Translator, node: Diagram) -> None:
    """End a frame."""
    writer.body.append("</div>\n")


def without_empty_headers(
    app: Sphinx, page: str, template: str, context: dict, doctree: nodes.document | None
) -> None:
    """Make an empty corner of a table, which heads nothing, an ordinary cell."""
    body = context.get("body", "")
    context["body"] = EMPTY_HEADER.sub("<td></td>", body)


def setup(app: Sphinx) -> dict[str, bool]:
    """Register what is this project's own."""
    app.add_node(Diagram, html=(open_diagram, close_diagram))
    app.add_post_transform(Diagrams)
    app.connect("html-page-context", without_empty_headers)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
