// The logical routes of the test target `differential` in Express. Variables whose name starts with `EXPRESS_` change its
// settings, for the table of fields that move a request.

const express = require("express");

const app = express();

if (process.env.EXPRESS_TRUST_PROXY) app.set("trust proxy", "loopback");
if (process.env.EXPRESS_METHOD_OVERRIDE) app.use(require("method-override")());

// A handler that says its name, under each of these paths. Of two that fit, Express takes the first.
function says(handler, ...paths) {
  app.all(paths, (request, response) => {
    const raw = request.rawHeaders;
    const text = JSON.stringify({
      handler,
      app: "express",
      method: request.method,
      path: request.path,
      root: request.baseUrl,
      scheme: request.protocol,
      host: request.host ?? "",
      user: null,
      client: request.ip,
      fields: raw.flatMap((name, at) => (at % 2 ? [] : [[name, raw[at + 1]]])),
    });
    const ascii = text.replace(/[\u007f-\uffff]/g, (c) => "\\u" + c.charCodeAt(0).toString(16).padStart(4, "0"));
    response.set("Seen", ascii).type("json").send(ascii);
  });
}

says("/", "/");
says("/public", "/public");
says("/public/**", "/public{/*rest}");
says("/login", "/login");
says("/items/{id}/open", "/items/:id/open");
says("/items/**", "/items{/*rest}");
says("/files", "/files");
says("/files/**", "/files{/*rest}");
says("/admin/**", "/admin{/*rest}");
says("/Mixed/Case", "/Mixed/Case");
says("/api/special", "/api/special");
says("/api/{id}", "/api/:id");
says("/api/{id}/x", "/api/:id/x");
says("/a.b/c-d_e~f", "/a.b/c-d_e~f");
says("/users/@me", "/users/@me");
says("/users/{id}", "/users/:id");
says("/closed/**", "/closed{/*rest}");
says("/tenant/**", "/tenant{/*rest}");
// What no gate knows of.
says("undeclared:/{page}", "/:page");
says("undeclared:/{a}/{b}", "/:a/:b");
says("undeclared:/**", "/{*rest}");

const server = app.listen(0, "127.0.0.1", () => console.error(`listening on 127.0.0.1:${server.address().port}`));
