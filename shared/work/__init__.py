"""How work goes on within its bounds: deadlines, retries, batches, work beside the calls."""
