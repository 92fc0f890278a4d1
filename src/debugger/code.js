// The code that sends the same request: curl, JavaScript, PHP and Python.

const shell = (text) => `'${text.replaceAll("'", "'\\''")}'`;
const php = (text) => `'${text.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const json = (value) => JSON.stringify(value); // is also a literal of JavaScript and Python

// request: {url, fields (an array of [name, value], or null for a subscription), token, how ('header', 'cookie' or
// 'none'), cookie}. The token is the first line of the code, so that it is easy to replace.
function curl({url, fields, token, how, cookie}) {
  const parts = [fields ? '' : '-N', how === 'header' ? "-H 'Authorization: Bearer '\"$TOKEN\"" : '',
    how === 'cookie' ? `-b ${shell(`${cookie}=`)}"$TOKEN"` : '',
    ...(fields ?? []).map(([name, value]) => `--data-urlencode ${shell(`${name}=${value}`)}`), shell(url)];
  return `${token ? `TOKEN=${shell(token)}\n` : ''}curl ${parts.filter(Boolean).join(' \\\n  ')}`;
}

function javascript({url, fields, token, how}) {
  const first = token && how === 'header' ? `const token = ${json(token)};\n` : '';
  const bearer = how === 'header' ? 'Authorization: `Bearer ${token}`' : '';
  const credentials = how === 'cookie' ? "\n  credentials: 'include'," : '';
  if (fields) {
    return `${first}const response = await fetch(${json(url)}, {
  method: 'POST',${bearer ? `\n  headers: {${bearer}},` : ''}${credentials}
  body: new URLSearchParams([
${fields.map((field) => `    ${json(field)},`).join('\n')}
  ]),
});
console.log(response.status, await response.text());`;
  }
  if (how === 'header') {
    return `${first}// An EventSource cannot send a header, so this reads the stream with fetch().
const response = await fetch(${json(url)}, {
  headers: {${bearer}, Accept: 'text/event-stream'},
});
for await (const text of response.body.pipeThrough(new TextDecoderStream())) {
  console.log(text);
}`;
  }
  return `const source = new EventSource(${json(url)}${how === 'cookie' ? ', {withCredentials: true}' : ''});
source.onmessage = ({lastEventId, data}) => console.log(lastEventId, data);`;
}

function fieldsOfPhp({fields, how, cookie}) {
  return [fields ? "'Content-Type: application/x-www-form-urlencoded'" : "'Accept: text/event-stream'",
    how === 'header' ? "'Authorization: Bearer ' . $token" : '', how === 'cookie' ? `${php(`Cookie: ${cookie}=`)} . $token` : ''].filter(Boolean).join(', ');
}

function phpCode(request) {
  const {url, fields, token} = request;
  const first = `<?php\n${token ? `$token = ${php(token)};\n` : ''}`;
  if (fields) {
    return `${first}$fields = [
${fields.map(([name, value]) => `    [${php(name)}, ${php(value)}],`).join('\n')}
];
$context = stream_context_create(['http' => [
    'method' => 'POST',
    'header' => [${fieldsOfPhp(request)}],
    'content' => implode('&', array_map(fn ($field) => $field[0] . '=' . urlencode($field[1]), $fields)),
    'ignore_errors' => true,
]]);
echo file_get_contents(${php(url)}, false, $context), "\\n";`;
  }
  // fgets() holds back lines of a chunked response until it has 8 KB; HTTP/1.0 has no chunks.
  return `${first}$context = stream_context_create(['http' => [
    'protocol_version' => 1.0,
    'header' => [${fieldsOfPhp(request)}],
    'timeout' => 3600,
]]);
$stream = fopen(${php(url)}, 'r', false, $context);
while (($line = fgets($stream)) !== false) {
    echo $line;
}`;
}

function python({url, fields, token, how, cookie}) {
  const headers = [fields ? '' : '"Accept": "text/event-stream"', how === 'header' ? '"Authorization": f"Bearer {token}"' : '',
    how === 'cookie' ? `"Cookie": ${json(`${cookie}=`)} + token` : ''].filter(Boolean).join(', ');
  const first = `import urllib.${fields ? 'parse\nimport urllib.' : ''}request\n\n${token ? `token = ${json(token)}\n` : ''}`;
  const data = fields ? `data = urllib.parse.urlencode([
${fields.map(([name, value]) => `    (${json(name)}, ${json(value)}),`).join('\n')}
]).encode()\n` : '';
  const request = `request = urllib.request.Request(${[json(url), fields ? 'data' : '', `headers={${headers}}`].filter(Boolean).join(', ')})`;
  return `${first}${data}${request}
with urllib.request.urlopen(request) as response:
    ${fields ? 'print(response.read().decode())' : 'for line in response:\n        print(line.decode(), end="")'}`;
}

export const LANGUAGES = {curl, JavaScript: javascript, PHP: phpCode, Python: python};
