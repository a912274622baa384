"""Where the workflow's own files are: beside the package in a checkout, inside it in an installed wheel."""

from pathlib import Path

from genomelm.errors import ResourceError


def workflow_folder() -> Path:
    """Return the folder of this installation that holds Snakefile, workflows/, configs/ and data_manifests/.

    Raises:
        ResourceError: they were not installed with the package.
    """
    package = Path(__file__).resolve().parents[1]
    for folder in (package / "workflow", package.parent):
        if (folder / "Snakefile").is_file() and (folder / "workflows" / "rules").is_dir():
            return folder
    raise ResourceError(f"the workflow is not beside {package}: install genomelm from its wheel or its repository")
