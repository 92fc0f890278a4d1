"""Tables of the results: medians, minimums and maximums, and ratios to the raw writer of the same run."""
import statistics

YARDSTICK = "raw"


def number(value, digits):
    return f"{value:,.{digits}f}"


def cell(figure, results, yardsticks):
    """The cell of one figure over all runs. YARDSTICKS: the raw writer's result of each run, or None."""
    values = [result[figure.key] * figure.scale for result in results if result.get(figure.key) is not None]
    if not values:
        return "–"
    text = number(statistics.median(values), figure.digits)
    if len(values) > 1:
        text += f" [{number(min(values), figure.digits)}–{number(max(values), figure.digits)}]"
    if figure.ratio:
        ratios = [result[figure.key] / raw[figure.key] for result, raw in zip(results, yardsticks)
                  if raw and raw.get(figure.key) and result.get(figure.key) is not None]
        if ratios:
            text += f" **×{statistics.median(ratios):.2f}**"
    return text


def fault(result):
    """A few words about what is wrong with a measurement; "" if nothing is."""
    if result["verdict"] == "ok":
        return ""
    words = [f"{name} {result[name]}" for name in
             ("lost", "doubled", "reordered", "misrouted", "corrupt", "publications_failed", "refused", "ended", "cut")
             if result.get(name)]
    if result.get("error"):
        words.append(result["error"].splitlines()[0])
    return ", ".join(words) or "bad"


def verdicts(results):
    faults = [fault(result) for result in results]
    bad = [text for text in faults if text]
    return "ok" if not bad else f"{len(bad)} of {len(faults)} BAD: " + "; ".join(sorted(set(bad)))


def scenario_table(scenario, rows, quick=False):
    """A table in Markdown. ROWS: {server: [result of each run]}, in the order of the table."""
    size = f" (quick: {scenario.subscribers(True):,} subscribers)" if quick else ""
    lines = [f"### {scenario.name}: {scenario.question}{size}", "",
             "| | " + " | ".join(figure.title for figure in scenario.figures) + " | verdict |",
             "|---|" + "---:|" * len(scenario.figures) + "---|"]
    raw = {result["run"]: result for result in rows.get(YARDSTICK, [])}
    for name, results in rows.items():
        yardsticks = [raw.get(result["run"]) for result in results]
        cells = [cell(figure, results, yardsticks) for figure in scenario.figures]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {verdicts(results)} |")
    return "\n".join(lines) + "\n"
