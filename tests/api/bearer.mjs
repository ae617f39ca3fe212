// A relay that adds a bearer token, for clients that cannot be told to send one. All else passes as it came,
// the Host and the Origin among it: what the server says of those is part of what is tested.
//
//   node bearer.mjs URL TOKEN_FILE PORT_FILE
import { createServer, request } from "node:http";
import { readFileSync, writeFileSync } from "node:fs";

const [target, tokenFile, portFile] = process.argv.slice(2);
const { hostname, port } = new URL(target);
const authorization = `Bearer ${readFileSync(tokenFile, "utf8").trim()}`;

const relay = createServer((incoming, answer) => {
  const headers = { ...incoming.headers, authorization };
  const onward = request(
    { hostname, port, path: incoming.url, method: incoming.method, headers, setHost: false },
    (response) => {
      answer.writeHead(response.statusCode, response.headers);
      response.pipe(answer);
    },
  );
  onward.on("error", (error) => answer.destroy(error));
  answer.on("close", () => onward.destroy());
  incoming.pipe(onward);
});
relay.listen(0, "127.0.0.1", () => writeFileSync(portFile, `${relay.address().port}\n`));
