// Each room is a topic. The browser sends the cookie by itself when it subscribes and when it publishes.
const room = /^[\w-]{1,40}$/.exec(new URLSearchParams(location.search).get('room'))?.[0] ?? 'lobby';
const topic = `https://example.com/chat/${room}`;
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

const post = (to, fields) => fetch(to, {method: 'POST', body: new URLSearchParams(fields)});

// send.php publishes with a field of its response. A server without PHP answers with the text of the file; then the
// browser publishes the message itself, with the token in its cookie.
async function send(name, text) {
  const answer = await post('send.php', {room, name, text});
  if (answer.status !== 200 && answer.status !== 404) return answer;
  // private: only subscribers whose token grants this room receive the message.
  return post(hub, {topic, data: JSON.stringify({name, text}), private: 'on'});
}

byId('form').addEventListener('submit', async (event) => {
  event.preventDefault();
  const answer = await send(byId('name').value, byId('text').value);
  if (answer.ok) byId('text').value = '';
  else byId('state').textContent = `not sent: ${answer.status}`;
});
