"""Data manifests: which files, from where, with which digest; fetching and indexing them."""
