"""Three questions to a backfill's output, answered with DuckDB: `python docs/backfill_questions.py OUTPUT [PAGE.html]`.

Which colours dominate the catalogue?  Which photos have nothing in the catalogue to wear with them?  Which photos have
the same palette, and may be duplicates?  The answers go to the page, with pictures of the colours.
"""

import sys
from html import escape
from pathlib import Path
from typing import Any

import duckdb

DOMINANT = """
    with looks as (
        select id, name_fashion as colour, hex, share * coalesce(garment_area, 1) as cover,
               sum(share * coalesce(garment_area, 1)) over (partition by id) as look
        from colors)
    select colour, round(100 * sum(cover / look) / (select count(distinct id) from colors), 1) as percent,
           count(distinct id) as photos, arg_max(hex, cover) as hex
    from looks group by colour order by percent desc, colour limit 10
"""
UNMATCHED = """
    with wanted as (
        select distinct id, unnest(colors).name as colour from suggestions),
    worn as (
        select distinct id, name_fashion as colour from colors where role = 'main')
    select answers.id, list_sort(list(distinct wanted.colour))[:4] as would_go_with
    from answers join wanted using (id)
    where not exists (
        select 1 from wanted as mine join worn as other on other.colour = mine.colour and other.id <> mine.id
        where mine.id = answers.id)
    group by answers.id order by answers.id limit 10
"""
ALIKE = """
    select one.id as first, two.id as second, round(list_distance(one.vector, two.vector), 2) as distance
    from answers as one join answers as two on one.id < two.id
    where one.vector is not null and two.vector is not null and list_distance(one.vector, two.vector) < 1.0
    order by distance, first, second limit 10
"""
QUESTIONS = {
    "Which colours dominate the catalogue?": DOMINANT,
    "Which photos have nothing in the catalogue to wear with them?": UNMATCHED,
    "Which photos have the same palette?": ALIKE,
}


def ask(output: Path) -> dict[str, list[dict[str, Any]]]:
    """The answers: question -> rows. output: a local output, or a copy of one."""
    if not (output / "_SUCCESS").exists():
        raise SystemExit(f"{output} is no complete backfill: it has no _SUCCESS.")
    found = {}
    with duckdb.connect() as db:
        for table in ("answers", "colors", "suggestions"):
            db.read_parquet(str(output / table / "*.parquet")).create_view(table)
        for question, query in QUESTIONS.items():
            rows = db.sql(query)
            found[question] = [dict(zip(rows.columns, row, strict=True)) for row in rows.fetchall()]
    return found


def page(answers: dict[str, list[dict[str, Any]]]) -> str:
    """The answers as one HTML page; a colour is shown as a bar of its length."""
    parts = ["<!doctype html><meta charset=utf-8><title>Questions to a catalogue</title>"]
    parts.append("<style>body{font:15px/1.5 system-ui;max-width:900px;margin:2rem auto}td,th{padding:2px 14px 2px 0;")
    parts.append("text-align:left}i{display:inline-block;height:1em;border:1px solid #0003}</style>")
    for question, rows in answers.items():
        parts.append(f"<h2>{escape(question)}</h2>")
        if not rows:
            parts.append("<p>None.</p>")
            continue
        head = "".join(f"<th>{escape(name)}" for name in rows[0])
        parts.append(f"<table><tr>{head}{''.join(_row(row) for row in rows)}</table>")
    return "".join(parts)


def _row(row: dict[str, Any]) -> str:
    cells = "".join(f"<td>{escape(str(value))}" for value in row.values())
    bar = f'<td><i style="background:{row["hex"]};width:{4 * row["percent"]:.0f}px"></i>' if "hex" in row else ""
    return f"<tr>{cells}{bar}"


def main(arguments: list[str]) -> None:
    """Prints the answers, and writes the page when a path is given."""
    answers = ask(Path(arguments[0]))
    for question, rows in answers.items():
        sys.stdout.write(f"\n{question}\n")
        for row in rows:
            sys.stdout.write("  " + ", ".join(f"{name} {value}" for name, value in row.items()) + "\n")
    if len(arguments) > 1:
        Path(arguments[1]).write_text(page(answers))


if __name__ == "__main__":
    main(sys.argv[1:])
