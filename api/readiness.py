"""What the parts are called that /readyz waits for, where somebody else must know the name."""

ENGINE_PART = "the container engine"
"""Another engine than the bound one answers. That waits for a person: time does not mend it."""
