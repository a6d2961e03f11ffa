// An application on PORT that sends /internal on to the worker at WORKER_URL, with either of two proxies.
//
//     PORT=3000 WORKER_URL=http://127.0.0.1:3001 node application.js middleware

const http = require("node:http");
const express = require("express");

const app = express();

// Both before express.json(), which would eat the body. Both say who asks (xfwd: X-Forwarded-For): believed by the
// worker where its TRUSTED_PROXIES names this machine.
if (process.argv[2] === "middleware") {
  const { createProxyMiddleware } = require("http-proxy-middleware");
  app.use(createProxyMiddleware({ target: process.env.WORKER_URL, pathFilter: "/internal", xfwd: true }));
} else {
  // The same without a package.
  app.use("/internal", (request, response) => {
    const forwarded = [request.headers["x-forwarded-for"], request.socket.remoteAddress].filter(Boolean).join(", ");
    const headers = { ...request.headers, "x-forwarded-for": forwarded, connection: "close" };
    const { method, originalUrl } = request;
    const onward = http.request(process.env.WORKER_URL + originalUrl, { method, headers }, (answer) => {
      response.writeHead(answer.statusCode, answer.headers);
      answer.pipe(response);
    });
    onward.on("error", () => (response.headersSent ? response.destroy() : response.sendStatus(502)));
    request.pipe(onward);
  });
}

app.use(express.json());
app.post("/api/echo", (request, response) => response.json(request.body));

const server = app.listen(Number(process.env.PORT), () => console.log(`listening on ${server.address().port}`));
