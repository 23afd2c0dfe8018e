from counterpoise.report.parts import Part, rows


def test_neighbours_of_one_row_are_grouped() -> None:
    parts = [Part("a", "A", ()), Part("b", "B", (), row="x"), Part("c", "C", (), row="x"), Part("d", "D", ())]
    assert [[part.anchor for part in row] for row in rows(parts)] == [["a"], ["b", "c"], ["d"]]


def test_parts_of_one_row_that_are_no_neighbours_are_not_grouped() -> None:
    parts = [Part("a", "A", (), row="x"), Part("b", "B", ()), Part("c", "C", (), row="x")]
    assert [len(row) for row in rows(parts)] == [1, 1, 1]
