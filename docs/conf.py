"""How `make docs` builds the site from these pages, the docstrings and the notebook. It reads nothing from the network."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))  # for docstrings.py

import tfq_llm
from tfq_llm.cli_options import tensorflow

with tensorflow():  # without what its libraries print
    import tfq_llm.models

project = "tfq_llm"
author = "the tfq_llm authors"
release = tfq_llm.__version__
extensions = ["sphinx.ext.autodoc", "sphinx.ext.napoleon", "myst_nb", "docstrings"]
exclude_patterns = ["results/*", "performance/*"]

html_theme = "furo"
html_title = f"tfq_llm {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False

myst_heading_anchors = 3
nb_execution_mode = "off"  # the notebook is committed with its outputs; `make tutorial` runs it
nb_render_markdown_format = "myst"  # tables in its outputs

napoleon_numpy_docstring = False
napoleon_use_ivar = True
autodoc_default_options = {"members": True}
autodoc_inherit_docstrings = False  # Keras' are not ours
autodoc_member_order = "bysource"
autodoc_type_aliases = {"ArrayLike": "ArrayLike", "Observable": "Observable"}
autodoc_typehints_format = "short"
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 100
