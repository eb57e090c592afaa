"""The audit: for each tenant a chain of lines that says who did what, in which a later change is found."""
