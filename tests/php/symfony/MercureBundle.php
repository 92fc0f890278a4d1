<?php
// The part of Symfony's MercureBundle that docs/symfony.md configures, for the tests: Debian packages the component,
// but not the bundle. The options and the wiring of the component are the bundle's. Debian 12 has no lcobucci/jwt
// either: LegacyTokens makes the token that the component's LcobucciFactory makes with it.

namespace Symfony\Bundle\MercureBundle;

use Symfony\Component\Config\Definition\Builder\TreeBuilder;
use Symfony\Component\Config\Definition\ConfigurationInterface;
use Symfony\Component\DependencyInjection\ContainerBuilder;
use Symfony\Component\DependencyInjection\Extension\Extension;
use Symfony\Component\DependencyInjection\Extension\ExtensionInterface;
use Symfony\Component\DependencyInjection\Reference;
use Symfony\Component\HttpKernel\Bundle\Bundle;
use Symfony\Component\Mercure\Authorization;
use Symfony\Component\Mercure\Discovery;
use Symfony\Component\Mercure\EventSubscriber\SetCookieSubscriber;
use Symfony\Component\Mercure\Hub;
use Symfony\Component\Mercure\HubInterface;
use Symfony\Component\Mercure\HubRegistry;
use Symfony\Component\Mercure\Jwt\FactoryTokenProvider;
use Symfony\Component\Mercure\Jwt\TokenFactoryInterface;
use Symfony\Component\Mercure\Jwt\TokenProviderInterface;
use Symfony\Component\Mercure\Twig\MercureExtension as TwigExtension;

final class MercureBundle extends Bundle
{
    public function getContainerExtension(): ExtensionInterface
    {
        return new MercureExtension();
    }
}

final class Configuration implements ConfigurationInterface
{
    public function getConfigTreeBuilder(): TreeBuilder
    {
        $builder = new TreeBuilder('mercure');
        $builder->getRootNode()->children()
            ->arrayNode('hubs')->useAttributeAsKey('name')->arrayPrototype()->children()
                ->scalarNode('url')->isRequired()->end()
                ->scalarNode('public_url')->defaultNull()->end()
                ->arrayNode('jwt')->isRequired()->children()
                    ->scalarNode('secret')->end()
                    ->scalarNode('factory')->end()
                    ->arrayNode('publish')->scalarPrototype()->end()->end()
                    ->arrayNode('subscribe')->scalarPrototype()->end()->end()
                ->end()->end()
            ->end()->end()->end()
        ->end();

        return $builder;
    }
}

final class MercureExtension extends Extension
{
    public function getConfiguration(array $config, ContainerBuilder $container): ConfigurationInterface
    {
        return new Configuration();
    }

    public function load(array $configs, ContainerBuilder $container): void
    {
        $hub = $this->processConfiguration(new Configuration(), $configs)['hubs']['default'];
        $factory = $hub['jwt']['factory'] ?? LegacyTokens::class;
        if (isset($hub['jwt']['secret'])) {
            $container->register($factory)->setClass(LegacyTokens::class)->addArgument($hub['jwt']['secret']);
        }
        $container->register(FactoryTokenProvider::class, FactoryTokenProvider::class)
            ->setArguments([new Reference($factory), $hub['jwt']['subscribe'], $hub['jwt']['publish']]);
        $container->registerAliasForArgument(FactoryTokenProvider::class, TokenProviderInterface::class,
            'defaultTokenProvider');
        $container->register(Hub::class, Hub::class)
            ->setArguments([$hub['url'], new Reference(FactoryTokenProvider::class), new Reference($factory),
                $hub['public_url'], new Reference('http_client')]);
        $container->setAlias(HubInterface::class, Hub::class);
        $container->register(HubRegistry::class, HubRegistry::class)
            ->setArguments([new Reference(Hub::class), ['default' => new Reference(Hub::class)]]);
        $container->register(Authorization::class, Authorization::class)->addArgument(new Reference(HubRegistry::class));
        $container->register(Discovery::class, Discovery::class)->addArgument(new Reference(HubRegistry::class));
        $container->register(SetCookieSubscriber::class, SetCookieSubscriber::class)
            ->addTag('kernel.event_subscriber', ['priority' => -10]);
        $container->register(TwigExtension::class, TwigExtension::class)->addTag('twig.extension')
            ->setArguments([new Reference(HubRegistry::class), new Reference(Authorization::class),
                new Reference('request_stack')]);
    }
}

final class LegacyTokens implements TokenFactoryInterface
{
    public function __construct(private string $secret)
    {
    }

    public function create(?array $subscribe = [], ?array $publish = [], array $additionalClaims = []): string
    {
        $claims = $additionalClaims;
        if (($claims['exp'] ?? null) instanceof \DateTimeInterface) {
            $claims['exp'] = (float) $claims['exp']->format('U.u');
        }
        $claims['mercure'] = array_filter(['publish' => $publish, 'subscribe' => $subscribe], 'is_array');
        $encode = static fn (string $bytes): string => rtrim(strtr(base64_encode($bytes), '+/', '-_'), '=');
        $signed = $encode(json_encode(['typ' => 'JWT', 'alg' => 'HS256'])) . '.' . $encode(json_encode($claims));

        return $signed . '.' . $encode(hash_hmac('sha256', $signed, $this->secret, true));
    }
}
