"""The verdict strip: every check of the report, in reading order."""

from genomelm.report import language_checks, locus_checks, model_checks
from genomelm.report.attribution import verdicts
from genomelm.report.checks import WARN, Check
from genomelm.report.inputs import Results


def run(results: Results, expected: tuple[str, ...] = ()) -> list[Check]:
    """Return every check of the report, in reading order.

    Args:
        expected: files that were planned, relative to the model's folder; the absence of each is a warning. A kind of
            measurement that was neither planned nor begun is not missed; where there is nothing at all, that is said.
    """
    found = [*language_checks.language_model(results), *model_checks.patching(results)]
    found += [c for name, part in results.tasks.items() for c in model_checks.task(name, part)]
    found += [c for name, part in results.scores.items() for c in model_checks.scoring(name, part)]
    found += [c for name, part in results.loci.items() for c in locus_checks.locus(name, part)]
    found += [c for name, part in results.sets.items() for c in verdicts.of_set(name, part)]
    begun = _begun(results)
    found += begun
    if not (results.tasks or results.scores or results.loci or results.sets or begun or expected):
        reason = "not run: nothing was measured on tasks, variants or loci"
        found.append(Check("Files", "Measurements", WARN, "a task, variants or a locus", reason=reason))
    found += [
        Check("Files", f"Expected file {path}", WARN, "present", reason=f"{path} is missing")
        for path in expected
        if not (results.root / path).is_file()
    ]
    return found


def _begun(results: Results) -> list[Check]:
    """Return a warning for each kind of measurement whose folder is there with nothing in it that can be read."""
    kinds = (
        ("Tasks", "Held-out tasks", "finetune", results.tasks),
        ("Variants", "Scored variants", "score", results.scores),
        ("Attribution", "Locus", "interpret", results.loci or results.sets),
    )
    return [
        Check(group, name, WARN, "at least one", reason=f"not run: {folder}/ has no results")
        for group, name, folder, parts in kinds
        if not parts and (results.root / folder).is_dir()
    ]
