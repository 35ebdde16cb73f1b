"""Make a data set equal to a frame: plans, how plans are carried out, and receipts."""
