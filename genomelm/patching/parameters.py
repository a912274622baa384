"""The segmentation modes by name and what each reads; imports nothing, so that plans and reports can ask."""

# The parameters that a mode reads: what a config needs, and what its fingerprint covers.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "entropy": ("threshold",),
    "length_constrained": ("threshold", "min", "max", "multiple"),
    "fixed_stride": ("stride",),
    "byte": (),
}

# The modes that compare scores with a threshold.
SCORED = tuple(mode for mode, names in PARAMETERS.items() if "threshold" in names)
