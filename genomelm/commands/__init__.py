"""One file a verb of the command line: each joins rooms of the package."""
