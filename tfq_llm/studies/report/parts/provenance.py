"""Where the numbers come from: commands, configuration, seeds, versions, costs and failures."""

from __future__ import annotations

import pandas as pd
import yaml

from tfq_llm.errors import listed
from tfq_llm.studies.replay import COST_COLUMNS
from tfq_llm.studies.report.charts.style import shortened
from tfq_llm.studies.report.document import Block, Code, Section, Table, Text
from tfq_llm.studies.report.input import ReportInput
from tfq_llm.studies.report.parts import numbers


def costs_section(study: ReportInput) -> Section:
    """Seconds by arm; every trial's in the CSV."""
    trials = study.frame[["trial", "state", "arm", "role"]].drop_duplicates()
    table = trials.merge(study.costs[list(COST_COLUMNS)], on="trial", how="left")
    if table.empty:
        return Section("costs", "Costs", ())
    rows = []
    for (state, arm, role), of_arm in table.groupby(["state", "arm", "role"], sort=False):
        fit, score = of_arm["fit_seconds"].dropna(), of_arm["score_seconds"].dropna()
        cells = [numbers.seconds(one.median()) for one in (fit, score)]
        rows.append(
            (str(arm), str(state), str(role), f"{len(of_arm):,}", *cells, numbers.seconds(float(fit.sum() + score.sum())))
        )
    unique = study.costs[study.costs["trial"].isin(set(trials["trial"]))]
    total = float(unique[["fit_seconds", "score_seconds"]].sum().sum())
    timed = unique[unique["fit_seconds"].notna()]
    hosts = sorted({str(host) for host in timed["host"].dropna()})
    text = (
        f"{'All trials' if len(timed) == len(unique) else numbers.counted(len(timed), 'trial')} together took "
        f"{numbers.seconds(total)} seconds ({total / 3600:.2f} hours) of work on {numbers.counted(len(hosts), 'machine')}: "
        f"{listed(hosts)}. Seconds depend on the machine and on what else it did."
        if len(timed)
        else ""
    )
    unknown = len(unique) - len(timed)
    if unknown:
        text = f"{text} What {numbers.counted(unknown, 'trial')} from elsewhere took is not known.".lstrip()
    return Section(
        "costs",
        "Costs in seconds",
        (
            Text(text),
            Table(
                name="costs",
                caption="Seconds by arm, embeddings and role: medians of a trial, and the sum. A trial of two arms is in "
                "both lines.",
                header=("arm", "embeddings", "role", "trials", "fit, s", "score, s", "sum, s"),
                rows=tuple(rows),
                data=table,
                numeric=frozenset({3, 4, 5, 6}),
            ),
        ),
    )


def failures_section(study: ReportInput) -> Section:
    """Tracebacks of trials that failed."""
    if not study.failures:
        return Section("failures", "Failures", (Text("No trial failed."),))
    text = (
        f"{numbers.counted(len(study.failures), 'trial')} failed and {'is' if len(study.failures) == 1 else 'are'} in no table."
    )
    return Section(
        "failures",
        "Failures",
        (Text(text), *(Code(trace, f"{name}: {_last_line(trace)}") for name, trace in sorted(study.failures.items()))),
    )


def _last_line(traceback: str) -> str:
    lines = [line.strip() for line in traceback.splitlines() if line.strip()]
    return shortened(lines[-1], 160) if lines else "no traceback"


def reproduction_section(study: ReportInput) -> Section:
    """Commands, seeds, versions, configuration."""
    config = yaml.safe_dump(study.config.model_dump(mode="json"), sort_keys=False, allow_unicode=True, width=100)
    blocks: list[Block] = []
    if study.commands:
        blocks += [Text("These commands make the study and this report again:"), Code("\n".join(study.commands))]
    blocks += [Text("The rule, which cannot be changed once the study has begun:"), Code(_rule(study)), _seeds(study)]
    if study.versions:
        pairs = sorted(study.versions.items())
        blocks.append(
            Table(
                name="versions",
                caption="Versions that the numbers depend on.",
                header=("package", "version"),
                rows=tuple(pairs),
                data=pd.DataFrame(pairs, columns=["package", "version"]),
                numeric=frozenset(),
            )
        )
    blocks.append(Code(config, "The whole configuration"))
    return Section("reproduction", "How to reproduce it", tuple(blocks))


def _rule(study: ReportInput) -> str:
    return yaml.safe_dump(study.rule.model_dump(mode="json"), sort_keys=False)


def _seeds(study: ReportInput) -> Table:
    frame = study.frame
    rows = [("resampling and permutations", str(study.rule.seed))]
    for name, column in (("splits: the draw of rows", "split"), ("inits: weights, batches, solvers", "init")):
        rows.insert(-1, (name, ", ".join(str(seed) for seed in sorted(set(frame[column]))) or "–"))
    return Table(
        name="seeds",
        caption="Seeds.",
        header=("of", "seeds"),
        rows=tuple(rows),
        data=pd.DataFrame(rows, columns=["of", "seeds"]),
        numeric=frozenset(),
    )
