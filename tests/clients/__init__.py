"""Mail programs with a window, driven by a script: not part of the suite (CONTRIBUTING)."""
