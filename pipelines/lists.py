"""What has a name: data sets and sentence encoders, as tables."""

from __future__ import annotations

from tfq_llm.metrics import markdown_table


def data_table() -> str:
    """The named data sets."""
    from tfq_llm import data

    rows = [
        (each.name, str(len(each.class_names)), f"{each.rows:,}" if each.rows else "not fetched", each.source)
        for each in data.available()
    ]
    return markdown_table(("name", "classes", "rows", "source"), rows)


def encoders_table() -> str:
    """The named sentence encoders."""
    from tfq_llm import encoders

    rows = [(each.name, str(each.dim), "yes" if each.built else "no", each.licence, each.source) for each in encoders.available()]
    return markdown_table(("name", "dimensions", "built", "licence", "source"), rows)
