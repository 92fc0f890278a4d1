<?php
// A Symfony application of Debian's packages, in the folder MERCURE_APP, for tests/live/test_symfony.py. Its own files
// are those that docs/symfony.md shows: config/packages, src and templates. PHP's server runs this file for each
// request; `php app.php console COMMAND` runs a command.

use Symfony\Bundle\FrameworkBundle\Console\Application;
use Symfony\Bundle\FrameworkBundle\FrameworkBundle;
use Symfony\Bundle\FrameworkBundle\Kernel\MicroKernelTrait;
use Symfony\Bundle\MercureBundle\MercureBundle;
use Symfony\Bundle\TwigBundle\TwigBundle;
use Symfony\Component\DependencyInjection\Loader\Configurator\ContainerConfigurator;
use Symfony\Component\Dotenv\Dotenv;
use Symfony\Component\HttpFoundation\Request;
use Symfony\Component\HttpKernel\Kernel;
use Symfony\Component\Routing\Annotation\Route;
use Symfony\Component\Routing\Loader\Configurator\RoutingConfigurator;

foreach (['Bundle/FrameworkBundle', 'Bundle/TwigBundle', 'Component/Dotenv', 'Component/HttpClient', 'Component/Mercure',
    'Component/Yaml'] as $name) {
    require "Symfony/$name/autoload.php";
}
spl_autoload_register(static function (string $class): void {
    $file = getenv('MERCURE_APP') . '/src/' . strtr(substr($class, 4), '\\', '/') . '.php';
    if (str_starts_with($class, 'App\\') && file_exists($file)) {
        require $file;
    }
});
// A Debian that packages the bundle is tested with that bundle.
if (stream_resolve_include_path('Symfony/Bundle/MercureBundle/autoload.php')) {
    require 'Symfony/Bundle/MercureBundle/autoload.php';
} else {
    require __DIR__ . '/MercureBundle.php';
}
// Its name since Symfony 6.4; Debian 12 has Symfony 5.4.
class_exists('Symfony\Component\Routing\Attribute\Route')
    || class_alias(Route::class, 'Symfony\Component\Routing\Attribute\Route');

final class App extends Kernel
{
    use MicroKernelTrait;

    public function registerBundles(): array
    {
        return [new FrameworkBundle(), new TwigBundle(), new MercureBundle()];
    }

    public function getProjectDir(): string
    {
        return getenv('MERCURE_APP');
    }

    protected function configureContainer(ContainerConfigurator $container): void
    {
        $container->extension('framework', ['secret' => 'of the tests', 'http_client' => true, 'web_link' => true,
            'http_method_override' => false, 'test' => false]);
        $container->extension('twig', ['default_path' => '%kernel.project_dir%/templates', 'strict_variables' => true]);
        $container->services()->defaults()->autowire()->autoconfigure()
            ->load('App\\', $this->getProjectDir() . '/src/');
        $container->import($this->getProjectDir() . '/config/packages/*.yaml');
        $container->import($this->getProjectDir() . '/config/services.yaml', null, true);
    }

    protected function configureRoutes(RoutingConfigurator $routes): void
    {
        $routes->import($this->getProjectDir() . '/src/Controller/', 'annotation');
    }
}

(new Dotenv())->bootEnv(getenv('MERCURE_APP') . '/.env', 'prod');
$app = new App('prod', false);
if (PHP_SAPI === 'cli') {
    exit((new Application($app))->run());
}
$request = Request::createFromGlobals();
$response = $app->handle($request);
$response->send();
$app->terminate($request, $response);
