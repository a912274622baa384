"""The JSON Schemas of a workflow's config and sample sheet: for editors, and for programs that write either.

The package ships them beside this file; `python -m genomelm.commands.workflow_schemas` writes them anew.
"""

from pathlib import Path

from genomelm.commands.workflow_config import WorkflowConfig
from genomelm.commands.workflow_sheet import row_schema
from genomelm.files import write_json
from genomelm.settings import json_schema

FOLDER = Path(__file__).parent


def schemas() -> dict[str, dict]:
    """Return file name -> schema: of a config, and of a sheet's row as the object of its cells."""
    return {"workflow.schema.json": json_schema(WorkflowConfig), "sheet.schema.json": row_schema()}


if __name__ == "__main__":
    for name, schema in schemas().items():
        write_json(FOLDER / name, schema)
