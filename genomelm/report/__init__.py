"""Results on disk in, one self-contained HTML page and JSON out. Runs no model and opens no connection."""
