"""Making a data set what a frame says: a plan, how it is carried out, and receipts."""
