"""How probes look at tasks whose answers are more than one label: one file a probe, each ending in one `AnswerPart`."""
