// Each room is a topic. The browser sends the cookie by itself when it subscribes and when it publishes.
const room = new URLSearchParams(location.search).get('room') || 'lobby';
const topic = `https://example.com/chat/${encodeURIComponent(room)}`;
const hub = new URL('/.well-known/mercure', location);
const byId = (id) => document.getElementById(id);

const url = new URL(hub);
url.searchParams.append('match', topic);
url.searchParams.append('last_event_id', 'earliest'); // also earlier messages, as far as the history has them
const events = new EventSource(url, {withCredentials: true});
events.onopen = () => { byId('state').textContent = room; };
events.onerror = () => { byId('state').textContent = 'away'; };
events.onmessage = ({data}) => {
  const {name, text} = JSON.parse(data);
  const item = document.createElement('li');
  const who = document.createElement('b');
  who.textContent = name;
  item.append(who, ` ${text}`); // as text: messages are never markup
  byId('messages').append(item);
  item.scrollIntoView({block: 'end'});
};

byId('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const data = JSON.stringify({name: byId('name').value, text: byId('text').value});
  // private: only subscribers whose token grants this room receive the message.
  const answer = await fetch(hub, {method: 'POST', body: new URLSearchParams({topic, data, private: 'on'})});
  if (answer.ok) byId('text').value = '';
  else byId('state').textContent = `not sent: ${answer.status}`;
});
