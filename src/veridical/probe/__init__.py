"""One file per probe: each measures one property of a model that a single score hides, on one batching query engine."""
