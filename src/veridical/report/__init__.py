"""Records -> terminal, Markdown, one self-contained HTML file. Reads only a run folder's files; computes nothing but formatting."""
