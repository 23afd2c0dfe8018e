"""Charts of the report: functions from numbers and names to inline SVG. All colours come from `report/style.css`.

Every chart is 400 units wide, so that its text is readable on a phone; only a confusion matrix of many classes is
wider. Wide screens show several charts side by side. Missing values (None, NaN, infinite) are printed as "n/a" and not
drawn.
"""
