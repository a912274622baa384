"""The verdict strip: every check of the report, in reading order."""

from genomelm.report import language_checks, locus_checks, model_checks
from genomelm.report.checks import WARN, Check
from genomelm.report.inputs import Results


def run(results: Results, expected: tuple[str, ...] = ()) -> list[Check]:
    """Return every check of the report, in reading order.

    Args:
        expected: files, relative to the model's folder, whose absence is a warning of its own.
    """
    found = [*language_checks.language_model(results), *model_checks.patching(results)]
    found += [c for name, part in results.tasks.items() for c in model_checks.task(name, part)]
    if not results.tasks:
        found.append(
            Check("Tasks", "Held-out tasks", WARN, "at least one task", reason="not run: no evaluate/{task}.json")
        )
    found += [c for name, part in results.scores.items() for c in model_checks.scoring(name, part)]
    if not results.scores:
        found.append(
            Check(
                "Variants", "Scored variants", WARN, "at least one file", reason="not run: no score/{name}.summary.json"
            )
        )
    found += [c for name, part in results.loci.items() for c in locus_checks.locus(name, part)]
    if not results.loci:
        found.append(
            Check(
                "Attribution", "Locus", WARN, "at least one locus", reason="not run: no interpret/{name}/summary.json"
            )
        )
    found += [
        Check("Files", f"Expected file {path}", WARN, "present", reason=f"{path} is missing")
        for path in expected
        if not (results.root / path).exists()
    ]
    return found
