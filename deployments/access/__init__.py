"""Who acts, by which credentials, and what they may do."""
