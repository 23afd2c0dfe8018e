import pytest

from counterpoise import demos


@pytest.fixture
def written(tmp_path):
    folder = tmp_path / "demo"
    (folder / "images").mkdir(parents=True)
    (folder / "images" / "a  b.png").write_bytes(b"1")
    (folder / "labels.csv").write_text("image,label\n")
    demos.write_sums(folder)
    return folder


def test_the_sums_are_those_of_sha256sum(written):
    assert (written / demos.SUMS).read_text().splitlines() == [
        "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b  images/a  b.png",
        "a8a42ebf860fac29487e3b570b0cc29cf91efd1714981fd2b264ede5a7c2e1ee  labels.csv",
    ]


def test_what_was_written_is_not_foreign_even_where_some_is_missing(written):
    assert demos.list_foreign(written) == []
    (written / "labels.csv").unlink()
    (written / ".DS_Store").touch()
    (written / "empty").mkdir()
    assert demos.list_foreign(written) == []
    assert demos.list_foreign(written.parent / "absent") == []


def test_new_and_changed_files_and_links_are_foreign(written):
    (written / "labels.csv").write_text("image,label\na.png,ok\n")
    (written / "images" / ".mine.png").touch()
    (written / "deep" / "deeper").mkdir(parents=True)
    (written / "deep" / "deeper" / "mine.png").write_bytes(b"1")
    (written / "link").symlink_to(written.parent)
    assert demos.list_foreign(written) == ["deep/deeper/mine.png", "images/.mine.png", "labels.csv", "link"]


@pytest.mark.parametrize("sums", [None, b"", b"\xff", b"no sums\n"])
def test_without_readable_sums_every_file_is_foreign(written, sums):
    (written / demos.SUMS).unlink() if sums is None else (written / demos.SUMS).write_bytes(sums)
    assert {"images/a  b.png", "labels.csv"} <= set(demos.list_foreign(written))


def test_a_link_to_a_folder_of_the_user_is_looked_into(written):
    mine = written.parent / "mine"
    mine.mkdir()
    (mine / "a.png").touch()
    link = written.parent / "link"
    link.symlink_to(mine)
    assert demos.list_foreign(link) == ["a.png"]
