// An application on PORT that sends /internal on to the worker at WORKER_URL, with either of two proxies.
//
//     PORT=3000 WORKER_URL=http://127.0.0.1:3001 node application.js middleware

const http = require("node:http");
const express = require("express");
const { createProxyMiddleware } = require("http-proxy-middleware");

const WORKER_URL = process.env.WORKER_URL;

const proxies = {
  // xfwd: the worker learns who asks; believed where TRUSTED_PROXIES names this machine
  middleware: createProxyMiddleware({ target: WORKER_URL, pathFilter: "/internal", xfwd: true }),

  // the same without a package
  plain: (request, response, next) => {
    if (!request.url.startsWith("/internal")) return next();
    const forwarded = [request.headers["x-forwarded-for"], request.socket.remoteAddress].filter(Boolean).join(", ");
    const headers = { ...request.headers, "x-forwarded-for": forwarded, connection: "close" };
    const onward = http.request(WORKER_URL + request.url, { method: request.method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => response.headersSent ? response.destroy() : response.sendStatus(502));
    request.pipe(onward);
  },
};

const app = express();
app.use(proxies[process.argv[2]]); // before express.json(), which would eat the body
app.use(express.json());
app.post("/api/echo", (request, response) => response.json(request.body));

const server = app.listen(Number(process.env.PORT), () => console.log(`listening on ${server.address().port}`));
