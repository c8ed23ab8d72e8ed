# One handler in Rack, with the middleware that Rails and Sinatra put in front of theirs.

require "json"

use Rack::MethodOverride

run lambda { |env|
  request = Rack::Request.new(env)
  variables = env.select { |name, value| name == name.upcase && value.is_a?(String) }
  text = JSON.generate(
    {
      handler: "undeclared:/**",
      app: "rack",
      method: request.request_method,
      path: request.path_info,
      root: request.script_name,
      scheme: request.scheme,
      host: request.host_with_port,
      user: env["REMOTE_USER"],
      client: request.ip,
      fields: variables.to_a,
    },
    ascii_only: true
  )
  [200, { "Content-Type" => "application/json", "Seen" => text }, [text]]
}
