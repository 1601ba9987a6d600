"""Records -> terminal, Markdown, one self-contained HTML file. Reads a run folder's files; computes nothing but formatting."""
