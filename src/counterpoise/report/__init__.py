"""The page that a person looks at: facts, warnings, sections, charts; `index.html.j2` and `style.css` lay them out."""
