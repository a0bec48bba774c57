"""Files that are ingested side by side make the portfolio's table once and all stay visible."""

from concurrent.futures import ThreadPoolExecutor

from tasks.lake import tables


def test_first_files_side_by_side_do_not_take_the_table_from_each_other(platform):
    table = tables.LakeTable("beginnings", "beginnings", {"application_id": "string"}, ("ingest",))

    def publish(name: str) -> None:
        tables.ensure(table)
        tables.add_partitions(table, {table.location([name]): [name]})

    names = [f"{number:02d}" for number in range(12)]
    with ThreadPoolExecutor(len(names)) as pool:
        list(pool.map(publish, names))
    assert tables.partitions(table) == [[name] for name in names]
