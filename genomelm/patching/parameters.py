"""The segmentation modes by name and what each reads; imports nothing, so that plans and reports can ask."""

# The parameters that a mode reads: what a config needs, and what its fingerprint covers.
PARAMETERS: dict[str, tuple[str, ...]] = {
    "entropy": ("threshold",),
    "greedy": ("threshold", "max"),
    "monotonic": ("threshold",),
    "dual_threshold": ("threshold", "delta"),
    "length_constrained": ("threshold", "min", "max", "multiple"),
    "optimal": ("threshold", "min", "max", "multiple", "alpha", "target"),
    "fixed_stride": ("stride",),
    "byte": (),
    "given": (),
}

# The modes that read scores.
SCORED = tuple(mode for mode, names in PARAMETERS.items() if "threshold" in names)

# The modes whose patches keep to a unit of length, and the parameter that holds it.
UNITS = {"length_constrained": "multiple", "optimal": "multiple", "fixed_stride": "stride"}


def limits_fault(mode: str, least: int, most: int, multiple: int) -> str | None:
    """Return why patches of `least` to `most` bytes in multiples of `multiple` cannot be made; None if they can."""
    if "multiple" in PARAMETERS[mode] and (most % multiple or not 1 <= least <= most):
        return (
            f"patches of {least} to {most} bytes in multiples of {multiple} cannot be made: "
            "max must be a multiple, and min between 1 and max"
        )
    return None
