"""Charts of the report as Vega-Lite specifications: one function per file, from a table to a chart.

Colours are names of the style sheet, such as `var(--found)`, so that one specification serves a light and a dark page.
"""
