"""Where a Pod goes: filters, scores and the cycle that joins them."""
