"""Charts of the report page: from numbers and names to inline SVG, coloured by `report/style.css` alone.

Every chart is 400 units wide (a confusion matrix of many classes more), so that its text can be read on a phone; wide
screens put several beside each other. Missing values (None, NaN, infinite) are printed as "n/a" and not drawn.
"""
