"""A Sphinx extension: the book on paper. ``make pdf`` uses it, through `tools/pdf.py`.

The pages of the website are put in order for print. Parts and chapters get the numbers that they
have in the book, and so do figures and equations. Solutions, folded on a page, are gathered at the
end of their chapter. Code that a page folds away is left out. A playground gives way to its still
picture. `printing.sty` holds the looks.
"""

import re
import tomllib
from collections.abc import Iterable
from typing import Any

from docutils import nodes
from sphinx.addnodes import start_of_file, tabular_col_spec, toctree
from sphinx.application import Sphinx
from sphinx.config import Config
from sphinx.transforms.post_transforms import SphinxPostTransform
from sphinx.util import logging
from sphinx.util.texescape import escape
from sphinx_exercise.nodes import is_exercise_node, solution_node

from tools.links import ROOT, pages_url, project_url

LOG = logging.getLogger(__name__)

WEB_ONLY = {"front-lede", "front-picture", "front-actions"}
"""Classes of what the front page shows and a book does not need: its title page says the same."""

SHORT, LINE = 10, 10.6
"""The most lines of an output that no page may break, and how high a line is, in points."""

ELEMENTS = {
    "papersize": "a4paper",
    "pointsize": "10pt",
    "extraclassoptions": "openany,oneside",
    "pxunit": "0.66bp",  # 700 pixels, the width of a full figure, fill a line
    "fncychap": "",
    "fontpkg": "",
    "preamble": r"\usepackage{printing}",
    "tableofcontents": r"\frontmatter{\hypersetup{hidelinks}\tableofcontents}",
    "makeindex": "",
    "printindex": "",
    "fvset": "",
}


def raw(latex: str) -> nodes.raw:
    """Return a node that only LaTeX sees."""
    return nodes.raw("", latex, format="latex")


def insert_before(node: nodes.Element, latex: str) -> None:
    node.parent.insert(node.parent.index(node), raw(latex))


def having(document: nodes.Node, *classes: str) -> list[nodes.Element]:
    """Return the elements that are of one of these classes."""
    return [node for node in document.findall(nodes.Element) if {*node["classes"]} & {*classes}]


def drop(found: Iterable[nodes.Element]) -> None:
    for node in list(found):
        node.parent.remove(node)


