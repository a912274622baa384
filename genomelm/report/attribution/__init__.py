"""Folders of attributions of many regions, as the report shows them: verdicts, loci, variants, motifs, sites."""
