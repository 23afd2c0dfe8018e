"""What stands on the report page: facts, findings, parts; `index.html.j2` and `style.css` lay them out."""
