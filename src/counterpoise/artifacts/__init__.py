"""Every file that crosses a border between stages, one module each: path, columns, units, reader and writer."""
