"""Questions and the records that answer them."""
