<?php
// Symfony's Mercure component, as Debian packages it, publishing with a static token:
//
//     php publish.php '{"url": …, "token": …, "updates": [{"topics": […], "data": …, "private": …, …}, …]}'
//
// Prints as JSON the ids that the hub gave, and the cookie and the URL that the component makes for a browser.

require '/usr/share/php/Symfony/Component/Mercure/autoload.php';
require '/usr/share/php/Symfony/Component/HttpClient/autoload.php';
require '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpClient\HttpClient;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\Mercure\Authorization;
use Symfony\Component\Mercure\Hub;
use Symfony\Component\Mercure\HubRegistry;
use Symfony\Component\Mercure\Jwt\StaticTokenProvider;
use Symfony\Component\Mercure\Jwt\TokenFactoryInterface;
use Symfony\Component\Mercure\Update;

$ask = json_decode($argv[1], true, 512, JSON_THROW_ON_ERROR);

$factory = new class($ask['token']) implements TokenFactoryInterface {
    private string $token;

    public function __construct(string $token)
    {
        $this->token = $token;
    }

    public function create(?array $subscribe = [], ?array $publish = [], array $additionalClaims = []): string
    {
        return $this->token;
    }
};

$hub = new Hub($ask['url'], new StaticTokenProvider($ask['token']), $factory, null, HttpClient::create(['timeout' => 60]));
$ids = [];
foreach ($ask['updates'] as $update) {
    $ids[] = $hub->publish(new Update(
        $update['topics'],
        $update['data'] ?? '',
        $update['private'] ?? false,
        $update['id'] ?? null,
        $update['type'] ?? null,
        $update['retry'] ?? null
    ));
}

$authorization = new Authorization(new HubRegistry($hub), 0);
$cookie = $authorization->createCookie(Request::create($ask['url']), ['*']);

echo json_encode(['ids' => $ids, 'cookie' => [$cookie->getName(), $cookie->getValue(), $cookie->getPath()]]), "\n";
