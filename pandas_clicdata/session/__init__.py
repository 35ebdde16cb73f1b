"""One account: the only folder that speaks HTTP."""