class Paper(SphinxPostTransform):
    """Turn the pages, joined into one document, into a book."""

    default_priority = 100  # references and the titles of exercises are resolved by then
    formats = ("latex",)

    def run(self, **_: Any) -> None:
        drop(having(self.document, *WEB_ONLY))
        drop(small.parent for small in having(self.document, "thumbnail"))  # each stands in full
        self.order_parts()
        self.fold_introduction()
        for grid in having(self.document, "sd-container-fluid"):
            self.list_cards(grid)
        for cell in having(self.document, "tag_hide-input"):
            drop(having(cell, "cell_input"))
        for output in having(self.document, "cell_output"):
            for printed in list(output.findall(nodes.literal_block)):
                self.keep_together(printed)
        for page in list(self.document.findall(start_of_file)):
            if number := re.match(r"notebooks/(\d+)_", page["docname"]):
                page.insert(0, raw(rf"\setcounter{{chapter}}{{{int(number[1]) - 1}}}"))
            elif page["docname"].startswith("notebooks/"):  # a page between two chapters
                page.insert(0, raw(r"\setcounter{secnumdepth}{-1}"))
                page.append(raw(r"\setcounter{secnumdepth}{0}"))
            self.gather_solutions(page)
        for html in list(self.document.findall(nodes.raw)):
            if found := re.search(r'data-playground="([\w-]+)"', html.astext()):
                html.replace_self(raw(rf"\playground{{{found[1]}}}{{{self.address(html)}}}"))
        for spec in self.document.findall(tabular_col_spec):  # a name, and what it stands for
            spec["spec"] = r"\X{3}{10}\X{7}{10}"
        self.free_bibliography()
        for formula in list(self.document.findall(nodes.math_block)):
            if label := formula.get("label"):  # where the chapters' links to it lead
                target = rf"\detokenize{{{formula['docname']}:equation-{label}}}"
                insert_before(formula, rf"\phantomsection\label{{{target}}}")
        for image in list(self.document.findall(nodes.image)):  # for those who have it read aloud
            insert_before(image, rf"\alt{{{escape(image.get('alt', ''), 'xelatex')}}}")

    def order_parts(self) -> None:
        """Begin each part; those without a number are the book's end matter."""
        begun = set()
        contents = self.env.get_doctree(self.config.root_doc).findall(toctree)
        for tree, place in zip(contents, having(self.document, "toctree-wrapper"), strict=True):
            if caption := tree["caption"]:
                number = re.match(r"[IVX]+\. ", caption)
                matter, part = ("main", "bookpart") if number else ("back", "bookend")
                name = escape(caption[number.end() :] if number else caption, "xelatex")
                start = "" if matter in begun else rf"\{matter}matter"
                place.insert(0, raw(rf"{start}\{part}{{{name}}}"))
                begun.add(matter)

    def fold_introduction(self) -> None:
        """Make what the front page says a chapter: its title is the book's."""
        front = next(self.document.findall(nodes.section))
        told = [node for node in front[1:] if "toctree-wrapper" not in node["classes"]]
        chapter = nodes.section("", nodes.title("", "Introduction"), ids=["introduction"])
        chapter["docname"] = self.config.root_doc
        drop(told)
        front.insert(1, chapter)
        chapter.extend(told)

    def list_cards(self, grid: nodes.Element) -> None:
        """Turn a grid of cards into a list, each card's link into its title's."""
        cards = nodes.definition_list()
        for card in having(grid, "sd-card"):
            (title,) = having(card, "sd-card-title")
            (body,) = having(card, "sd-card-body")
            drop([title, body])
            term = nodes.term("", title.astext())
            for link in card.findall(nodes.reference):  # of the whole card
                term.children = [link]
                link.children = [nodes.Text(title.astext())]
            cards += nodes.definition_list_item("", term, nodes.definition("", *body.children))
        grid.replace_self(cards)

    def keep_together(self, printed: nodes.literal_block) -> None:
        """Begin what a cell printed on a page that has room for it, unless it is long."""
        lines = printed.astext().rstrip().count("\n") + 1
        if lines <= SHORT:
            insert_before(printed, rf"\needspace{{{LINE * (lines + 1):.0f}pt}}")

    def gather_solutions(self, page: nodes.Element) -> None:
        """Move the solutions to the end of their chapter, and say at each exercise where."""
        solutions = list(page.findall(solution_node))
        if not solutions:
            return
        place = nodes.section("", nodes.title("", "Solutions"), ids=["solutions"])
        place["docname"] = page["docname"]
        for exercise in page.findall(is_exercise_node):
            for solution in solutions:
                if solution["target_label"] == exercise["label"]:
                    label = f"{page['docname']}:{solution['label']}"
                    exercise.children[0] += raw(rf"\solutionat{{{label}}}")
        drop(solutions)
        place.extend(solutions)
        room = raw(r"\needspace{14\baselineskip}")  # for the first box as well as the title
        next(page.findall(nodes.section)).extend([room, place])

    def address(self, node: nodes.Node) -> str:
        """Return where the page that a node comes from is online."""
        while not (isinstance(node, nodes.section) and "docname" in node):
            node = node.parent
        return f"{pages_url(project_url(ROOT))}/{node['docname']}.html"

    def free_bibliography(self) -> None:
        """Take its title from the section that held the bibliography: it becomes a chapter."""
        for citation in self.document.findall(nodes.citation):
            section = citation.parent
            while not isinstance(section, nodes.section):
                section = section.parent
            drop(node for node in section.children if isinstance(node, nodes.title))


def refuse_html(app: Sphinx, document: nodes.document, page: str) -> None:
    """Warn of what only a browser would show, and the book therefore lacks."""
    if app.builder.format == "latex":
        for html in document.findall(nodes.raw):
            text = re.sub(r"(?s)<!--.*?-->|<script.*?</script>", "", html.astext()).strip()
            if html["format"] == "html" and text:
                LOG.warning("only a browser shows this: %s", text, location=html)


def configure(app: Sphinx, config: Config) -> None:
    """Settle what LaTeX is told."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    url = project_url(ROOT)
    told = {"onlineat": pages_url(url), "sourceat": url, "bookversion": project["version"]}
    preamble = "".join(rf"\newcommand{{\{name}}}{{{value}}}" for name, value in told.items())
    config.today_fmt = "%d %B %Y"
    config.latex_docclass = {"manual": "book"}
    config.latex_elements = {**ELEMENTS, "preamble": preamble + ELEMENTS["preamble"]}
    config.latex_additional_files = [str(ROOT / "tools" / "printing.sty")]
    config.latex_use_xindy = False
    config.latex_domain_indices = False


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("config-inited", configure)
    app.add_post_transform(Paper)
    app.connect("doctree-resolved", refuse_html, priority=900)  # when others had their turn
    return {"parallel_read_safe": True, "parallel_write_safe": True}
