"""Records -> terminal, Markdown and one self-contained HTML file. Reads only the files of a run folder; computes nothing but formatting."""
