"""The results of a finished run as a few small files for a repository: a page of Markdown, tables, figures."""
