"""The commands of ``python -m pandas_clicdata``."""
