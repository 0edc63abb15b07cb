"""The report of a study: one HTML file, the same as Markdown and CSV, and TensorBoard's event files."""

from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.write import summary, write_report

__all__ = ["ReportInput", "summary", "write_report"]
