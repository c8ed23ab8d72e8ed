<?php
// One handler on the HTTP layer of Symfony and Laravel, with the proxy in front trusted as their manuals have it.

// Where Debian has it; elsewhere a Composer project with symfony/http-foundation in it.
require getenv('BAILIFF_TEST_SYMFONY') ?: '/usr/share/php/Symfony/Component/HttpFoundation/autoload.php';

use Symfony\Component\HttpFoundation\Request;

Request::enableHttpMethodParameterOverride();
Request::setTrustedProxies(
    ['127.0.0.1'],
    Request::HEADER_X_FORWARDED_FOR | Request::HEADER_X_FORWARDED_HOST | Request::HEADER_X_FORWARDED_PORT
        | Request::HEADER_X_FORWARDED_PROTO | Request::HEADER_X_FORWARDED_PREFIX
);

$request = Request::createFromGlobals();
$fields = [];
foreach ($_SERVER as $name => $value) {
    if (is_string($value)) {
        $fields[] = [$name, $value];
    }
}
$text = json_encode([
    'handler' => 'undeclared:/**',
    'app' => 'php',
    'method' => $request->getMethod(),
    'path' => $request->getPathInfo(),
    'root' => $request->getBaseUrl(),
    'scheme' => $request->getScheme(),
    'host' => $request->getHttpHost(),
    'user' => $request->getUser(),
    'client' => $request->getClientIp(),
    'fields' => $fields,
], JSON_UNESCAPED_SLASHES);
header('Content-Type: application/json');
header("Seen: $text");
echo $text;
