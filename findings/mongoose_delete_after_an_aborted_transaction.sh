#!/usr/bin/env bash
# Mongoose: a document whose deletion was rolled back cannot be deleted any more, and nothing says so (8), or can (9).
#
# Guess: a transaction that deletes a document and fails leaves everything as it was, the document object too, which
#   Mongoose documents for save(): deleting it once more deletes it.
# Seen (Mongoose 8.24.10 and 9.12.1, Node 20, a MongoDB-wire server, SecantusDB 0.7.0b3): with 8, the object still says
#   that it is deleted. deleteOne() on it sends nothing, answers undefined where it else answers a result, and the
#   document stays. With 9 it is deleted.
set -euo pipefail

work=$(mktemp -d)
trap 'kill "${server:-0}" 2>/dev/null || true; rm -rf "$work"' EXIT
"${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check SecantusDB==0.7.0b3 2>/dev/null
echo '{}' >"$work/package.json"
npm install --prefix "$work" --ignore-scripts --no-audit --no-fund --loglevel=error \
  mongoose8@npm:mongoose@8.24.10 mongoose9@npm:mongoose@9.12.1 >/dev/null
touch "$work/empty.toml"
"$work/venv/bin/python" -m secantus --port 0 --storage-path "$work/data" --config "$work/empty.toml" 2>"$work/log" &
server=$!
until port=$(grep -oPm1 'listening on \S+:\K\d+' "$work/log"); do sleep 0.1; done

cat >"$work/delete.mjs" <<'JS'
import mongoose8 from "mongoose8";
import mongoose9 from "mongoose9";

const different = [];
for (const [mongoose, described] of [[mongoose8, "still there"], [mongoose9, "deleted"]]) {
  const connection = await mongoose
    .createConnection(`mongodb://127.0.0.1:${process.argv[2]}/findings?directConnection=true`)
    .asPromise();
  const Task = connection.model("Task", new mongoose.Schema({ title: String }));
  const task = await Task.create({ title: "Standup" });
  await connection
    .transaction(async (session) => {
      await task.deleteOne({ session });
      throw new Error("changed my mind");
    })
    .catch(() => {});
  const before = await Task.countDocuments({ _id: task._id });
  await task.deleteOne();
  const seen = (await Task.countDocuments({ _id: task._id })) ? "still there" : "deleted";
  console.log(`Mongoose ${mongoose.version}, Node ${process.version}; after the rollback: ${before} document`);
  console.log(`  deleted once more\n  guess: deleted\n  seen:  ${seen}`);
  if (before !== 1 || seen !== described) different.push(mongoose.version);
  await connection.close();
}
if (different.length) {
  console.log(`No longer as described: ${different.join(", ")}`);
  process.exit(1);
}
JS
cd "$work"
node delete.mjs "$port"
