"""What servers consume while a soak runs, as numbers over time, and a picture of these."""
import os
import subprocess
import time

COLOURS = ("#0969da", "#cf222e", "#1a7f37", "#8250df", "#9a6700", "#57606a", "#bf3989", "#1b7c83", "#000000")


def _status(pid):
    with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as file:
        return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)


def sample(pids):
    """What the processes consume together; a process that ends meanwhile is left out."""
    total = {"memory KB": 0, "descriptors": 0, "threads": 0, "processes": 0}
    for pid in pids:
        try:
            status = _status(pid)
            total["descriptors"] += len(os.listdir(f"/proc/{pid}/fd"))
            total["memory KB"] += int(status["RssAnon"].split()[0])
            total["threads"] += int(status["Threads"])
            total["processes"] += 1
        except (OSError, KeyError):
            continue
    return total


class Curves:
    def __init__(self):
        self.begin = time.monotonic()
        self.points = {}  # for each (quantity, name): [(seconds, value)]

    def add(self, name, values):
        for quantity, value in values.items():
            self.points.setdefault((quantity, name), []).append((time.monotonic() - self.begin, value))

    def quantities(self, name):
        return {quantity for quantity, other in self.points if other == name}

    def mean(self, quantity, name, start, end):
        """The mean from START to END, which are fractions of the whole time."""
        points = self.points[quantity, name]
        last = points[-1][0]
        found = [value for seconds, value in points if start * last <= seconds <= end * last]
        return sum(found) / len(found)

    def growth(self, quantity, name):
        """The growth from the second quarter to the last, as a fraction per hour."""
        early, late = self.mean(quantity, name, 0.25, 0.5), self.mean(quantity, name, 0.75, 1)
        hours = self.points[quantity, name][-1][0] * 0.5 / 3600
        return (late - early) / early / hours if early else 0.0

    def draw(self, path):
        """Draws the picture to PATH as PNG, or where chromium cannot, as SVG beside it."""
        quantities = sorted({quantity for quantity, _ in self.points})
        height = 180 * len(quantities) + 20
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="1200" height="{height}" font-family="sans-serif" font-size="11">'
                 f'<rect width="1200" height="{height}" fill="white"/>']
        for number, quantity in enumerate(quantities):
            parts += self._chart(quantity, 180 * number + 20)
        svg = os.path.splitext(path)[0] + ".svg"
        with open(svg, "w", encoding="utf-8") as out:
            out.write("\n".join(parts) + "</svg>\n")
        try:
            subprocess.run(["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--screenshot={path}",
                            f"--window-size=1200,{height}", "--hide-scrollbars", f"file://{svg}"],
                           stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=120, check=True)
        except (OSError, subprocess.SubprocessError):
            return svg
        return path

    def _chart(self, quantity, top):
        lines = {name: points for (other, name), points in sorted(self.points.items()) if other == quantity}
        most = max(value for points in lines.values() for _, value in points) or 1
        last = max(points[-1][0] for points in lines.values()) or 1
        yield f'<text x="70" y="{top + 4}" font-weight="bold">{quantity}</text>'
        yield f'<text x="62" y="{top + 20}" text-anchor="end">{most}</text><text x="62" y="{top + 150}" text-anchor="end">0</text>'
        yield f'<text x="1180" y="{top + 164}" text-anchor="end">{last / 60:.0f} min</text>'
        yield f'<path d="M70 {top + 10}V{top + 150}H1180" fill="none" stroke="#999"/>'
        for at, (name, points) in enumerate(lines.items()):
            colour = COLOURS[at % len(COLOURS)]
            path = " ".join(f"{70 + seconds / last * 1110:.1f},{top + 150 - value / most * 135:.1f}" for seconds, value in points)
            yield f'<polyline points="{path}" fill="none" stroke="{colour}"/>'
            yield f'<text x="{200 + 110 * at}" y="{top + 4}" fill="{colour}">{name}</text>'
