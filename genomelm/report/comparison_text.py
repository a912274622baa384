"""The comparison as readable text: one block a model."""

from genomelm.report.render import STATUS_WORDS, number, sequence_name
from genomelm.report.summary import one_line


def text(compared: dict) -> str:
    """Return the verdict of all, then each model's verdict, figures and checks that do not pass."""
    lines = [compared["title"], f"verdict: {verdict(compared)}"]
    languages = {row["name"]: row for group in compared["language_models"].values() for row in group["models"]}
    for model in compared["models"]:
        name = model["name"]
        lines += ["", f"[{name}] {verdict(model)}"]
        lines += language(languages[name]) if name in languages else ["  no language model: trained on its tasks alone"]
        for task in compared["tasks"]:
            lines += [line for row in task["models"] if row["name"] == name for line in task_lines(task, row)]
        for check in model["checks"]:
            if check["status"] != "pass":
                reason = f"; {check['reason']}" if check["reason"] else ""
                shown = f"{check['name']}: {number(check['value'])} (target: {check['target']}{reason})"
                lines.append(f"  {STATUS_WORDS[check['status']]}  {shown}")
    return "\n".join(one_line(line) for line in lines) + "\n"


def verdict(of: dict) -> str:
    """Return a verdict with its counts."""
    counts = ", ".join(f"{of['counts'][status]} {status}" for status in ("pass", "warn", "fail"))
    return f"{STATUS_WORDS[of['verdict']]} ({counts}; {of['not_run']} of {of['total']} did not run)"


def spread(row: dict | None, key: str = "value") -> str:
    """Return a value with its interval, when it has one."""
    if row is None:
        return number(None)
    bounds = row["low"] is not None and row["high"] is not None
    return number(row[key]) + (f" ({number(row['low'])} to {number(row['high'])})" if bounds else "")


def language(row: dict) -> list[str]:
    """Return the lines of a language model."""
    trained, unit = row["training"], row["unit"]
    without = row["parameters_without_tables"]
    size = f"{number(row['parameters'])} parameters" + (f", {number(without)} without tables" if without else "")
    lines = [
        f"  language model: {row['family'] or 'family not named'}, {row['objective']}; {size}",
        f"  training: {number(trained['bases'])} bases seen, {number(trained['kbases_per_second'])} kbases/s",
        f"  held-out {unit}: {spread(row['bits'])}, {number(row['bases'])} bases scored",
    ]
    lines += [f"    beside it {other['name']}: {spread(other)}" for other in row["beside"]]
    if row["difference"]:
        lines.append(f"    {row['difference']['name']}: {spread(row['difference'])}")
    lines += [f"    {cut['name']} adds {spread(cut, 'delta')}" for cut in row["ablations"]]
    long = row["long"]
    if long:
        lines.append(
            f"  long window of {number(long['window'])} bases: {number(long['patches'])} patches in "
            f"{number(long['blocks'])} attention blocks, true sparsity {number(long['sparsity'])}; "
            f"{unit} {spread(long['bits'])}"
        )
        lines += [f"    {cut['name']} adds {spread(cut, 'delta')}" for cut in long["ablations"]]
    return lines


def task_lines(task: dict, row: dict) -> list[str]:
    """Return the lines of a model's figure on one task."""
    facts = [str(task["kind"]).replace("_", " ")] if task["kind"] else []
    facts += [sequence_name(str(task["alphabet"]))] if task["alphabet"] else []
    facts += [f"{number(row['n_test'])} test examples", f"{len(row['seeds'])} seeds"]
    lines = [f"  {task['name']} ({', '.join(facts)}): {task['metric']} {spread(row['result'])}"]
    if row["target"]:
        lines[0] += f"; target {number(row['target'].get('value'))} ({row['target'].get('text', '')})"
    if len(row["seeds"]) > 1:
        lines.append(f"    seeds: {', '.join(map(number, row['seeds']))}")
    lines += [f"    beside it {other['name']}: {spread(other)}" for other in row["baselines"]]
    if row["difference"]:
        lines.append(f"    {row['difference']['name']}: {spread(row['difference'])}")
    return lines
