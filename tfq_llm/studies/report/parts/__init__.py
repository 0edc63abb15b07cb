"""Parts of a report: each module turns a study's results into sections, with the numbers of `tfq_llm.studies.statistics`."""
