"""Scores a file with a trained model, and says what came of it."""

from __future__ import annotations

from tfq_llm.scoring import Job
from tfq_llm.scoring import score as run


def score(job: Job) -> str:
    """Scores to the end, or goes on, and returns one line for the file, one for each class, and what is to be known of it.

    Raises:
        InputError: as `tfq_llm.scoring.score`.
    """
    summary = run(job)
    state = summary.state
    rate = f", {state.rows / state.seconds:,.0f} rows/s" if state.seconds else ""
    before = f" ({summary.found:,} of them before)" if summary.found else ""
    lines = [f"{state.rows:,} rows scored{before} in {state.seconds:,.0f} s{rate}: {job.output}"]
    width = max(map(len, summary.class_names))
    lines += [
        f"{name.ljust(width)}  {count:>12,}  {100 * count / state.rows:5.1f} %"
        for name, count in zip(summary.class_names, state.counts, strict=True)
    ]
    if state.bad:
        lines.append(f"{state.bad:,} rows were left out: {job.bad_rows} says which and why.")
    if state.truncated:
        lines.append(f"{state.truncated:,} texts are longer than the model reads; only their beginning counts.")
    return "\n".join(lines)
