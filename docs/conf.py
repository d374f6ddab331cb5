"""The pages as a site: ``make docs`` builds it into build/docs and fails at a link that leads nowhere."""

from pygments.lexers.special import TextLexer
from sphinx.highlighting import lexers

project = "PelviStim"
extensions = ["myst_parser"]
myst_heading_anchors = 4
html_theme = "furo"
html_title = "PelviStim"
html_show_copyright = False
html_extra_path = ["report.schema.json", "session.schema.json", "journal.schema.json"]
lexers["mermaid"] = TextLexer()  # drawn where the pages are read in the repository; here its text is shown
