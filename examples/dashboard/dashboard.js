// Each update contains the current values. The page keeps the values of the last minute.
const KEPT = 60;
const UNITS = {load: 'load', memory: 'memory used, %', processes: 'processes'};
const SVG = 'http://www.w3.org/2000/svg';
const byId = (id) => document.getElementById(id);

function makeGauge(title) {
  const card = document.createElement('section');
  card.className = 'card';
  const head = card.appendChild(document.createElement('h2'));
  head.textContent = title;
  const number = card.appendChild(document.createElement('p'));
  number.className = 'number';
  number.textContent = '–';
  const svg = card.appendChild(document.createElementNS(SVG, 'svg'));
  svg.setAttribute('viewBox', `0 0 ${KEPT - 1} 20`);
  svg.setAttribute('preserveAspectRatio', 'none');
  svg.setAttribute('aria-hidden', 'true');
  const line = svg.appendChild(document.createElementNS(SVG, 'polyline'));
  byId('gauges').append(card);
  const values = [];
  return (value) => {
    values.push(value);
    if (values.length > KEPT) values.shift();
    const most = Math.max(...values, 1e-9);
    number.textContent = value.toLocaleString();
    line.setAttribute('points', values.map((one, i) => `${KEPT - values.length + i},${20 - 19 * one / most}`).join(' '));
  };
}

const gauges = Object.fromEntries(Object.entries(UNITS).map(([name, title]) => [name, makeGauge(title)]));
const url = new URL('/.well-known/mercure', location);
url.searchParams.append('match', 'https://example.com/machine');
url.searchParams.append('last_event_id', 'earliest');
const events = new EventSource(url);
events.onopen = () => { byId('state').textContent = 'live'; };
events.onerror = () => { byId('state').textContent = 'away'; };
events.onmessage = ({data}) => {
  for (const [name, value] of Object.entries(JSON.parse(data))) gauges[name]?.(value);
};
