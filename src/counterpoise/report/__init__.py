"""The HTML report: facts, warnings, sections and charts. `index.html.j2` and `style.css` define its layout."""
