<?php
// The class and the service provider's lines of docs/laravel.md with Debian's Illuminate components:
//
//     php laravel.php FOLDER '{"topic": …, "data": …, "private": …}'
//
// FOLDER holds .env, Mercure.php and provider.php, which are blocks of the page. Prints the id of the update, or the
// status of a refusal.

use Illuminate\Container\Container;
use Illuminate\Http\Client\Factory;
use Illuminate\Http\Client\RequestException;
use Illuminate\Support\Facades\Facade;

foreach (['Container', 'Support', 'Http'] as $name) {
    require "Illuminate/$name/autoload.php";
}
require 'GuzzleHttp/autoload.php';

[, $folder, $ask] = $argv;
$env = parse_ini_file("$folder/.env");

function config(string $name): string
{
    global $env;

    return ['app.url' => 'https://example.com', 'services.mercure.url' => $env['MERCURE_URL'],
        'services.mercure.public_url' => $env['MERCURE_PUBLIC_URL'],
        'services.mercure.secret' => $env['MERCURE_JWT_SECRET']][$name];
}

$app = new Container();
$app->singleton(Factory::class);
Facade::setFacadeApplication($app);
require "$folder/Mercure.php";
(new class($app, "$folder/provider.php") {
    public function __construct(private Container $app, string $lines)
    {
        require $lines;
    }
});

try {
    echo $app->make(App\Services\Mercure::class)->publish(...json_decode($ask, true)), "\n";
} catch (RequestException $refusal) {
    echo $refusal->response->status(), "\n";
}
