<?php
// Publishes a message of the chat with the field Mercure-Publish of this response (see MercurePublishHeader in
// ../httpd.conf). It needs no token: the server trusts this script, so the script checks what it publishes.
if ($_SERVER['REQUEST_METHOD'] !== 'POST' || ($_SERVER['HTTP_SEC_FETCH_SITE'] ?? '') !== 'same-origin') {
    http_response_code(403); // a page of another site
    exit;
}
foreach (['room' => '/^[\w-]{1,40}$/D', 'name' => '/^.{1,30}$/Dsu', 'text' => '/^.{1,500}$/Dsu'] as $field => $pattern) {
    if (!is_string($_POST[$field] ?? null) || !preg_match($pattern, $_POST[$field])) {
        http_response_code(400);
        exit("$field is missing or too long");
    }
}
// private: only subscribers whose token grants this room receive the message.
$update = http_build_query([
    'topic' => "https://example.com/chat/$_POST[room]",
    'data' => json_encode(['name' => $_POST['name'], 'text' => $_POST['text']], JSON_UNESCAPED_UNICODE),
    'private' => 'on',
]);
header("Mercure-Publish: $update");
http_response_code(204);
