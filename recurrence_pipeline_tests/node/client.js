// The application's own client of its worker: axios to its own PORT, 10 s, and whatever fails is sent once more.
//
//     echo '[["post", "tasks/recurrence", {"operation": "create", "taskId": "..."}]]' | node client.js
//
// Prints, for each call in turn, what came back: [{"status": 200, "body": {...}, "sent": 1}].

const axios = require("axios");

const worker = axios.create({
  baseURL: `http://localhost:${process.env.PORT}/internal/worker/`,
  timeout: 10000,
  headers: { "Content-Type": "application/json", "x-internal-api-key": process.env.INTERNAL_API_KEY },
});

async function call(method, url, data) {
  for (let sent = 1; ; sent++) {
    try {
      const { status, data: body } = await worker.request({ method, url, data });
      return { status, body, sent };
    } catch ({ code, response }) {
      if (sent === 2) return response ? { status: response.status, body: response.data, sent } : { code, sent };
      await new Promise((resume) => setTimeout(resume, 500));
    }
  }
}

async function main() {
  let text = "";
  for await (const chunk of process.stdin) text += chunk;
  const answers = [];
  for (const asked of JSON.parse(text)) answers.push(await call(...asked));
  console.log(JSON.stringify(answers));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
