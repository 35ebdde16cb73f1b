"""What ``python -m pandas_clicdata`` offers."""
