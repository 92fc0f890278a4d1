// Small charts in SVG: lines over time, with the newest value at the right.

const SVG = 'http://www.w3.org/2000/svg';
const [WIDTH, HEIGHT] = [300, 100];

function svg(name, attributes) {
  const made = document.createElementNS(SVG, name);
  Object.entries(attributes).forEach(([key, value]) => made.setAttribute(key, value));
  return made;
}

// The smallest of 1, 2, 5, 10, 20, … that is not below MOST.
export function ceiling(most) {
  if (!(most > 0)) return 1;
  const power = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((step) => step * power).find((each) => each >= most * (1 - 1e-9));
}

// The pieces of a line: a missing value (null) ends a piece.
function pieces(values) {
  const all = [[]];
  values.forEach((value, i) => {
    if (value === null) all.push([]);
    else all.at(-1).push([i, value]);
  });
  return all.filter((piece) => piece.length);
}

// place: an element for the chart; names: of its lines; format(value): words for the scale.
export class Chart {
  constructor(place, names, format) {
    Object.assign(this, {names, format});
    this.picture = svg('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img'});
    this.top = Object.assign(document.createElement('span'), {className: 'scale top'});
    this.top.setAttribute('aria-hidden', 'true');
    this.paths = names.map((name, i) => svg('path', {class: `line line-${i}`, 'vector-effect': 'non-scaling-stroke'}));
    this.area = svg('path', {class: 'area'});
    this.picture.append(svg('path', {class: 'grid', d: `M0 0H${WIDTH}M0 50H${WIDTH}M0 100H${WIDTH}`, 'vector-effect': 'non-scaling-stroke'}),
      ...(names.length === 1 ? [this.area] : []), ...this.paths);
    place.append(this.picture, this.top);
  }

  // lines: for each name, COUNT values at most, the oldest first; null: none was measured. words: what a screen
  // reader says.
  show(lines, count, words) {
    const most = ceiling(Math.max(0, ...lines.flat().filter((value) => value !== null)));
    const x = (i, values) => ((i + count - values.length) * WIDTH / (count - 1)).toFixed(1);
    const y = (value) => (HEIGHT - value * HEIGHT / most).toFixed(1);
    lines.forEach((values, number) => {
      const drawn = pieces(values).map((piece) => `M${piece.map(([i, value]) => `${x(i, values)} ${y(value)}`).join('L')}${piece.length === 1 ? 'h1' : ''}`);
      this.paths[number].setAttribute('d', drawn.join(''));
    });
    this.area.setAttribute('d', pieces(lines[0]).map((piece) => `M${x(piece[0][0], lines[0])} ${HEIGHT}L${piece.map(([i, value]) => `${x(i, lines[0])} ${y(value)}`).join('L')}L${x(piece.at(-1)[0], lines[0])} ${HEIGHT}Z`).join(''));
    this.top.textContent = this.format(most);
    this.picture.setAttribute('aria-label', words);
  }
}
