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

// A scale from 0: marks are values with a line across the chart, the first one at the top; named: the marks with words.
function linear(values) {
  const most = ceiling(Math.max(0, ...values));
  return {marks: [most, most / 2, 0], named: [most], share: (value) => value / most};
}

// A scale of whole decades, on which small values are as far apart as large ones.
function logarithmic(values) {
  const positive = values.filter((value) => value > 0);
  const round = (to, of) => to(Math.log10(of) + (to === Math.ceil ? -1e-9 : 1e-9));
  const high = positive.length ? round(Math.ceil, Math.max(...positive)) : 1;
  const low = Math.min(positive.length ? round(Math.floor, Math.min(...positive)) : 0, high - 1);
  const marks = Array.from({length: high - low + 1}, (_, i) => 10 ** (high - i));
  const named = marks.filter((mark, i) => marks.length <= 3 || i % 2 === 0);
  return {marks, named, share: (value) => (Math.log10(Math.max(value, 10 ** low)) - low) / (high - low)};
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
  constructor(place, names, format, {isLogarithmic = false} = {}) {
    Object.assign(this, {names, format, scale: isLogarithmic ? logarithmic : linear});
    this.picture = svg('svg', {viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: 'none', role: 'img'});
    this.labels = document.createElement('div');
    this.labels.className = 'scales';
    this.labels.setAttribute('aria-hidden', 'true');
    this.paths = names.map((name, i) => svg('path', {class: `line line-${i}`, 'vector-effect': 'non-scaling-stroke'}));
    this.area = svg('path', {class: 'area'});
    this.grid = svg('path', {class: 'grid', 'vector-effect': 'non-scaling-stroke'});
    this.picture.append(this.grid, ...(names.length === 1 ? [this.area] : []), ...this.paths);
    place.append(this.picture, this.labels);
  }

  // The lines across the chart, and the words at those that have some.
  #mark({marks, named, share}) {
    this.grid.setAttribute('d', marks.map((mark) => `M0 ${(HEIGHT - share(mark) * HEIGHT).toFixed(1)}H${WIDTH}`).join(''));
    this.labels.replaceChildren(...named.map((mark) => {
      const label = Object.assign(document.createElement('span'), {className: 'scale', textContent: this.format(mark)});
      if (mark === marks.at(-1)) label.style.bottom = '0';
      else label.style.top = `${(100 - share(mark) * 100).toFixed(1)}%`;
      return label;
    }));
  }

// lines: for each name, COUNT values at most, the oldest first; null: none was measured. words: what a screen
  // reader says.
  show(lines, count, words) {
    const scale = this.scale(lines.flat().filter((value) => value !== null));
    const x = (i, values) => ((i + count - values.length) * WIDTH / (count - 1)).toFixed(1);
    const y = (value) => (HEIGHT - scale.share(value) * HEIGHT).toFixed(1);
    lines.forEach((values, number) => {
      const drawn = pieces(values).map((piece) => `M${piece.map(([i, value]) => `${x(i, values)} ${y(value)}`).join('L')}${piece.length === 1 ? 'h1' : ''}`);
      this.paths[number].setAttribute('d', drawn.join(''));
    });
    this.area.setAttribute('d', pieces(lines[0]).map((piece) => `M${x(piece[0][0], lines[0])} ${HEIGHT}L${piece.map(([i, value]) => `${x(i, lines[0])} ${y(value)}`).join('L')}L${x(piece.at(-1)[0], lines[0])} ${HEIGHT}Z`).join(''));
    this.#mark(scale);
    this.picture.setAttribute('aria-label', words);
  }
}
